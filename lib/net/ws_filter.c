/* The WebSocket layer of a link: a bufferevent filter over the plain or TLS bufferevent, and how
 * such a link ends. */
#include <errno.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <mqev/reason.h>

#include "core/mem.h"
#include "net/beside.h"
#include "net/headroom.h"
#include "net/step.h"
#include "net/ws.h"

/* How much masked data may wait for the socket; the rest stays above, where it costs no copy. At
 * LOW the filter is asked for more. */
#define WIRE_HIGH (256 * 1024)
#define WIRE_LOW (64 * 1024)

/* RFC 6455 7.4.1 */
#define CODE_NORMAL 1000

/* Lives until libevent lets go of the filter, which is after the link is closed. */
struct layer {
	struct mqev_ws ws;
	struct mqev_conn lower;
	struct bufferevent *filter;
	struct evbuffer_cb_entry *wire_cb;
	bool end_told;
	bool was_full; /* the last input was as long as libevent reads: there may be more */
};

static struct evbuffer *
wire_of(const struct layer *layer)
{
	return bufferevent_get_output(layer->lower.bev);
}

/* The bufferevent writes only in the next turn, when the link may be closed: a close frame that
 * says why goes now, as far as the socket takes it. */
static void
flush_plain(const struct layer *layer)
{
	struct evbuffer *wire = wire_of(layer);

	evbuffer_unfreeze(wire, 1);
	(void)evbuffer_write(wire, layer->lower.fd);
	evbuffer_freeze(wire, 1);
}

/* Not more at once than libevent would write, should it have to try the same bytes again. */
#define TLS_WRITE_MAX 4096

static void
flush_tls(const struct layer *layer)
{
	struct evbuffer *wire = wire_of(layer);
	struct evbuffer_iovec part;
	int n = 1;

	ERR_clear_error();
	while (n > 0 && evbuffer_peek(wire, -1, NULL, &part, 1) > 0 && part.iov_len > 0) {
		n = part.iov_len < TLS_WRITE_MAX ? (int)part.iov_len : TLS_WRITE_MAX;
		n = SSL_write(layer->lower.tls, part.iov_base, n);
		if (n > 0)
			evbuffer_drain(wire, (size_t)n);
	}
	ERR_clear_error();
}

/* A filter's own error is swallowed by libevent, so the end is told as an event, after what came
 * before it. */
static void
tell_end(struct layer *layer)
{
	short what = BEV_EVENT_READING;

	if (layer->ws.end == MQEV_WS_OPEN || layer->end_told)
		return;
	layer->end_told = true;
	what |= layer->ws.end == MQEV_WS_PEER_CLOSED ? BEV_EVENT_EOF : BEV_EVENT_ERROR;
	if (layer->lower.tls != NULL)
		flush_tls(layer);
	else
		flush_plain(layer);
	bufferevent_trigger_event(layer->filter, what, BEV_TRIG_DEFER_CALLBACKS);
}

/* Bytes that came to be sent here in all layers, as the owner counts them. */
static size_t
unsent_with(const struct layer *layer, size_t wire_len)
{
	return wire_len + evbuffer_get_length(bufferevent_get_output(layer->filter));
}

/*
 * A filter's write callback comes when bytes have left the filter. Its owner waits for the socket,
 * so it is called again when what is unsent in all falls to the low watermark, and when all is
 * sent.
 */
static void
tell_drained(const struct layer *layer, const struct evbuffer_cb_info *info)
{
	size_t now = unsent_with(layer, info->orig_size + info->n_added - info->n_deleted);
	size_t low = 0;

	bufferevent_getwatermark(layer->filter, EV_WRITE, &low, NULL);
	if (now == 0 || (now <= low && unsent_with(layer, info->orig_size) > low))
		bufferevent_trigger(layer->filter, EV_WRITE, BEV_TRIG_DEFER_CALLBACKS);
}

static void
on_wire_changed(struct evbuffer *wire, const struct evbuffer_cb_info *info, void *arg)
{
	struct layer *layer = arg;

	if (info->n_deleted == 0)
		return;
	mqev_ws_output_pong(&layer->ws, wire);
	tell_drained(layer, info);
}

static enum bufferevent_filter_result
filter_input(struct evbuffer *from, struct evbuffer *to, ev_ssize_t limit,
    enum bufferevent_flush_mode mode, void *arg)
{
	struct layer *layer = arg;
	size_t before = evbuffer_get_length(to);

	(void)limit;
	(void)mode;
	layer->was_full = evbuffer_get_length(from) >= MQEV_LIBEVENT_READ;
	mqev_ws_input(&layer->ws, from, to, wire_of(layer));
	tell_end(layer);
	return evbuffer_get_length(to) > before ? BEV_OK : BEV_NEED_MORE;
}

static enum bufferevent_filter_result
filter_output(struct evbuffer *from, struct evbuffer *wire, ev_ssize_t limit,
    enum bufferevent_flush_mode mode, void *arg)
{
	struct layer *layer = arg;
	size_t before = evbuffer_get_length(from);

	(void)mode;
	mqev_ws_output(&layer->ws, from, wire, limit < 0 ? SIZE_MAX : (size_t)limit);
	tell_end(layer);
	return evbuffer_get_length(from) < before ? BEV_OK : BEV_NEED_MORE;
}

static void
layer_free(void *arg)
{
	struct layer *layer = arg;

	mqev_ws_clear(&layer->ws);
	mqev_free(layer);
}

static size_t
ws_unsent(const struct mqev_conn *conn)
{
	const struct layer *layer = conn->layer;

	return evbuffer_get_length(bufferevent_get_output(conn->bev)) +
	       layer->lower.ops->unsent(&layer->lower);
}

/* Only our close frame: the server answers it and then closes, as RFC 6455 7.1.1 wants it. */
static void
ws_shutdown(struct mqev_conn *conn)
{
	struct layer *layer = conn->layer;

	mqev_ws_output_close(&layer->ws, CODE_NORMAL, wire_of(layer));
}

/* When both have said so in frames, the layer below may say so too. */
static void
say_farewell(struct layer *layer)
{
	struct mqev_conn *lower = &layer->lower;

	if (layer->ws.end == MQEV_WS_PEER_CLOSED && lower->ops->unsent(lower) == 0)
		lower->ops->shutdown(lower);
}

/* The filter goes first, so that it leaves the lower bufferevent in a state in which that can be
 * closed. */
static void
ws_close(struct mqev_conn *conn)
{
	struct layer *layer = conn->layer;
	struct mqev_conn lower = layer->lower;

	say_farewell(layer);
	evbuffer_remove_cb_entry(wire_of(layer), layer->wire_cb);
	bufferevent_setcb(conn->bev, NULL, NULL, NULL, NULL);
	bufferevent_disable(conn->bev, EV_READ | EV_WRITE);
	bufferevent_free(conn->bev);
	lower.ops->close(&lower);
}

static bool
lower_holds_input(const struct layer *layer)
{
	return evbuffer_get_length(bufferevent_get_input(layer->lower.bev)) > 0;
}

/* From past the lower bufferevent. An end comes from that, too: a plain one can be met once more, an
 * error of the socket is taken from it by the call. */
static ssize_t
read_on_below(struct layer *layer, void *data, size_t size)
{
	struct mqev_conn *lower = &layer->lower;
	size_t len = 0;
	ssize_t n;

	if (!mqev_beside_may_read(lower->bev))
		return mqev_beside_nothing();
	n = lower->ops->read(lower, data, size, &len);
	if (n > 0)
		return n;
	if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		mqev_beside_tell_end(lower->bev, BEV_EVENT_ERROR, errno);
	return mqev_beside_nothing();
}

static ssize_t
read_below(struct layer *layer, void *data, size_t size)
{
	if (lower_holds_input(layer))
		return evbuffer_remove(bufferevent_get_input(layer->lower.bev), data, size);
	return read_on_below(layer, data, size);
}

static ssize_t
ws_read(struct mqev_conn *conn, void *data, size_t size, size_t *len)
{
	struct layer *layer = conn->layer;
	ssize_t n;

	*len = 0;
	layer->was_full = false;
	if (layer->ws.end != MQEV_WS_OPEN)
		return mqev_beside_nothing();
	n = read_below(layer, data, size);
	if (n > 0) {
		*len = mqev_ws_unframe(&layer->ws, data, (size_t)n, wire_of(layer));
		tell_end(layer);
	}
	return n;
}

static bool
ws_has_more(const struct mqev_conn *conn, size_t taken)
{
	const struct layer *layer = conn->layer;

	(void)taken;
	return layer->was_full || lower_holds_input(layer) ||
	       layer->lower.ops->has_more(&layer->lower, 0);
}

static const struct mqev_conn_ops ws_conn_ops = {
    .unsent = ws_unsent,
    .shutdown = ws_shutdown,
    .close = ws_close,
    .read = ws_read,
    .has_more = ws_has_more,
};

/* The filter frees the layer with itself. */
static struct layer *
layer_new(struct mqev_conn *conn, uint64_t max_frame)
{
	struct layer *layer = mqev_calloc(1, sizeof(*layer));

	if (layer == NULL)
		return NULL;
	mqev_ws_init(&layer->ws, max_frame);
	layer->lower = *conn;
	layer->wire_cb = evbuffer_add_cb(wire_of(layer), on_wire_changed, layer);
	if (layer->wire_cb != NULL && mqev_net_headroom())
		layer->filter = bufferevent_filter_new(conn->bev, filter_input, filter_output,
		    BEV_OPT_DEFER_CALLBACKS, layer_free, layer);
	if (layer->filter != NULL)
		return layer;
	if (layer->wire_cb != NULL)
		evbuffer_remove_cb_entry(wire_of(layer), layer->wire_cb);
	layer_free(layer);
	return NULL;
}

int
mqev_ws_push(struct mqev_conn *conn, uint64_t max_frame)
{
	struct layer *layer = layer_new(conn, max_frame);

	if (layer == NULL)
		return MQEV_ERR_NOMEM;
	bufferevent_disable(layer->filter, EV_READ);
	bufferevent_setwatermark(conn->bev, EV_WRITE, WIRE_LOW, WIRE_HIGH);
	conn->bev = layer->filter;
	conn->plain = false;
	conn->layer = layer;
	conn->ops = &ws_conn_ops;
	return 0;
}

void
mqev_ws_resume(struct mqev_conn *conn)
{
	struct layer *layer = conn->layer;

	bufferevent_enable(conn->bev, EV_READ);
	if (lower_holds_input(layer))
		bufferevent_trigger(layer->lower.bev, EV_READ,
		    BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

bool
mqev_ws_conn_error(const struct mqev_conn *conn, struct mqev_net_error *error)
{
	const struct layer *layer = conn->layer;

	if (layer->ws.end == MQEV_WS_OPEN)
		return false;
	if (layer->ws.end == MQEV_WS_PEER_CLOSED)
		mqev_net_error_set(error, MQEV_ERR_LOST, 0,
		    "WebSocket: closed by the server, code %u",
		    layer->ws.close_code != 0 ? layer->ws.close_code : 1005);
	else
		mqev_net_error_set(error, MQEV_ERR_WEBSOCKET, 0, "WebSocket: %s", layer->ws.why);
	error->stage = MQEV_NET_WEBSOCKET;
	return true;
}
