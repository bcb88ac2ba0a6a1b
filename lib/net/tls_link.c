/* One TLS link: an SSL object that will verify its server by itself, and how the link ends. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <arpa/inet.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <mqev/reason.h>

#include "core/mem.h"
#include "net/beside.h"
#include "net/step.h"
#include "net/tls.h"
#include "net/tls_link.h"

/* The name as certificates have it: without the root's dot, without an IPv6 zone. */
static bool
plain_name(const char *host, char *name, size_t size)
{
	size_t len = strcspn(host, "%");

	if (len > 1 && host[len] == '\0' && host[len - 1] == '.')
		len--;
	if (len == 0 || len >= size)
		return false;
	memcpy(name, host, len);
	name[len] = '\0';
	return true;
}

static bool
is_address(const char *name)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* Inside OpenSSL, so that nothing can be sent before it was checked. */
static bool
set_host_check(SSL *ssl, const char *name)
{
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (is_address(name))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
	return SSL_set1_host(ssl, name) == 1;
}

static bool
set_verification(SSL *ssl, enum mqev_tls_verify verify, const char *name)
{
	if (verify == MQEV_TLS_VERIFY_NONE) {
		SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
		return true;
	}
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	return verify == MQEV_TLS_VERIFY_NO_HOST_NAME || set_host_check(ssl, name);
}

/* A context of the application's brings its own versions and modes; what libevent cannot live with
 * is changed on the SSL alone: it reads till no record is pending, and with reading ahead there may
 * be whole ones behind that, which nothing would announce. */
static bool
set_own_ways(SSL *ssl, const struct mqev_tls *tls)
{
	const struct mqev_tls_options *o = &tls->options;

	SSL_clear_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
	SSL_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_set_read_ahead(ssl, 0);
	SSL_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	if (o->ssl_ctx == NULL)
		return true;
	return (o->min_version == MQEV_TLS_VERSION_DEFAULT ||
		   SSL_set_min_proto_version(ssl, (int)o->min_version) == 1) &&
	       (o->max_version == MQEV_TLS_VERSION_DEFAULT ||
		   SSL_set_max_proto_version(ssl, (int)o->max_version) == 1);
}

static bool
offer_session(SSL *ssl, struct mqev_tls_link *link)
{
	SSL_SESSION *session;

	if (link->entry == NULL)
		return true;
	session = mqev_tls_entry_take(link->tls->cache, link->entry, (int64_t)time(NULL));
	if (session != NULL)
		SSL_set_session(ssl, session);
	SSL_SESSION_free(session);
	return true;
}

static bool
set_up(SSL *ssl, struct mqev_tls_link *link, int fd, const char *name)
{
	const struct mqev_tls_context *context = link->context;

	if (!is_address(name) && SSL_set_tlsext_host_name(ssl, name) != 1)
		return false;
	if (context->alpn != NULL &&
	    SSL_set_alpn_protos(ssl, context->alpn, context->alpn_len) != 0)
		return false;
	return SSL_set_fd(ssl, fd) == 1 && set_own_ways(ssl, link->tls) &&
	       set_verification(ssl, link->tls->options.verify, name) && offer_session(ssl, link);
}

static void
link_free(struct mqev_tls_link *link)
{
	if (link->entry != NULL)
		mqev_tls_entry_release(link->tls->cache, link->entry);
	mqev_tls_context_free(link->context);
	mqev_tls_free(link->tls);
	mqev_free(link);
}

static struct mqev_tls_link *
link_alloc(struct mqev_tls *tls, const char *host, uint16_t port, const char *name)
{
	struct mqev_tls_link *link = mqev_calloc(1, sizeof(*link));

	if (link == NULL)
		return NULL;
	link->tls = mqev_tls_ref(tls);
	link->context = mqev_tls_context_ref(tls->context);
	if (tls->cache == NULL)
		return link;
	link->entry = mqev_tls_entry_get(tls->cache, host, port, name);
	if (link->entry != NULL)
		return link;
	link_free(link);
	return NULL;
}

/* An SSL that knows its link; NULL when memory runs out. The data of the application take memory
 * too. */
static SSL *
new_ssl(struct mqev_tls *tls, const char *host, uint16_t port, const char *name)
{
	struct mqev_tls_link *link = link_alloc(tls, host, port, name);
	SSL *ssl;

	if (link == NULL)
		return NULL;
	ssl = SSL_new(link->context->ctx);
	if (ssl != NULL && SSL_set_app_data(ssl, link) == 1)
		return ssl;
	SSL_free(ssl);
	link_free(link);
	return NULL;
}

SSL *
mqev_tls_link_new(
    struct mqev_tls *tls, int fd, const char *host, uint16_t port, struct mqev_net_error *error)
{
	const char *wanted = tls->options.server_name != NULL ? tls->options.server_name : host;
	char name[TLSEXT_MAXLEN_host_name + 1];
	SSL *ssl;

	if (!plain_name(wanted, name, sizeof(name))) {
		mqev_net_error_set(
		    error, MQEV_ERR_TLS, 0, "TLS: \"%.80s\" is no server name", wanted);
		return NULL;
	}
	ERR_clear_error();
	ssl = new_ssl(tls, host, port, name);
	if (ssl == NULL) {
		mqev_net_error_set(error, MQEV_ERR_NOMEM, 0, "TLS: out of memory");
		return NULL;
	}
	if (set_up(ssl, SSL_get_app_data(ssl), fd, name))
		return ssl;
	mqev_net_error_set(
	    error, MQEV_ERR_TLS, 0, "TLS: the settings cannot be used for \"%.80s\"", name);
	error->tls_error = ERR_peek_error();
	mqev_tls_link_end(ssl);
	SSL_free(ssl);
	return NULL;
}

void
mqev_tls_link_end(SSL *ssl)
{
	struct mqev_tls_link *link = SSL_get_app_data(ssl);

	ERR_clear_error();
	if (link == NULL)
		return;
	SSL_set_app_data(ssl, NULL);
	link_free(link);
}

static size_t
tls_unsent(const struct mqev_conn *conn)
{
	return evbuffer_get_length(bufferevent_get_output(conn->bev));
}

/* One close_notify, then the end of our direction. Whether it fits into the socket does not matter:
 * the peer sees an end either way. */
static void
tls_shutdown(struct mqev_conn *conn)
{
	SSL *ssl = conn->tls;
	struct mqev_tls_link *link = SSL_get_app_data(ssl);

	if (link == NULL || link->shutdown_sent)
		return;
	link->shutdown_sent = true;
	ERR_clear_error();
	if (SSL_is_init_finished(ssl))
		(void)SSL_shutdown(ssl);
	ERR_clear_error();
	(void)shutdown(conn->fd, SHUT_WR);
}

/*
 * The bufferevent may outlive the call, when one of its callbacks is running; it has no event left
 * then, and does not look at the SSL any more.
 */
static void
tls_close(struct mqev_conn *conn)
{
	bufferevent_setcb(conn->bev, NULL, NULL, NULL, NULL);
	bufferevent_disable(conn->bev, EV_READ | EV_WRITE);
	bufferevent_free(conn->bev);
	mqev_tls_link_end(conn->tls);
	SSL_free(conn->tls);
	evutil_closesocket(conn->fd);
}

/* The oldest is the cause. */
static unsigned long
oldest_error(void)
{
	unsigned long code;

	do
		code = ERR_get_error();
	while (code != 0 && ERR_GET_LIB(code) == 0);
	return code;
}

/* Judges as libevent does. */
static void
judge_failed_read(struct mqev_conn *conn, int result, int system_errno)
{
	SSL *ssl = conn->tls;
	struct mqev_tls_link *link = SSL_get_app_data(ssl);
	int why = SSL_get_error(ssl, result);

	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
		return;
	link->ended = true;
	link->error = oldest_error();
	mqev_beside_tell_end(conn->bev,
	    why == SSL_ERROR_ZERO_RETURN && (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN)
		? BEV_EVENT_EOF
		: BEV_EVENT_ERROR,
	    system_errno);
}

/*
 * Between two reads of the bufferevent, and not while a message of the handshake's kind (a ticket, a
 * change of keys) is half read or half answered: then the bufferevent may have to repeat what it
 * was doing.
 */
static bool
may_read(const struct mqev_conn *conn)
{
	const SSL *ssl = conn->tls;
	const struct mqev_tls_link *link = SSL_get_app_data(ssl);

	return !link->ended && SSL_is_init_finished(ssl) && mqev_beside_may_read(conn->bev);
}

static ssize_t
tls_read(struct mqev_conn *conn, void *data, size_t size, size_t *len)
{
	int n;

	*len = 0;
	if (!may_read(conn))
		return mqev_beside_nothing();
	ERR_clear_error();
	n = SSL_read(conn->tls, data, size < INT_MAX ? (int)size : INT_MAX);
	if (n > 0) {
		*len = (size_t)n;
		return n;
	}
	judge_failed_read(conn, n, errno);
	ERR_clear_error();
	return mqev_beside_nothing();
}

static bool
tls_has_more(const struct mqev_conn *conn, size_t taken)
{
	return taken >= MQEV_LIBEVENT_READ || SSL_pending(conn->tls) > 0;
}

const struct mqev_conn_ops mqev_tls_conn_ops = {
    .unsent = tls_unsent,
    .shutdown = tls_shutdown,
    .close = tls_close,
    .read = tls_read,
    .has_more = tls_has_more,
};

/* The bufferevent that talks to the socket, below whatever filters there are. */
static struct bufferevent *
bottom_of(struct bufferevent *bev)
{
	struct bufferevent *lower;

	while ((lower = bufferevent_get_underlying(bev)) != NULL)
		bev = lower;
	return bev;
}

/* An evbuffer frees its last chain only when the last byte leaves it. */
static void
drop_empty_chain(struct evbuffer *input)
{
	if (evbuffer_get_length(input) == 0 && evbuffer_add(input, "", 1) == 0)
		evbuffer_drain(input, 1);
}

/* Before 3.0.14 OpenSSL frees its buffers also where it goes on using them: while the rest of a
 * record has still to come, which is in the server's hands (CVE-2024-4741). */
static bool
is_between_records(const SSL *ssl)
{
	return SSL_has_pending(ssl) == 0 && strcmp(SSL_rstate_string(ssl), "RH") == 0;
}

void
mqev_tls_trim(const struct mqev_conn *conn)
{
	drop_empty_chain(bufferevent_get_input(bottom_of(conn->bev)));
	if (is_between_records(conn->tls))
		(void)SSL_free_buffers(conn->tls);
}

/* libevent gives the latest first; the oldest is the cause. In front of it there is the number of
 * SSL_get_error(), which has no library in it. */
static unsigned long
first_error(struct bufferevent *bev)
{
	unsigned long first = 0;
	unsigned long code;

	while ((code = bufferevent_get_openssl_error(bev)) != 0)
		if (ERR_GET_LIB(code) != 0)
			first = code;
	return first;
}

static bool
verify_failed(const SSL *ssl, unsigned long code)
{
	return ERR_GET_LIB(code) == ERR_LIB_SSL &&
	       ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED &&
	       SSL_get_verify_result(ssl) != X509_V_OK;
}

void
mqev_tls_conn_error(const struct mqev_conn *conn, short what, struct mqev_net_error *error)
{
	const SSL *ssl = conn->tls;
	const struct mqev_tls_link *link = SSL_get_app_data(ssl);
	int system_errno = what & BEV_EVENT_EOF ? 0 : EVUTIL_SOCKET_ERROR();
	unsigned long code;
	const char *reason;

	code = link->ended ? link->error : first_error(bottom_of(conn->bev));
	reason = code != 0 ? ERR_reason_error_string(code) : NULL;
	if (verify_failed(ssl, code))
		mqev_net_error_set(error, MQEV_ERR_TLS, 0, "TLS: server's certificate refused: %s",
		    X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
	else if (code != 0)
		mqev_net_error_set(
		    error, MQEV_ERR_TLS, 0, "TLS: %s", reason != NULL ? reason : "unknown error");
	else if (system_errno != 0)
		mqev_net_error_set(error, MQEV_ERR_SYSTEM, system_errno, "TLS");
	else
		mqev_net_error_set(
		    error, MQEV_ERR_LOST, 0, "TLS: the server closed the connection");
	error->stage = MQEV_NET_TLS;
	error->tls_error = code;
	error->untrusted = verify_failed(ssl, code);
}
