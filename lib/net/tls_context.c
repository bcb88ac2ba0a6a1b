/* From options to an SSL_CTX, all or nothing. Certificates, keys and lists are read in tls_load.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <mqev/reason.h>

#include "core/mem.h"
#include "net/tls.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* What the parts of a context are made from. */
struct build {
	struct mqev_tls_context *context;
	SSL_CTX *ctx;
	const struct mqev_tls_options *o;
	struct mqev_tls_fault *fault;
};

static struct mqev_tls_link *
link_of(const SSL *ssl)
{
	return SSL_get_app_data(ssl);
}

/*
 * libevent writes chains of its buffer by several calls and cannot tell short writes apart, hence
 * no PARTIAL_WRITE. A broker that just closes is the usual end of a link, and MQTT frames its own
 * data: not an error, and the session stays good.
 */
static int
set_manners(struct build *b)
{
	SSL_CTX_set_options(
	    b->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(b->ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_clear_mode(b->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE);
	return 0;
}

static int
set_versions(struct build *b)
{
	int min = (int)b->o->min_version;
	int max = (int)b->o->max_version;

	if (min == MQEV_TLS_VERSION_DEFAULT)
		min = TLS1_2_VERSION;
	if (SSL_CTX_set_min_proto_version(b->ctx, min) != 1)
		return mqev_tls_fault_ssl(b->fault, "min_version", NULL);
	if (SSL_CTX_set_max_proto_version(b->ctx, max) != 1)
		return mqev_tls_fault_ssl(b->fault, "max_version", NULL);
	return 0;
}

/* Before any certificate: the list sets the security level by which they are judged. */
static int
set_ciphers(struct build *b)
{
	const struct mqev_tls_options *o = b->o;

	if (o->ciphers != NULL && SSL_CTX_set_cipher_list(b->ctx, o->ciphers) != 1)
		return mqev_tls_fault_ssl(b->fault, "ciphers", o->ciphers);
	if (o->ciphersuites != NULL && SSL_CTX_set_ciphersuites(b->ctx, o->ciphersuites) != 1)
		return mqev_tls_fault_ssl(b->fault, "ciphersuites", o->ciphersuites);
	return 0;
}

static int
set_trust(struct build *b)
{
	return mqev_tls_load_trust(b->ctx, b->o, b->fault);
}

static int
set_crls(struct build *b)
{
	return mqev_tls_load_crls(b->ctx, b->o, b->fault);
}

static int
set_certificate(struct build *b)
{
	return mqev_tls_load_certificate(b->ctx, b->o, b->fault);
}

static int
set_staple(struct build *b)
{
	if (b->o->require_ocsp_staple)
		mqev_tls_require_staple(b->ctx);
	return 0;
}

static unsigned
psk_client(SSL *ssl, const char *hint, char *identity, unsigned identity_size, unsigned char *psk,
    unsigned psk_size)
{
	const struct mqev_tls_link *link = link_of(ssl);
	const struct mqev_tls_options *o;

	(void)hint;
	if (link == NULL)
		return 0;
	o = &link->tls->options;
	if (strlen(o->psk_identity) >= identity_size || o->psk_len > psk_size)
		return 0;
	memcpy(identity, o->psk_identity, strlen(o->psk_identity) + 1);
	memcpy(psk, o->psk, o->psk_len);
	return (unsigned)o->psk_len;
}

static int
set_psk(struct build *b)
{
	if (b->o->psk != NULL)
		SSL_CTX_set_psk_client_callback(b->ctx, psk_client);
	return 0;
}

/* One write per line, so that lines of several programs do not mix. What does not fit on the disk
 * is lost: the link goes on. */
static void
keylog_line(const SSL *ssl, const char *line)
{
	const struct mqev_tls_link *link = link_of(ssl);
	size_t len = strlen(line);
	char out[512];
	ssize_t written;

	if (link == NULL || link->context->keylog_fd < 0 || len >= sizeof(out))
		return;
	memcpy(out, line, len);
	out[len] = '\n';
	written = write(link->context->keylog_fd, out, len + 1);
	(void)written;
}

static int
set_keylog(struct build *b)
{
	const char *path = b->o->keylog_file;

	if (path == NULL)
		return 0;
	b->context->keylog_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (b->context->keylog_fd < 0)
		return mqev_tls_fault(
		    b->fault, MQEV_ERR_TLS, "keylog_file: %s: %s", path, strerror(errno));
	SSL_CTX_set_keylog_callback(b->ctx, keylog_line);
	return 0;
}

/* A session of an older generation was made under other trust: it is not kept. */
static int
keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct mqev_tls_link *link = link_of(ssl);

	if (link != NULL && link->entry != NULL && link->context == link->tls->context)
		mqev_tls_entry_put(link->tls->cache, link->entry, session);
	return 0;
}

static void
set_sessions(const struct build *b)
{
	if (b->o->session_cache_endpoints < 0 || SSL_CTX_sess_get_new_cb(b->ctx) != NULL)
		return;
	SSL_CTX_set_session_cache_mode(
	    b->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(b->ctx, keep_session);
}

static int
make_alpn(struct build *b)
{
	const struct mqev_tls_options *o = b->o;
	unsigned char *at;
	size_t total = 0;

	for (size_t i = 0; i < o->alpn_count; i++)
		total += strlen(o->alpn[i]) + 1;
	if (total == 0)
		return 0;
	at = b->context->alpn = mqev_malloc(total);
	if (at == NULL)
		return mqev_tls_fault(b->fault, MQEV_ERR_NOMEM, "out of memory");
	b->context->alpn_len = (unsigned)total;
	for (size_t i = 0; i < o->alpn_count; i++) {
		size_t len = strlen(o->alpn[i]);
		*at++ = (unsigned char)len;
		memcpy(at, o->alpn[i], len);
		at += len;
	}
	return 0;
}

static int
build_own(struct build *b)
{
	static int (*const parts[])(struct build *) = {
	    set_manners,
	    set_versions,
	    set_ciphers,
	    set_trust,
	    set_crls,
	    set_certificate,
	    set_staple,
	    set_psk,
	    set_keylog,
	};

	b->ctx = b->context->ctx = SSL_CTX_new(TLS_client_method());
	if (b->ctx == NULL)
		return mqev_tls_fault_ssl(b->fault, "TLS", "no context");
	for (size_t i = 0; i < COUNT(parts); i++)
		if (parts[i](b) < 0)
			return -1;
	return 0;
}

static int
build(struct build *b)
{
	int rc = 0;

	if (b->o->ssl_ctx != NULL) {
		SSL_CTX_up_ref(b->o->ssl_ctx);
		b->ctx = b->context->ctx = b->o->ssl_ctx;
	} else {
		rc = build_own(b);
	}
	if (rc == 0)
		set_sessions(b);
	return rc == 0 ? make_alpn(b) : rc;
}

struct mqev_tls_context *
mqev_tls_context_new(const struct mqev_tls_options *o, struct mqev_tls_fault *fault)
{
	struct mqev_tls_context *context = mqev_calloc(1, sizeof(*context));
	struct build b = {context, NULL, o, fault};

	if (context == NULL) {
		mqev_tls_fault(fault, MQEV_ERR_NOMEM, "out of memory");
		return NULL;
	}
	context->refs = 1;
	context->keylog_fd = -1;
	ERR_clear_error();
	if (build(&b) == 0)
		return context;
	ERR_clear_error();
	mqev_tls_context_free(context);
	return NULL;
}

struct mqev_tls_context *
mqev_tls_context_ref(struct mqev_tls_context *context)
{
	context->refs++;
	return context;
}

void
mqev_tls_context_free(struct mqev_tls_context *context)
{
	if (context == NULL || --context->refs > 0)
		return;
	SSL_CTX_free(context->ctx);
	if (context->keylog_fd >= 0)
		close(context->keylog_fd);
	mqev_free(context->alpn);
	mqev_free(context);
}
