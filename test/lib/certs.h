/*
 * Certificates for tests, made while the test runs: a CA and whatever it signs, as files in a
 * folder of their own. Mistakes and failures end the program.
 */
#ifndef TK_CERTS_H
#define TK_CERTS_H

#include <stddef.h>

#include <openssl/ssl.h>

struct tk_pki;

/* A CA called `name` in a new folder. */
struct tk_pki *tk_pki_new(const char *name);
/* Frees it and removes the folder. */
void tk_pki_free(struct tk_pki *pki);
/* The CA's certificate. */
const char *tk_pki_ca_file(const struct tk_pki *pki);
/* Under which name a folder of trusted certificates holds it, as "openssl rehash" would call it. */
void tk_pki_hashed_name(const struct tk_pki *pki, char name[16]);
/* The path of a file in the folder; valid for a few calls: sixteen paths are kept. */
const char *tk_pki_path(const struct tk_pki *pki, const char *name);

/* What is to be certified. All zero: localhost, valid from yesterday for 30 days, P-256. */
struct tk_cert_spec {
	const char *cn;	 /* default "localhost" */
	const char *san; /* "DNS:a,IP:127.0.0.1"; default "DNS:localhost"; "" for none */
	int from_days;	 /* days from now */
	int to_days;
	int rsa_bits;	    /* 0: P-256 */
	int is_ca;	    /* an intermediate CA */
	const char *issuer; /* file stem of the signer; default: the CA itself */
	int self_signed;
};

/* Makes NAME.pem (the certificate and, when there is an intermediate, its issuer) and NAME.key. */
void tk_pki_issue(struct tk_pki *pki, const char *name, const struct tk_cert_spec *spec);

/* Writes NAME.key again as FILE, encrypted with the password; returns its path. */
const char *
tk_pki_encrypt_key(struct tk_pki *pki, const char *name, const char *file, const char *password);

/* A list of the CA that revokes the certificate NAME (NULL: nobody); returns its path. */
const char *tk_pki_crl(struct tk_pki *pki, const char *file, const char *name);

/* An OCSP response of the CA about NAME in DER: 0 good, 1 revoked; to_days as above. The caller
 * frees it with OPENSSL_free(). */
size_t
tk_pki_ocsp(struct tk_pki *pki, const char *name, int revoked, int to_days, unsigned char **der);

/* The whole of a file, NUL-terminated; the caller frees it. */
char *tk_read_file(const char *path, size_t *len);

#endif
