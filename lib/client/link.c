/* The bufferevent of a client: its callbacks, writing, and the end. How bytes are read:
 * link_read.c. */
#include "client/link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "client/client.h"
#include "client/drain.h"
#include "core/mem.h"
#include "port/port.h"

#define READ_BUDGET 65536
/* More than a socket holds. */
#define LAST_READ_BUDGET (16 * 1024 * 1024)
#define LINGER_MS 2000

/* --- callbacks of a link in use ----------------------------------------------------------------
 */

/* Where a layer writes of its own accord it is asked each time. */
static void
note_output(struct mqev_link *link)
{
	link->holds = !link->conn.plain || mqev_conn_unsent(&link->conn) > 0;
}

static void
on_readable(struct bufferevent *bev, void *arg)
{
	struct mqev_link *link = arg;
	struct mqev_client *c = link->client;

	(void)bev;
	link->awake = false;
	mqev_client_enter(c);
	mqev_link_read(link, READ_BUDGET);
	mqev_client_leave(c);
}

static void
on_writable(struct bufferevent *bev, void *arg)
{
	struct mqev_link *link = arg;
	struct mqev_client *c = link->client;

	(void)bev;
	note_output(link);
	mqev_client_enter(c);
	mqev_client_pump(c);
	mqev_client_leave(c);
}

/* A layer above the socket knows better than it why a link failed. What it does not name as its own
 * fault is a loss: a reset, an end without a farewell. */
static void
report_failure(struct mqev_link *link, short what, int error)
{
	struct mqev_net_error cause = {0};

	EVUTIL_SET_SOCKET_ERROR(error);
	mqev_conn_error(&link->conn, what, &cause);
	if (cause.error != MQEV_ERR_TLS && cause.error != MQEV_ERR_WEBSOCKET)
		cause.error = MQEV_ERR_LOST;
	if (cause.stage != 0)
		mqev_log(link->client, MQEV_LOG_WARNING, "%s", cause.text);
	mqev_controller_link_down(link->client, &cause);
}

static void
report_down(struct mqev_link *link, short what, int error)
{
	static const struct mqev_net_error closed = {
	    .error = MQEV_ERR_LOST, .text = "the server closed the connection"};

	if (link->read_errno != 0)
		report_failure(link, BEV_EVENT_ERROR, link->read_errno);
	else if ((what & BEV_EVENT_EOF) != 0)
		mqev_controller_link_down(link->client, &closed);
	else
		report_failure(link, what, error);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct mqev_link *link = arg;
	struct mqev_client *c = link->client;
	int error = EVUTIL_SOCKET_ERROR();

	(void)bev;
	if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) == 0)
		return;
	mqev_client_enter(c);
	/* The last bytes may say why: first what has arrived, then the end. */
	mqev_link_read(link, LAST_READ_BUDGET);
	if (c->link == link)
		report_down(link, what, error);
	mqev_client_leave(c);
}

/* Level-triggered: what is left comes again. */
static void
on_parked_readable(evutil_socket_t fd, short what, void *arg)
{
	struct mqev_link *link = arg;
	struct mqev_client *c = link->client;

	(void)fd;
	(void)what;
	mqev_client_enter(c);
	mqev_link_read(link, READ_BUDGET);
	if (c->link == link && (link->ended || link->read_errno != 0))
		report_down(link, BEV_EVENT_EOF, 0);
	mqev_client_leave(c);
}

/* --- making and freeing ------------------------------------------------------------------------
 */

/* libevent waits for a socket to be writable when it is told again, though there is nothing to
 * write. */
static void
enable_writing(struct mqev_link *link)
{
	if ((bufferevent_get_enabled(link->conn.bev) & EV_WRITE) == 0)
		bufferevent_enable(link->conn.bev, EV_WRITE);
}

static void
begin(struct mqev_link *link)
{
	bufferevent_setcb(link->conn.bev, on_readable, on_writable, on_event, link);
	bufferevent_setwatermark(link->conn.bev, EV_WRITE, MQEV_LINK_OUTPUT_LOW, 0);
	enable_writing(link);
	mqev_conn_resume(&link->conn);
}

struct mqev_link *
mqev_link_open(struct mqev_client *client, const struct mqev_conn *conn)
{
	struct mqev_link *link = mqev_calloc(1, sizeof(*link));

	if (link == NULL)
		return NULL;
	link->conn = *conn;
	link->client = client;
	note_output(link);
	begin(link);
	return link;
}

struct mqev_farewell {
	struct mqev_link *link;
	struct mqev_drain *drain; /* waits for the end; NULL: nobody does */
	struct event *timer;
	struct mqev_farewell *next; /* in the fleet */
	struct mqev_farewell **at;
};

static struct mqev_farewell *
farewell_of(const struct mqev_link *link)
{
	return link->parted ? link->farewell : NULL;
}

static void
end_farewell(struct mqev_link *link)
{
	struct mqev_farewell *f = farewell_of(link);

	if (f == NULL)
		return;
	*f->at = f->next;
	if (f->next != NULL)
		f->next->at = f->at;
	event_free(f->timer);
	mqev_free(f);
	link->farewell = NULL;
}

void
mqev_link_trim(struct mqev_link *link)
{
	mqev_link_trim_partial(link);
	mqev_conn_trim(&link->conn);
}

void
mqev_link_forget_drain(struct mqev_link *link)
{
	struct mqev_farewell *f = farewell_of(link);

	if (f != NULL)
		f->drain = NULL;
}

static void
tell_drain(struct mqev_link *link, bool server_closed)
{
	struct mqev_farewell *f = farewell_of(link);

	if (f != NULL && f->drain != NULL)
		mqev_drain_link_gone(f->drain, server_closed);
	mqev_link_forget_drain(link);
}

void
mqev_link_close(struct mqev_link *link)
{
	if (mqev_conn_is_parked(&link->conn))
		link->client->fleet->figures.parked--;
	tell_drain(link, false);
	end_farewell(link);
	mqev_conn_close(&link->conn);
	link->closed = true;
	mqev_link_finish_reading(link);
}

void
mqev_link_finish_reading(struct mqev_link *link)
{
	if (link->reading)
		return;
	if (link->closed || link->parted) {
		mqev_free(link->partial);
		link->partial = NULL;
	}
	if (link->closed)
		mqev_free(link);
}

static void
break_link(struct mqev_link *link)
{
	link->broken = true;
	if (!link->parted) {
		mqev_session_abort(&link->client->session, MQEV_ERR_NOMEM, "out of memory");
		mqev_fleet_plan(link->client->fleet, link->client);
	}
}

/* --- parked ------------------------------------------------------------------------------------
 */

bool
mqev_link_may_park(const struct mqev_link *link)
{
	return link->conn.plain && !mqev_conn_is_parked(&link->conn) && !link->awake &&
	       !link->broken && !link->stopped && mqev_link_unsent(link) == 0;
}

void
mqev_link_park(struct mqev_link *link)
{
	if (mqev_conn_park(&link->conn, on_parked_readable, link))
		link->client->fleet->figures.parked++;
	else
		link->awake = true;
}

static bool
wake(struct mqev_link *link)
{
	if (!mqev_conn_is_parked(&link->conn))
		return true;
	if (!mqev_conn_unpark(&link->conn))
		return false;
	link->client->fleet->figures.parked--;
	begin(link);
	return true;
}

/* What a parked link does without one it does as it is: only what must wait needs a bufferevent. */
static bool
has_bufferevent(struct mqev_link *link)
{
	if (!link->broken && !wake(link))
		break_link(link);
	return !link->broken;
}

/* --- writing, by way of the bufferevent or past it ----------------------------------------------
 */

/* Somebody wants to know that bytes wait for the socket: told at the end of the client's next turn.
 */
static void
note_writing(struct mqev_link *link)
{
	if (!link->parted && link->client->watch_writing && !link->client->writing_told)
		mqev_fleet_plan(link->client->fleet, link->client);
}

void
mqev_link_write(struct mqev_link *link, const void *data, size_t len)
{
	link->holds = true;
	if (has_bufferevent(link) && bufferevent_write(link->conn.bev, data, len) != 0)
		break_link(link);
	note_writing(link);
}

static ssize_t
send_pieces(evutil_socket_t fd, struct iovec *pieces, size_t count)
{
	const struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};

	if (count == 1)
		return send(fd, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL);
	return sendmsg(fd, &message, MSG_NOSIGNAL);
}

size_t
mqev_link_send(struct mqev_link *link, struct iovec *pieces, size_t count)
{
	ssize_t n;

	if (!link->conn.plain || link->broken || mqev_link_unsent(link) > 0)
		return 0;
	n = send_pieces(link->conn.fd, pieces, count);
	return n > 0 ? (size_t)n : 0;
}

bool
mqev_link_lend(struct mqev_link *link, const void *data, size_t len,
    void (*done)(const void *data, size_t len, void *arg), void *arg)
{
	if (!has_bufferevent(link))
		return false;
	link->holds = true;
	if (evbuffer_add_reference(bufferevent_get_output(link->conn.bev), data, len, done, arg) ==
	    0) {
		note_writing(link);
		return true;
	}
	break_link(link);
	return false;
}

size_t
mqev_link_unsent(const struct mqev_link *link)
{
	return link->holds ? mqev_conn_unsent(&link->conn) : 0;
}

void
mqev_link_tell_when_empty(struct mqev_link *link)
{
	bufferevent_setwatermark(link->conn.bev, EV_WRITE, 0, 0);
}

void
mqev_link_update_reading(struct mqev_link *link)
{
	bool stop = mqev_session_is_paused(&link->client->session) ||
		    mqev_link_unsent(link) > MQEV_LINK_OUTPUT_MAX;

	if (stop == link->stopped || !has_bufferevent(link))
		return;
	link->stopped = stop;
	if (stop) {
		bufferevent_disable(link->conn.bev, EV_READ);
		return;
	}
	mqev_conn_resume(&link->conn);
	/* What arrived before the stop will not be announced again. */
	bufferevent_trigger(
	    link->conn.bev, EV_READ, BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

/* --- the polite end ----------------------------------------------------------------------------
 */

static void
linger_shut(struct mqev_link *link)
{
	if (link->shut)
		return;
	link->shut = true;
	mqev_conn_shutdown(&link->conn);
}

static void
on_linger_writable(struct bufferevent *bev, void *arg)
{
	(void)bev;
	if (mqev_link_unsent(arg) == 0)
		linger_shut(arg);
}

/* Unread bytes would turn our close into a reset, and that may cost the server our DISCONNECT. */
static void
on_linger_readable(struct bufferevent *bev, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(bev);

	(void)arg;
	evbuffer_drain(input, evbuffer_get_length(input));
}

static void
on_linger_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) == 0)
		return;
	tell_drain(arg, true);
	mqev_link_close(arg);
}

static void
on_linger_timeout(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	mqev_link_close(arg);
}

static struct event *
start_linger_timer(struct event_base *base, struct mqev_link *link)
{
	const struct timeval wait = {LINGER_MS / 1000, LINGER_MS % 1000 * 1000};
	struct event *timer = evtimer_new(base, on_linger_timeout, link);

	if (timer == NULL || event_add(timer, &wait) == 0)
		return timer;
	event_free(timer);
	return NULL;
}

static void
join(struct mqev_farewell **lingering, struct mqev_farewell *f)
{
	f->next = *lingering;
	f->at = lingering;
	if (f->next != NULL)
		f->next->at = &f->next;
	*lingering = f;
}

static bool
begin_farewell(struct mqev_fleet *fleet, struct mqev_link *link, struct mqev_drain *drain)
{
	struct mqev_farewell *f = mqev_calloc(1, sizeof(*f));

	if (f == NULL)
		return false;
	f->link = link;
	f->timer = start_linger_timer(fleet->base, link);
	if (f->timer == NULL) {
		mqev_free(f);
		return false;
	}
	join(&fleet->lingering, f);
	link->farewell = f;
	f->drain = mqev_drain_watch(drain, link) ? drain : NULL;
	return true;
}

void
mqev_link_linger(struct mqev_link *link, struct mqev_drain *drain)
{
	struct mqev_fleet *fleet = link->client->fleet;

	if (!wake(link)) {
		mqev_link_close(link);
		return;
	}
	link->parted = true;
	link->farewell = NULL;
	mqev_link_finish_reading(link);
	if (link->broken || !begin_farewell(fleet, link, drain)) {
		mqev_link_close(link);
		return;
	}
	mqev_link_tell_when_empty(link);
	bufferevent_setcb(
	    link->conn.bev, on_linger_readable, on_linger_writable, on_linger_event, link);
	enable_writing(link);
	mqev_conn_resume(&link->conn);
	on_linger_readable(link->conn.bev, link);
	if (mqev_link_unsent(link) == 0)
		linger_shut(link);
}

void
mqev_link_close_lingering(struct mqev_fleet *fleet)
{
	while (fleet->lingering != NULL)
		mqev_link_close(fleet->lingering->link);
}
