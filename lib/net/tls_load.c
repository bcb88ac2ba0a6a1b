/* Reads certificates, keys and revocation lists from files, memory and OSSL_STORE URIs. Never asks
 * on a terminal. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <openssl/x509v3.h>

#include <mqev/reason.h>

#include "net/tls.h"

/* Where something in PEM comes from; option is the member's name, for error texts. */
struct source {
	const char *option;
	const char *file;
	const void *pem;
	size_t pem_len;
};

static BIO *
source_open(const struct source *s, struct mqev_tls_fault *fault)
{
	BIO *bio;

	if (s->pem_len > INT32_MAX) {
		mqev_tls_fault(fault, MQEV_ERR_INVALID, "%s: too long", s->option);
		return NULL;
	}
	bio =
	    s->file != NULL ? BIO_new_file(s->file, "r") : BIO_new_mem_buf(s->pem, (int)s->pem_len);
	if (bio == NULL)
		mqev_tls_fault_ssl(fault, s->option, s->file);
	return bio;
}

/* The end of a list of PEM blocks is reported as an error of its own kind; it is no fault after the
 * first block. */
static bool
at_end(void)
{
	unsigned long code = ERR_peek_last_error();
	bool end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;

	if (end)
		ERR_clear_error();
	return end;
}

static int
give_password(char *buf, int size, int writing, void *arg)
{
	const struct mqev_tls_options *o = arg;
	size_t len;

	(void)writing;
	if (o->on_key_password != NULL)
		return o->on_key_password(buf, (size_t)size, o->key_password_arg);
	if (o->key_password == NULL)
		return -1;
	len = strlen(o->key_password);
	if (len > (size_t)size)
		return -1;
	memcpy(buf, o->key_password, len);
	return (int)len;
}

static int
no_password(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

/* Adds each certificate of the source to the trusted ones. */
static int
trust_source(X509_STORE *store, const struct source *s, struct mqev_tls_fault *fault)
{
	BIO *bio = source_open(s, fault);
	X509 *cert;
	int count = 0;
	int rc = 0;

	if (bio == NULL)
		return -1;
	while (rc == 0 && (cert = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL)) != NULL) {
		rc = X509_STORE_add_cert(store, cert) == 1 ? 0 : -1;
		X509_free(cert);
		count++;
	}
	BIO_free(bio);
	if (rc < 0 || !at_end())
		return mqev_tls_fault_ssl(fault, s->option, s->file);
	if (count == 0)
		return mqev_tls_fault(fault, MQEV_ERR_TLS, "%s: %s: no certificate in it",
		    s->option, s->file != NULL ? s->file : "memory");
	return 0;
}

static int
trust_dir(SSL_CTX *ctx, const char *dir, struct mqev_tls_fault *fault)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return mqev_tls_fault(fault, MQEV_ERR_TLS, "ca_dir: %s: %s", dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return mqev_tls_fault(fault, MQEV_ERR_TLS, "ca_dir: %s: not a folder", dir);
	if (SSL_CTX_load_verify_dir(ctx, dir) != 1)
		return mqev_tls_fault_ssl(fault, "ca_dir", dir);
	return 0;
}

int
mqev_tls_load_trust(SSL_CTX *ctx, const struct mqev_tls_options *o, struct mqev_tls_fault *fault)
{
	const struct source file = {"ca_file", o->ca_file, NULL, 0};
	const struct source memory = {"ca_pem", NULL, o->ca_pem, o->ca_pem_len};
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	bool own = o->ca_file != NULL || o->ca_dir != NULL || o->ca_pem != NULL;

	if (o->ca_file != NULL && trust_source(store, &file, fault) < 0)
		return -1;
	if (o->ca_pem != NULL && trust_source(store, &memory, fault) < 0)
		return -1;
	if (o->ca_dir != NULL && trust_dir(ctx, o->ca_dir, fault) < 0)
		return -1;
	if ((o->system_trust || (!own && o->psk == NULL)) && mqev_tls_load_system_trust(ctx) < 0)
		return mqev_tls_fault_ssl(fault, "system_trust", NULL);
	/* What the user trusts is trusted, an intermediate CA or the server's own certificate too.
	 */
	if (o->crl_file_count == 0)
		X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	ERR_clear_error();
	return 0;
}

static int
load_crl_file(X509_STORE *store, const char *path, struct mqev_tls_fault *fault)
{
	const struct source s = {"crl_files", path, NULL, 0};
	BIO *bio = source_open(&s, fault);
	X509_CRL *crl;
	int count = 0;
	int rc = 0;

	if (bio == NULL)
		return -1;
	while (rc == 0 && (crl = PEM_read_bio_X509_CRL(bio, NULL, no_password, NULL)) != NULL) {
		rc = X509_STORE_add_crl(store, crl) == 1 ? 0 : -1;
		X509_CRL_free(crl);
		count++;
	}
	BIO_free(bio);
	if (rc < 0 || !at_end())
		return mqev_tls_fault_ssl(fault, "crl_files", path);
	if (count == 0)
		return mqev_tls_fault(fault, MQEV_ERR_TLS, "crl_files: %s: no list in it", path);
	return 0;
}

int
mqev_tls_load_crls(SSL_CTX *ctx, const struct mqev_tls_options *o, struct mqev_tls_fault *fault)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);

	for (size_t i = 0; i < o->crl_file_count; i++)
		if (load_crl_file(store, o->crl_files[i], fault) < 0)
			return -1;
	if (o->crl_file_count > 0)
		X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	return 0;
}

/* The first certificate is ours, what follows is its chain. */
static int
use_chain(SSL_CTX *ctx, const struct source *s, struct mqev_tls_fault *fault)
{
	BIO *bio = source_open(s, fault);
	X509 *cert;
	int rc;

	if (bio == NULL)
		return -1;
	cert = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL);
	rc = cert != NULL && SSL_CTX_use_certificate(ctx, cert) == 1 ? 0 : -1;
	X509_free(cert);
	while (rc == 0 && (cert = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) {
		if (SSL_CTX_add0_chain_cert(ctx, cert) != 1) {
			X509_free(cert);
			rc = -1;
		}
	}
	BIO_free(bio);
	if (rc == 0 && at_end())
		return 0;
	return mqev_tls_fault_ssl(fault, s->option, s->file);
}

static int
use_key(SSL_CTX *ctx, const struct source *s, const struct mqev_tls_options *o,
    struct mqev_tls_fault *fault)
{
	BIO *bio = source_open(s, fault);
	EVP_PKEY *key;
	int rc;

	if (bio == NULL)
		return -1;
	key = PEM_read_bio_PrivateKey(bio, NULL, give_password, (void *)o);
	BIO_free(bio);
	rc = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1 ? 0 : -1;
	EVP_PKEY_free(key);
	return rc == 0 ? 0 : mqev_tls_fault_ssl(fault, s->option, s->file);
}

/* The next object of that type in the store; NULL at the end or on an error. */
static OSSL_STORE_INFO *
store_next(OSSL_STORE_CTX *store, int type)
{
	while (!OSSL_STORE_eof(store)) {
		OSSL_STORE_INFO *info = OSSL_STORE_load(store);
		if (info != NULL && OSSL_STORE_INFO_get_type(info) == type)
			return info;
		OSSL_STORE_INFO_free(info);
		if (OSSL_STORE_error(store))
			break;
	}
	return NULL;
}

static int
use_stored_certs(SSL_CTX *ctx, OSSL_STORE_CTX *store)
{
	OSSL_STORE_INFO *info;
	int count = 0;
	int rc = 0;

	while (rc == 0 && (info = store_next(store, OSSL_STORE_INFO_CERT)) != NULL) {
		X509 *cert = OSSL_STORE_INFO_get0_CERT(info);
		int ok = count++ == 0 ? SSL_CTX_use_certificate(ctx, cert)
				      : (int)SSL_CTX_add1_chain_cert(ctx, cert);
		rc = ok == 1 ? 0 : -1;
		OSSL_STORE_INFO_free(info);
	}
	return count > 0 ? rc : -1;
}

static int
use_stored_key(SSL_CTX *ctx, OSSL_STORE_CTX *store)
{
	OSSL_STORE_INFO *info = store_next(store, OSSL_STORE_INFO_PKEY);
	int rc = -1;

	if (info != NULL && SSL_CTX_use_PrivateKey(ctx, OSSL_STORE_INFO_get0_PKEY(info)) == 1)
		rc = 0;
	OSSL_STORE_INFO_free(info);
	return rc;
}

typedef int use_stored(SSL_CTX *ctx, OSSL_STORE_CTX *store);

static int
use_uri(SSL_CTX *ctx, const char *option, const char *uri, use_stored *use,
    const struct mqev_tls_options *o, struct mqev_tls_fault *fault)
{
	UI_METHOD *ui = UI_UTIL_wrap_read_pem_callback(give_password, 0);
	OSSL_STORE_CTX *store = NULL;
	int rc = -1;

	if (ui != NULL)
		store = OSSL_STORE_open(uri, ui, (void *)o, NULL, NULL);
	if (store != NULL) {
		rc = use(ctx, store);
		OSSL_STORE_close(store);
	}
	UI_destroy_method(ui);
	if (rc < 0)
		return mqev_tls_fault_ssl(fault, option, uri);
	ERR_clear_error();
	return 0;
}

static int
load_cert(SSL_CTX *ctx, const struct mqev_tls_options *o, struct mqev_tls_fault *fault)
{
	const struct source file = {"cert_file", o->cert_file, NULL, 0};
	const struct source memory = {"cert_pem", NULL, o->cert_pem, o->cert_pem_len};

	if (o->cert_uri != NULL)
		return use_uri(ctx, "cert_uri", o->cert_uri, use_stored_certs, o, fault);
	return use_chain(ctx, o->cert_file != NULL ? &file : &memory, fault);
}

/* A key that is not named is looked for beside the certificate. */
static int
load_key(SSL_CTX *ctx, const struct mqev_tls_options *o, struct mqev_tls_fault *fault)
{
	bool named = o->key_file != NULL || o->key_pem != NULL || o->key_uri != NULL;
	const char *file = named ? o->key_file : o->cert_file;
	const char *uri = named ? o->key_uri : o->cert_uri;
	const struct source from_file = {"key_file", file, NULL, 0};
	const struct source from_memory = {"key_pem", NULL, named ? o->key_pem : o->cert_pem,
	    named ? o->key_pem_len : o->cert_pem_len};

	if (uri != NULL)
		return use_uri(ctx, "key_uri", uri, use_stored_key, o, fault);
	return use_key(ctx, file != NULL ? &from_file : &from_memory, o, fault);
}

int
mqev_tls_load_certificate(
    SSL_CTX *ctx, const struct mqev_tls_options *o, struct mqev_tls_fault *fault)
{
	if (o->cert_file == NULL && o->cert_pem == NULL && o->cert_uri == NULL)
		return 0;
	if (load_cert(ctx, o, fault) < 0 || load_key(ctx, o, fault) < 0)
		return -1;
	if (SSL_CTX_check_private_key(ctx) != 1)
		return mqev_tls_fault_ssl(fault, "key", "does not belong to the certificate");
	return 0;
}
