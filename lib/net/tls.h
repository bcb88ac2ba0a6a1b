/* TLS inside lib/net: the shared configuration object, its contexts and kept sessions, and the step
 * that makes a link. */
#ifndef MQEV_NET_TLS_H
#define MQEV_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include <mqev/tls.h>

struct mqev_conn;
struct mqev_net;
struct mqev_net_error;

/* Where the first thing that is wrong is written: option, reason. */
struct mqev_tls_fault {
	char *text; /* may be NULL */
	size_t size;
	int code; /* enum mqev_error; 0 as long as nothing is wrong */
};

/* Each notes the fault and returns -1. _ssl appends what OpenSSL's error queue says and empties it;
 * option is the member's name, what may be NULL. */
int mqev_tls_fault(struct mqev_tls_fault *fault, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int mqev_tls_fault_ssl(struct mqev_tls_fault *fault, const char *option, const char *what);

/* Options, copied deeply. -1: fault says why, and *copy is empty. */
int mqev_tls_options_copy(struct mqev_tls_options *copy, const struct mqev_tls_options *from,
    struct mqev_tls_fault *fault);
void mqev_tls_options_free(struct mqev_tls_options *copy);
/* What is wrong with them that can be said without opening a file. */
int mqev_tls_options_check(const struct mqev_tls_options *o, struct mqev_tls_fault *fault);

/* One generation of a configuration: what links made between two reloads share. */
struct mqev_tls_context {
	unsigned refs;
	SSL_CTX *ctx;
	int keylog_fd;	     /* -1: none */
	unsigned char *alpn; /* as on the wire; NULL: none */
	unsigned alpn_len;
};
struct mqev_tls_context *
mqev_tls_context_new(const struct mqev_tls_options *o, struct mqev_tls_fault *fault);
struct mqev_tls_context *mqev_tls_context_ref(struct mqev_tls_context *context);
void mqev_tls_context_free(struct mqev_tls_context *context);

/* Parts of a context that have files of their own; 0 or -1. */
int
mqev_tls_load_trust(SSL_CTX *ctx, const struct mqev_tls_options *o, struct mqev_tls_fault *fault);
/* The system's certificates; an error is in OpenSSL's queue. */
int mqev_tls_load_system_trust(SSL_CTX *ctx);
/* Whether a folder holds, under hashed names, as many certificates as a bundle does. */
bool mqev_tls_folder_is_whole(const char *folder, const char *bundle);
int
mqev_tls_load_crls(SSL_CTX *ctx, const struct mqev_tls_options *o, struct mqev_tls_fault *fault);
int mqev_tls_load_certificate(
    SSL_CTX *ctx, const struct mqev_tls_options *o, struct mqev_tls_fault *fault);
/* Makes each handshake ask for a stapled OCSP response and fail without a good one. */
void mqev_tls_require_staple(SSL_CTX *ctx);

/*
 * Sessions by server, bounded: the least recently used server's are dropped first. An entry belongs
 * to one server and is reference-counted by the links to it, so that a ticket which comes late
 * needs no look-up.
 */
struct mqev_tls_cache;
struct mqev_tls_entry;
struct mqev_tls_cache *mqev_tls_cache_new(size_t max_servers);
/* No entry may be referenced any more. */
void mqev_tls_cache_free(struct mqev_tls_cache *cache);
size_t mqev_tls_cache_sessions(const struct mqev_tls_cache *cache);
/* Forgets all sessions; entries in use stay. */
void mqev_tls_cache_clear(struct mqev_tls_cache *cache);
/* The entry of a server, made if need be, with one more reference; NULL when memory runs out. */
struct mqev_tls_entry *
mqev_tls_entry_get(struct mqev_tls_cache *cache, const char *host, uint16_t port, const char *name);
void mqev_tls_entry_release(struct mqev_tls_cache *cache, struct mqev_tls_entry *entry);
/* Keeps a copy; no memory means that nothing is kept. */
void mqev_tls_entry_put(
    struct mqev_tls_cache *cache, struct mqev_tls_entry *entry, SSL_SESSION *session);
/* The newest session that is still valid at now (seconds, wall clock), or NULL. The caller frees
 * it; each is given once, the last one as copies. */
SSL_SESSION *
mqev_tls_entry_take(struct mqev_tls_cache *cache, struct mqev_tls_entry *entry, int64_t now);
/* After a failure: the next attempt shall be a full handshake. */
void mqev_tls_entry_drop(struct mqev_tls_cache *cache, struct mqev_tls_entry *entry);

struct mqev_tls {
	unsigned refs;
	struct mqev_tls_options options;
	struct mqev_tls_context *context; /* the current one */
	struct mqev_tls_cache *cache;	  /* NULL: no sessions are kept */
	struct mqev_tls_stats stats;
};

/*
 * What attempts without a configuration use, made at the first call: the system's trust. Where that
 * is only a bundle, reading it takes 20 to 100 ms, so whoever is told of a TLS server calls this at
 * once, and not first the running loop. It belongs to net. NULL: error_text says why.
 */
struct mqev_tls *mqev_tls_default(struct mqev_net *net, char *error_text, size_t error_size);

/* What an SSL object knows of us: its application data (index 0). Lives until the link is closed,
 * which is before the SSL goes. */
struct mqev_tls_link {
	struct mqev_tls *tls;
	struct mqev_tls_context *context;
	struct mqev_tls_entry *entry; /* NULL: no sessions are kept */
	unsigned long error;	      /* what ended it, when that was met beside the bufferevent */
	bool ended;		      /* it was */
	bool shutdown_sent;
};

/* An SSL ready for bufferevent_openssl over fd, to check for host; NULL: error is filled. The
 * caller ends it with mqev_tls_link_end(), then SSL_free(). */
SSL *mqev_tls_link_new(
    struct mqev_tls *tls, int fd, const char *host, uint16_t port, struct mqev_net_error *error);
void mqev_tls_link_end(SSL *ssl);

/* See mqev_conn_trim(). */
void mqev_tls_trim(const struct mqev_conn *conn);

/*
 * After an error event on a TLS link: what OpenSSL said, and what was wrong with the certificate. A
 * link that just ended has tls_error 0. Empties the bufferevent's own error list.
 */
void mqev_tls_conn_error(const struct mqev_conn *conn, short what, struct mqev_net_error *error);

#endif
