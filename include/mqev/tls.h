/* A validated TLS configuration that many clients share, and that can be reloaded while they run.
 */
#ifndef MQEV_TLS_H
#define MQEV_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mqev/export.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ssl_ctx_st;
struct mqev_tls;

/* How much of the server's certificate is checked. Anything but FULL lets others in between. */
enum mqev_tls_verify {
	MQEV_TLS_VERIFY_FULL = 0,     /* chain, dates, host name or IP address */
	MQEV_TLS_VERIFY_NO_HOST_NAME, /* chain and dates only: any server with a certificate of that
					 CA will do */
	MQEV_TLS_VERIFY_NONE	      /* nothing: the link is encrypted, to whom is unknown */
};

/* As on the wire. 1.0 and 1.1 also need ciphers = "DEFAULT@SECLEVEL=0" with OpenSSL 3. */
enum mqev_tls_version {
	MQEV_TLS_VERSION_DEFAULT = 0,
	MQEV_TLS_VERSION_1_0 = 0x0301,
	MQEV_TLS_VERSION_1_1 = 0x0302,
	MQEV_TLS_VERSION_1_2 = 0x0303,
	MQEV_TLS_VERSION_1_3 = 0x0304
};

/*
 * Asked for the password of an encrypted private key, while mqev_tls_new() or mqev_tls_reload()
 * runs. Writes at most size bytes to buf; returns how many, or a negative number when there is
 * none. It may call every function but those of the configuration that is being reloaded, which it
 * must not free.
 */
typedef int mqev_tls_password_cb(char *buf, size_t size, void *arg);

/*
 * All members may stay zero: the system's trusted certificates, host name checked, TLS 1.2 or
 * newer. Everything is copied. Files are read by mqev_tls_new() and mqev_tls_reload() only. PEM
 * throughout.
 */
struct mqev_tls_options {
	size_t size; /* set by MQEV_TLS_OPTIONS() */

	/* Whom to trust. The system's certificates are used when none of these and no psk is given,
	 * or when system_trust asks for them too. */
	const char *ca_file; /* one or more certificates */
	const char *ca_dir;  /* a folder prepared by "openssl rehash" */
	const void *ca_pem;  /* as ca_file, in memory */
	size_t ca_pem_len;
	bool system_trust;

	/*
	 * Our own certificate, its chain behind it, and its key: each from one of file, memory or
	 * an OSSL_STORE URI ("file:", "pkcs11:" with a provider). A key that is not given is looked
	 * for where the certificate is. No password is ever asked for on a terminal.
	 */
	const char *cert_file;
	const void *cert_pem;
	size_t cert_pem_len;
	const char *cert_uri;
	const char *key_file;
	const void *key_pem;
	size_t key_pem_len;
	const char *key_uri;
	const char *key_password;
	mqev_tls_password_cb *on_key_password; /* instead of key_password */
	void *key_password_arg;

	enum mqev_tls_verify verify;
	const char *server_name; /* name or IP address to send (SNI) and to check, instead of the
				    host of the URL */

	const char *const
	    *alpn; /* protocols to offer, the most wanted first, each 1 to 255 bytes */
	size_t alpn_count;
	enum mqev_tls_version min_version; /* default 1.2 */
	enum mqev_tls_version max_version; /* default: the newest */
	const char *ciphers;		   /* up to TLS 1.2, OpenSSL's list format */
	const char *ciphersuites;	   /* TLS 1.3, names with colons between */

	/* Pre-shared key: both or none. Without CAs, a server that shows a certificate instead is
	 * refused. */
	const char *psk_identity; /* 1 to 255 bytes */
	const void *psk;
	size_t psk_len; /* 1 to 256 */

	/* Lists of revoked certificates. When any is given, each certificate of the chain is
	 * checked, and its issuer's list must be there. */
	const char *const *crl_files;
	size_t crl_file_count;
	bool require_ocsp_staple; /* the server must send a valid, good OCSP response with its
				     certificate */

	const char *keylog_file; /* secrets for Wireshark are appended here (mode 0600): for
				    debugging only */

	/* The application's own context (a reference is taken). Only verify, server_name, alpn, the
	 * versions and session_cache_endpoints may be set beside it. */
	struct ssl_ctx_st *ssl_ctx;

	/* For how many servers sessions are kept for a faster reconnect, at most four each; default
	 * 1,024, negative: none are kept. */
	int32_t session_cache_endpoints;
};

#define MQEV_TLS_OPTIONS_INIT                   \
	{                                       \
		sizeof(struct mqev_tls_options) \
	}
#ifndef __cplusplus
#	define MQEV_TLS_OPTIONS(...)              \
		(&(const struct mqev_tls_options){ \
		    .size = sizeof(struct mqev_tls_options), __VA_ARGS__})
#endif

/*
 * Reads and checks everything at once. NULL options mean all defaults. Returns an object with one
 * reference, or NULL; then error_text (if not NULL) says which option is wrong and why: "key_file:
 * /etc/k.pem: bad decrypt". An mqev_tls belongs to one thread, that of the clients which use it.
 */
MQEV_EXPORT struct mqev_tls *
mqev_tls_new(const struct mqev_tls_options *options, char *error_text, size_t error_size);

/* One more reference; returns tls. Clients that are given an mqev_tls take their own. */
MQEV_EXPORT struct mqev_tls *mqev_tls_ref(struct mqev_tls *tls);
/* Gives a reference back; the last one frees. NULL is ignored. */
MQEV_EXPORT void mqev_tls_free(struct mqev_tls *tls);

/*
 * Reads the files and URIs of the options again. When all are good, connections made from now on
 * use them, and kept sessions are forgotten. Otherwise nothing changes. 0, MQEV_ERR_TLS (a file is
 * wrong: error_text as above), MQEV_ERR_NOMEM, or MQEV_ERR_UNSUPPORTED with ssl_ctx.
 */
MQEV_EXPORT int mqev_tls_reload(struct mqev_tls *tls, char *error_text, size_t error_size);

/* Counters since mqev_tls_new(). */
struct mqev_tls_stats {
	size_t size;	     /* set by the caller to sizeof(struct mqev_tls_stats) */
	uint64_t handshakes; /* that succeeded */
	uint64_t resumed;    /* of these, with a kept session instead of certificates */
	uint64_t failed;     /* handshakes that failed */
	uint64_t reloads;    /* that succeeded */
	uint64_t sessions;   /* kept now */
};
/* 0, or MQEV_ERR_INVALID when size is not set. */
MQEV_EXPORT int mqev_tls_get_stats(const struct mqev_tls *tls, struct mqev_tls_stats *stats);

#ifdef __cplusplus
}
#endif

#endif /* MQEV_TLS_H */
