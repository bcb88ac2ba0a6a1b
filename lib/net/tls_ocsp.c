/* OCSP stapling: judges the response that a server sent with its certificate. Asks no responder. */
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/ssl.h>

#include "net/tls.h"

/* How far the clocks of responder and client may be apart. */
#define CLOCK_SKEW_S 300

static OCSP_BASICRESP *
parse_response(const unsigned char *der, long len)
{
	OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &der, len);
	OCSP_BASICRESP *basic = NULL;

	if (response != NULL && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL)
		basic = OCSP_response_get1_basic(response);
	OCSP_RESPONSE_free(response);
	return basic;
}

/* Good, signed by the issuer or its delegate, and of these days. */
static bool
says_good(OCSP_BASICRESP *basic, OCSP_CERTID *id)
{
	ASN1_GENERALIZEDTIME *this_update;
	ASN1_GENERALIZEDTIME *next_update;
	int status;
	int reason;

	if (OCSP_resp_find_status(basic, id, &status, &reason, NULL, &this_update, &next_update) !=
	    1)
		return false;
	return status == V_OCSP_CERTSTATUS_GOOD &&
	       OCSP_check_validity(this_update, next_update, CLOCK_SKEW_S, -1) == 1;
}

/* A responder may have named the certificate by another hash than SHA-1. */
static bool
covers(OCSP_BASICRESP *basic, X509 *cert, X509 *issuer)
{
	const EVP_MD *const hashes[] = {EVP_sha1(), EVP_sha256()};
	bool good = false;

	for (size_t i = 0; !good && i < sizeof(hashes) / sizeof(hashes[0]); i++) {
		OCSP_CERTID *id = OCSP_cert_to_id(hashes[i], cert, issuer);
		good = id != NULL && says_good(basic, id);
		OCSP_CERTID_free(id);
	}
	return good;
}

static bool
staple_good(SSL *ssl)
{
	STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
	X509_STORE *store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
	const unsigned char *der = NULL;
	long len = SSL_get_tlsext_status_ocsp_resp(ssl, &der);
	OCSP_BASICRESP *basic;
	bool good;

	if (der == NULL || len <= 0 || sk_X509_num(chain) < 2)
		return false;
	basic = parse_response(der, len);
	good = basic != NULL && OCSP_basic_verify(basic, chain, store, 0) == 1 &&
	       covers(basic, sk_X509_value(chain, 0), sk_X509_value(chain, 1));
	OCSP_BASICRESP_free(basic);
	return good;
}

/* 1 goes on, 0 ends the handshake. A resumed session shows no certificate: it was judged when the
 * session was made. */
static int
on_status(SSL *ssl, void *arg)
{
	bool good = SSL_session_reused(ssl) || staple_good(ssl);

	(void)arg;
	/* So that the end of the handshake is named after the staple, not after some part of it. */
	ERR_clear_error();
	return good;
}

void
mqev_tls_require_staple(SSL_CTX *ctx)
{
	SSL_CTX_set_tlsext_status_type(ctx, TLSEXT_STATUSTYPE_ocsp);
	SSL_CTX_set_tlsext_status_cb(ctx, on_status);
}
