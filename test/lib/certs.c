/* Makes certificates, keys, revocation lists and OCSP responses for tests. */
#include "lib/certs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "lib/bytes.h"
#include "lib/loop.h"

#define DAY 86400L

struct tk_pki {
	char *dir;
	char *ca_file;
	X509 *cert;
	EVP_PKEY *key;
	long serial;
	char paths[16][512];
	unsigned next_path;
};

#define NEED(x)                                                        \
	do {                                                           \
		if (!(x))                                              \
			tk_die("certs.c:%d: %s failed", __LINE__, #x); \
	} while (0)

const char *
tk_pki_path(const struct tk_pki *pki, const char *name)
{
	struct tk_pki *p = (struct tk_pki *)pki;
	char *path = p->paths[p->next_path++ % 16];

	snprintf(path, sizeof(p->paths[0]), "%s/%s", pki->dir, name);
	return path;
}

static const char *
stem_path(const struct tk_pki *pki, const char *stem, const char *suffix)
{
	char name[128];

	snprintf(name, sizeof(name), "%s%s", stem, suffix);
	return tk_pki_path(pki, name);
}

char *
tk_read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "r");
	char *text = tk_calloc(1, 65536);
	size_t n;

	NEED(f);
	n = fread(text, 1, 65535, f);
	fclose(f);
	if (len != NULL)
		*len = n;
	return text;
}

static void
write_cert(const char *path, const char *mode, X509 *cert)
{
	FILE *f = fopen(path, mode);

	NEED(f);
	NEED(PEM_write_X509(f, cert));
	fclose(f);
}

static X509 *
read_cert(const char *path)
{
	FILE *f = fopen(path, "r");
	X509 *cert;

	NEED(f);
	NEED(cert = PEM_read_X509(f, NULL, NULL, NULL));
	fclose(f);
	return cert;
}

static EVP_PKEY *
read_key(const char *path)
{
	FILE *f = fopen(path, "r");
	EVP_PKEY *key;

	NEED(f);
	NEED(key = PEM_read_PrivateKey(f, NULL, NULL, NULL));
	fclose(f);
	return key;
}

static void
write_key(const char *path, EVP_PKEY *key, const char *password)
{
	FILE *f = fopen(path, "w");
	int len = password != NULL ? (int)strlen(password) : 0;

	NEED(f);
	NEED(PEM_write_PKCS8PrivateKey(
	    f, key, password ? EVP_aes_128_cbc() : NULL, password, len, NULL, NULL));
	fclose(f);
}

static void
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	NEED(ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value));
	X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
}

static X509 *
make_cert(struct tk_pki *pki, const struct tk_cert_spec *spec, const char *cn, EVP_PKEY *key,
    X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);
	const char *san = spec->san != NULL ? spec->san : "DNS:localhost";
	int bounded = spec->from_days != 0 || spec->to_days != 0;

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), ++pki->serial);
	X509_gmtime_adj(X509_getm_notBefore(cert), (bounded ? spec->from_days : -1) * DAY);
	X509_gmtime_adj(X509_getm_notAfter(cert), (bounded ? spec->to_days : 30) * DAY);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(cert, issuer != NULL ? X509_get_subject_name(issuer) : name);
	X509_set_pubkey(cert, key);
	add_extension(cert, issuer != NULL ? issuer : cert, NID_basic_constraints,
	    spec->is_ca ? "critical,CA:TRUE" : "CA:FALSE");
	add_extension(cert, issuer != NULL ? issuer : cert, NID_subject_key_identifier, "hash");
	if (spec->is_ca)
		add_extension(cert, issuer != NULL ? issuer : cert, NID_key_usage,
		    "critical,keyCertSign,cRLSign,digitalSignature");
	else if (*san != '\0')
		add_extension(cert, issuer != NULL ? issuer : cert, NID_subject_alt_name, san);
	NEED(X509_sign(cert, issuer_key, EVP_sha256()));
	return cert;
}

struct tk_pki *
tk_pki_new(const char *name)
{
	static const struct tk_cert_spec spec = {.is_ca = 1};
	struct tk_pki *pki = tk_calloc(1, sizeof(*pki));

	pki->dir = tk_tmpdir();
	NEED(pki->key = EVP_EC_gen("P-256"));
	pki->cert = make_cert(pki, &spec, name, pki->key, NULL, pki->key);
	pki->ca_file = tk_strdup(tk_pki_path(pki, "ca.pem"));
	write_cert(pki->ca_file, "w", pki->cert);
	return pki;
}

void
tk_pki_free(struct tk_pki *pki)
{
	tk_rmtree(pki->dir);
	X509_free(pki->cert);
	EVP_PKEY_free(pki->key);
	free(pki->ca_file);
	free(pki->dir);
	free(pki);
}

const char *
tk_pki_ca_file(const struct tk_pki *pki)
{
	return pki->ca_file;
}

void
tk_pki_hashed_name(const struct tk_pki *pki, char name[16])
{
	snprintf(name, 16, "%08lx.0",
	    X509_NAME_hash_ex(X509_get_subject_name(pki->cert), NULL, NULL, NULL));
}

void
tk_pki_issue(struct tk_pki *pki, const char *name, const struct tk_cert_spec *spec)
{
	const char *cn = spec->cn != NULL ? spec->cn : "localhost";
	X509 *issuer = pki->cert;
	EVP_PKEY *issuer_key = pki->key;
	EVP_PKEY *key;
	X509 *cert;

	NEED(key = spec->rsa_bits ? EVP_RSA_gen((size_t)spec->rsa_bits) : EVP_EC_gen("P-256"));
	if (spec->issuer != NULL) {
		issuer = read_cert(stem_path(pki, spec->issuer, ".pem"));
		issuer_key = read_key(stem_path(pki, spec->issuer, ".key"));
	}
	cert = spec->self_signed ? make_cert(pki, spec, cn, key, NULL, key)
				 : make_cert(pki, spec, cn, key, issuer, issuer_key);
	write_cert(stem_path(pki, name, ".pem"), "w", cert);
	write_key(stem_path(pki, name, ".key"), key, NULL);
	if (spec->issuer != NULL) {
		write_cert(stem_path(pki, name, ".pem"), "a", issuer);
		X509_free(issuer);
		EVP_PKEY_free(issuer_key);
	}
	X509_free(cert);
	EVP_PKEY_free(key);
}

const char *
tk_pki_encrypt_key(struct tk_pki *pki, const char *name, const char *file, const char *password)
{
	EVP_PKEY *key = read_key(stem_path(pki, name, ".key"));
	const char *path = tk_pki_path(pki, file);

	write_key(path, key, password);
	EVP_PKEY_free(key);
	return path;
}

static void
revoke(X509_CRL *crl, X509 *cert)
{
	X509_REVOKED *entry = X509_REVOKED_new();
	ASN1_TIME *now = X509_gmtime_adj(NULL, -DAY);

	X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(cert));
	X509_REVOKED_set_revocationDate(entry, now);
	NEED(X509_CRL_add0_revoked(crl, entry));
	ASN1_TIME_free(now);
}

const char *
tk_pki_crl(struct tk_pki *pki, const char *file, const char *name)
{
	const char *path = tk_pki_path(pki, file);
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *from = X509_gmtime_adj(NULL, -DAY);
	ASN1_TIME *to = X509_gmtime_adj(NULL, 30 * DAY);
	FILE *f = fopen(path, "w");

	X509_CRL_set_version(crl, 1);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(pki->cert));
	X509_CRL_set1_lastUpdate(crl, from);
	X509_CRL_set1_nextUpdate(crl, to);
	if (name != NULL) {
		X509 *cert = read_cert(stem_path(pki, name, ".pem"));
		revoke(crl, cert);
		X509_free(cert);
	}
	NEED(X509_CRL_sign(crl, pki->key, EVP_sha256()));
	NEED(f && PEM_write_X509_CRL(f, crl));
	fclose(f);
	ASN1_TIME_free(from);
	ASN1_TIME_free(to);
	X509_CRL_free(crl);
	return path;
}

size_t
tk_pki_ocsp(struct tk_pki *pki, const char *name, int revoked, int to_days, unsigned char **der)
{
	X509 *cert = read_cert(stem_path(pki, name, ".pem"));
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), cert, pki->cert);
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	ASN1_TIME *from = X509_gmtime_adj(NULL, -40 * DAY);
	ASN1_TIME *to = X509_gmtime_adj(NULL, to_days * DAY);
	OCSP_RESPONSE *response;
	int len;

	NEED(OCSP_basic_add1_status(basic, id,
	    revoked ? V_OCSP_CERTSTATUS_REVOKED : V_OCSP_CERTSTATUS_GOOD, 0, revoked ? from : NULL,
	    from, to));
	NEED(OCSP_basic_sign(basic, pki->cert, pki->key, EVP_sha256(), NULL, OCSP_NOCERTS));
	NEED(response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic));
	*der = NULL;
	NEED((len = i2d_OCSP_RESPONSE(response, der)) > 0);
	OCSP_RESPONSE_free(response);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(from);
	ASN1_TIME_free(to);
	X509_free(cert);
	return (size_t)len;
}
