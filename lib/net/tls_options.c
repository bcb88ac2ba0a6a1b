/* TLS options: deep copies and all checks that need no file. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>

#include <mqev/reason.h>

#include "core/mem.h"
#include "net/tls.h"

#define MAX_ALPN_BYTES 65535
#define MAX_PSK_BYTES 256

/* Members that own memory, by kind. */
static const size_t strings[] = {
    offsetof(struct mqev_tls_options, ca_file),
    offsetof(struct mqev_tls_options, ca_dir),
    offsetof(struct mqev_tls_options, cert_file),
    offsetof(struct mqev_tls_options, cert_uri),
    offsetof(struct mqev_tls_options, key_file),
    offsetof(struct mqev_tls_options, key_uri),
    offsetof(struct mqev_tls_options, key_password),
    offsetof(struct mqev_tls_options, server_name),
    offsetof(struct mqev_tls_options, ciphers),
    offsetof(struct mqev_tls_options, ciphersuites),
    offsetof(struct mqev_tls_options, psk_identity),
    offsetof(struct mqev_tls_options, keylog_file),
};

struct sized_member {
	const char *name;
	size_t data;
	size_t count;
};

static const struct sized_member blobs[] = {
    {"ca_pem", offsetof(struct mqev_tls_options, ca_pem),
	offsetof(struct mqev_tls_options, ca_pem_len)},
    {"cert_pem", offsetof(struct mqev_tls_options, cert_pem),
	offsetof(struct mqev_tls_options, cert_pem_len)},
    {"key_pem", offsetof(struct mqev_tls_options, key_pem),
	offsetof(struct mqev_tls_options, key_pem_len)},
    {"psk", offsetof(struct mqev_tls_options, psk), offsetof(struct mqev_tls_options, psk_len)},
};

static const struct sized_member lists[] = {
    {"alpn", offsetof(struct mqev_tls_options, alpn),
	offsetof(struct mqev_tls_options, alpn_count)},
    {"crl_files", offsetof(struct mqev_tls_options, crl_files),
	offsetof(struct mqev_tls_options, crl_file_count)},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

int
mqev_tls_fault(struct mqev_tls_fault *fault, int code, const char *format, ...)
{
	va_list args;

	fault->code = code;
	if (fault->text == NULL || fault->size == 0)
		return -1;
	va_start(args, format);
	vsnprintf(fault->text, fault->size, format, args);
	va_end(args);
	return -1;
}

static const char *
reason_text(unsigned long code)
{
	const char *text = NULL;

	if (ERR_SYSTEM_ERROR(code))
		return strerror(ERR_GET_REASON(code));
	if (code != 0)
		text = ERR_reason_error_string(code);
	return text != NULL ? text : "not accepted by OpenSSL";
}

/* The oldest entry is the cause; those above it only say who passed it on. */
int
mqev_tls_fault_ssl(struct mqev_tls_fault *fault, const char *option, const char *what)
{
	unsigned long code = ERR_peek_error();

	ERR_clear_error();
	if (code != 0 && ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
		return mqev_tls_fault(fault, MQEV_ERR_NOMEM, "out of memory");
	if (what == NULL)
		return mqev_tls_fault(fault, MQEV_ERR_TLS, "%s: %s", option, reason_text(code));
	return mqev_tls_fault(fault, MQEV_ERR_TLS, "%s: %s: %s", option, what, reason_text(code));
}

static const char **
string_at(struct mqev_tls_options *o, size_t offset)
{
	return (const char **)(void *)((char *)o + offset);
}

static const void **
data_at(struct mqev_tls_options *o, size_t offset)
{
	return (const void **)(void *)((char *)o + offset);
}

static const char ***
list_at(struct mqev_tls_options *o, size_t offset)
{
	return (const char ***)(void *)((char *)o + offset);
}

static size_t
size_at(const struct mqev_tls_options *o, size_t offset)
{
	return *(const size_t *)(const void *)((const char *)o + offset);
}

/* Replaces *at by a copy, which is NULL for NULL. */
static bool
own_string(const char **at)
{
	if (*at != NULL)
		*at = mqev_strdup(*at);
	return *at != NULL;
}

static bool
own_blob(const void **at, size_t len)
{
	if (*at != NULL)
		*at = mqev_memdup(*at, len);
	return *at != NULL;
}

static void
free_list(const char **list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		mqev_free((void *)list[i]);
	mqev_free(list);
}

static bool
own_list(const char ***at, size_t count)
{
	const char *const *from = *at;
	const char **list;

	*at = NULL;
	if (from == NULL)
		return false;
	list = mqev_calloc(count, sizeof(*list));
	for (size_t i = 0; list != NULL && i < count; i++) {
		list[i] = from[i];
		if (!own_string(&list[i])) {
			free_list(list, i);
			return false;
		}
	}
	*at = list;
	return list != NULL;
}

/* Every member is visited even after a failure, so that none is left that points to the caller's
 * memory. */
static bool
own_members(struct mqev_tls_options *o)
{
	bool ok = true;

	for (size_t i = 0; i < COUNT(strings); i++) {
		const char **at = string_at(o, strings[i]);
		ok &= *at == NULL || own_string(at);
	}
	for (size_t i = 0; i < COUNT(blobs); i++) {
		const void **at = data_at(o, blobs[i].data);
		ok &= *at == NULL || own_blob(at, size_at(o, blobs[i].count));
	}
	for (size_t i = 0; i < COUNT(lists); i++) {
		const char ***at = list_at(o, lists[i].data);
		ok &= *at == NULL || own_list(at, size_at(o, lists[i].count));
	}
	return ok;
}

/* A list must be whole before it is copied. */
static int
check_sizes(struct mqev_tls_options *o, struct mqev_tls_fault *fault)
{
	for (size_t i = 0; i < COUNT(blobs); i++)
		if ((*data_at(o, blobs[i].data) == NULL) != (size_at(o, blobs[i].count) == 0))
			return mqev_tls_fault(fault, MQEV_ERR_INVALID,
			    "%s: pointer and length do not fit", blobs[i].name);
	for (size_t i = 0; i < COUNT(lists); i++) {
		const char **list = *list_at(o, lists[i].data);
		size_t count = size_at(o, lists[i].count);
		if ((list == NULL) != (count == 0))
			return mqev_tls_fault(fault, MQEV_ERR_INVALID,
			    "%s: pointer and count do not fit", lists[i].name);
		for (size_t n = 0; n < count; n++)
			if (list[n] == NULL)
				return mqev_tls_fault(
				    fault, MQEV_ERR_INVALID, "%s: an entry is NULL", lists[i].name);
	}
	return 0;
}

int
mqev_tls_options_copy(struct mqev_tls_options *copy, const struct mqev_tls_options *from,
    struct mqev_tls_fault *fault)
{
	struct mqev_tls_options o;

	memset(&o, 0, sizeof(o));
	memset(copy, 0, sizeof(*copy));
	if (from != NULL) {
		if (from->size < sizeof(from->size))
			return mqev_tls_fault(
			    fault, MQEV_ERR_INVALID, "size: not set, use MQEV_TLS_OPTIONS()");
		memcpy(&o, from, from->size < sizeof(o) ? from->size : sizeof(o));
	}
	o.size = sizeof(o);
	if (check_sizes(&o, fault) < 0)
		return -1;
	*copy = o;
	if (copy->ssl_ctx != NULL)
		SSL_CTX_up_ref(copy->ssl_ctx);
	if (own_members(copy))
		return 0;
	mqev_tls_options_free(copy);
	return mqev_tls_fault(fault, MQEV_ERR_NOMEM, "out of memory");
}

/* Secrets are overwritten before their memory goes back. */
static void
free_secrets(struct mqev_tls_options *o)
{
	if (o->key_password != NULL)
		OPENSSL_cleanse((void *)o->key_password, strlen(o->key_password));
	if (o->key_pem != NULL)
		OPENSSL_cleanse((void *)o->key_pem, o->key_pem_len);
	if (o->psk != NULL)
		OPENSSL_cleanse((void *)o->psk, o->psk_len);
}

void
mqev_tls_options_free(struct mqev_tls_options *copy)
{
	free_secrets(copy);
	for (size_t i = 0; i < COUNT(strings); i++)
		mqev_free((void *)*string_at(copy, strings[i]));
	for (size_t i = 0; i < COUNT(blobs); i++)
		mqev_free((void *)*data_at(copy, blobs[i].data));
	for (size_t i = 0; i < COUNT(lists); i++) {
		const char **list = *list_at(copy, lists[i].data);
		if (list != NULL)
			free_list(list, size_at(copy, lists[i].count));
	}
	SSL_CTX_free(copy->ssl_ctx);
	memset(copy, 0, sizeof(*copy));
}

static bool
version_known(enum mqev_tls_version version)
{
	return version == MQEV_TLS_VERSION_DEFAULT ||
	       (version >= MQEV_TLS_VERSION_1_0 && version <= MQEV_TLS_VERSION_1_3);
}

static int
check_versions(const struct mqev_tls_options *o, struct mqev_tls_fault *fault)
{
	enum mqev_tls_version min = o->min_version;

	if (!version_known(min))
		return mqev_tls_fault(fault, MQEV_ERR_INVALID, "min_version: unknown version");
	if (!version_known(o->max_version))
		return mqev_tls_fault(fault, MQEV_ERR_INVALID, "max_version: unknown version");
	if (min == MQEV_TLS_VERSION_DEFAULT)
		min = MQEV_TLS_VERSION_1_2;
	if (o->max_version != MQEV_TLS_VERSION_DEFAULT && o->max_version < min)
		return mqev_tls_fault(fault, MQEV_ERR_INVALID, "max_version: below min_version");
	return 0;
}

static int
check_verify(const struct mqev_tls_options *o, struct mqev_tls_fault *fault)
{
	if ((int)o->verify < MQEV_TLS_VERIFY_FULL || (int)o->verify > MQEV_TLS_VERIFY_NONE)
		return mqev_tls_fault(fault, MQEV_ERR_INVALID, "verify: unknown mode");
	if (o->server_name != NULL &&
	    (o->server_name[0] == '\0' || strlen(o->server_name) > TLSEXT_MAXLEN_host_name))
		return mqev_tls_fault(fault, MQEV_ERR_INVALID, "server_name: 1 to 255 bytes");
	if (o->require_ocsp_staple && o->verify == MQEV_TLS_VERIFY_NONE)
		return mqev_tls_fault(
		    fault, MQEV_ERR_INVALID, "require_ocsp_staple: not with MQEV_TLS_VERIFY_NONE");
	if (o->crl_file_count > 0 && o->verify == MQEV_TLS_VERIFY_NONE)
		return mqev_tls_fault(
		    fault, MQEV_ERR_INVALID, "crl_files: not with MQEV_TLS_VERIFY_NONE");
	return 0;
}

static int
given(const void *a, const void *b, const void *c)
{
	return (a != NULL) + (b != NULL) + (c != NULL);
}

static int
check_certificate(const struct mqev_tls_options *o, struct mqev_tls_fault *fault)
{
	int certs = given(o->cert_file, o->cert_pem, o->cert_uri);
	int keys = given(o->key_file, o->key_pem, o->key_uri);

	if (certs > 1)
		return mqev_tls_fault(fault, MQEV_ERR_INVALID,
		    "cert_file, cert_pem, cert_uri: only one may be given");
	if (keys > 1)
		return mqev_tls_fault(
		    fault, MQEV_ERR_INVALID, "key_file, key_pem, key_uri: only one may be given");
	if (keys > certs)
		return mqev_tls_fault(fault, MQEV_ERR_INVALID, "key: given without a certificate");
	if (o->key_password != NULL && o->on_key_password != NULL)
		return mqev_tls_fault(fault, MQEV_ERR_INVALID,
		    "key_password, on_key_password: only one may be given");
	return 0;
}

static int
check_psk(const struct mqev_tls_options *o, struct mqev_tls_fault *fault)
{
	if ((o->psk == NULL) != (o->psk_identity == NULL))
		return mqev_tls_fault(
		    fault, MQEV_ERR_INVALID, "psk, psk_identity: both or none must be given");
	if (o->psk_len > MAX_PSK_BYTES)
		return mqev_tls_fault(fault, MQEV_ERR_INVALID, "psk: longer than 256 bytes");
	if (o->psk_identity != NULL &&
	    (o->psk_identity[0] == '\0' || strlen(o->psk_identity) > 255))
		return mqev_tls_fault(fault, MQEV_ERR_INVALID, "psk_identity: 1 to 255 bytes");
	return 0;
}

static int
check_alpn(const struct mqev_tls_options *o, struct mqev_tls_fault *fault)
{
	size_t total = 0;

	for (size_t i = 0; i < o->alpn_count; i++) {
		size_t len = strlen(o->alpn[i]);
		if (len == 0 || len > 255)
			return mqev_tls_fault(
			    fault, MQEV_ERR_INVALID, "alpn: each protocol has 1 to 255 bytes");
		total += len + 1;
	}
	if (total > MAX_ALPN_BYTES)
		return mqev_tls_fault(fault, MQEV_ERR_INVALID, "alpn: too many protocols");
	return 0;
}

/* A context made by the application is not ours to change. */
static int
check_own_context(const struct mqev_tls_options *o, struct mqev_tls_fault *fault)
{
	const struct {
		bool given;
		const char *name;
	} excluded[] = {
	    {o->ca_file || o->ca_dir || o->ca_pem || o->system_trust, "ca"},
	    {given(o->cert_file, o->cert_pem, o->cert_uri) > 0, "cert"},
	    {o->key_password != NULL || o->on_key_password != NULL, "key_password"},
	    {o->ciphers != NULL, "ciphers"},
	    {o->ciphersuites != NULL, "ciphersuites"},
	    {o->psk != NULL, "psk"},
	    {o->crl_files != NULL, "crl_files"},
	    {o->require_ocsp_staple, "require_ocsp_staple"},
	    {o->keylog_file != NULL, "keylog_file"},
	};

	for (size_t i = 0; o->ssl_ctx != NULL && i < COUNT(excluded); i++)
		if (excluded[i].given)
			return mqev_tls_fault(fault, MQEV_ERR_INVALID,
			    "%s: not beside ssl_ctx, set it there", excluded[i].name);
	return 0;
}

int
mqev_tls_options_check(const struct mqev_tls_options *o, struct mqev_tls_fault *fault)
{
	static int (*const checks[])(const struct mqev_tls_options *, struct mqev_tls_fault *) = {
	    check_verify,
	    check_versions,
	    check_certificate,
	    check_psk,
	    check_alpn,
	    check_own_context,
	};

	for (size_t i = 0; i < COUNT(checks); i++)
		if (checks[i](o, fault) < 0)
			return -1;
	return 0;
}
