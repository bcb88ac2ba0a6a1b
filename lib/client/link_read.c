/* Bytes from the bufferevent, and past it from the link's topmost layer, to the session; packets that
 * arrive in pieces. */
#include "client/link.h"

#include <errno.h>
#include <string.h>
#include <sys/types.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "client/client.h"
#include "core/mem.h"
#include "port/port.h"

/* A block for partial packets above this size is given back as soon as it is empty. */
#define KEEP_PARTIAL 1024
/* From this much still missing on, a packet is read straight into its own block: from the socket,
 * where it may cost a call more, and from the bufferevent and the layers above the socket. */
#define READ_STRAIGHT_FROM 16384
#define MOVE_STRAIGHT_FROM 1024

struct reading {
	struct mqev_link
	    *link; /* stays in memory while it is read, even when it is closed meanwhile */
	struct mqev_client *client;
	uint64_t now;
};

/* False when this link is to be read no further. */
static bool
alive(const struct reading *r)
{
	enum mqev_session_state state = (enum mqev_session_state)r->client->session.state;

	return r->client->link == r->link &&
	       (state == MQEV_SESSION_CONNECTING || state == MQEV_SESSION_CONNECTED);
}

/* --- a packet in pieces ------------------------------------------------------------------------
 */

/* The block grows with the bytes that came, never with what a length announces. */
static bool
reserve_partial(struct mqev_link *link, size_t more)
{
	size_t wanted = link->partial_len + more;
	size_t capacity = (size_t)link->partial_capacity * 2;
	uint8_t *block;

	if (wanted <= link->partial_capacity)
		return true;
	if (link->need > 0 && capacity > link->need)
		capacity = link->need;
	if (capacity < wanted)
		capacity = wanted;
	if (capacity > UINT32_MAX)
		return false;
	block = mqev_realloc(link->partial, capacity);
	if (block == NULL)
		return false;
	link->partial = block;
	link->partial_capacity = (uint32_t)capacity;
	return true;
}

static void
drop_partial(struct mqev_link *link)
{
	mqev_free(link->partial);
	link->partial = NULL;
	link->partial_capacity = 0;
}

void
mqev_link_trim_partial(struct mqev_link *link)
{
	if (link->partial_len == 0 && !link->reading)
		drop_partial(link);
}

static bool
keep(const struct reading *r, const uint8_t *data, size_t len)
{
	if (!reserve_partial(r->link, len)) {
		mqev_session_fail(&r->client->session, MQEV_ERR_NOMEM,
		    MQEV_REASON_IMPLEMENTATION_SPECIFIC, "out of memory");
		return false;
	}
	memcpy(r->link->partial + r->link->partial_len, data, len);
	r->link->partial_len += (uint32_t)len;
	return true;
}

static size_t
give_session(const struct reading *r, uint8_t *data, size_t len)
{
	size_t need = 0;
	size_t used = mqev_session_receive(&r->client->session, data, len, r->now, &need);

	r->link->need = (uint32_t)need;
	return used;
}

static void
receive_partial(const struct reading *r)
{
	struct mqev_link *link = r->link;
	size_t used = give_session(r, link->partial, link->partial_len);

	link->partial_len -= (uint32_t)used;
	if (used > 0 && link->partial_len > 0)
		memmove(link->partial, link->partial + used, link->partial_len);
	if (link->partial_len == 0 && link->partial_capacity > KEEP_PARTIAL)
		drop_partial(link);
}

/* How much of what came belongs to the packet in the block: its rest, or a byte of its header. */
static size_t
missing(const struct mqev_link *link)
{
	return link->need > link->partial_len ? link->need - link->partial_len : 1;
}

static void
receive(const struct reading *r, uint8_t *data, size_t len)
{
	while (len > 0 && alive(r)) {
		struct mqev_link *link = r->link;
		size_t part = len;

		if (link->partial_len == 0) {
			size_t used = give_session(r, data, len);

			if (alive(r) && used < len)
				keep(r, data + used, len - used);
			return;
		}
		if (!mqev_session_is_paused(&r->client->session) && part > missing(link))
			part = missing(link);
		if (!keep(r, data, part))
			return;
		receive_partial(r);
		data += part;
		len -= part;
	}
}

/* --- where bytes come from ---------------------------------------------------------------------
 */

/* So much of the packet that has begun is missing. */
static bool
misses(const struct mqev_link *link, size_t len)
{
	return link->partial_len > 0 && link->need >= link->partial_len + len;
}

static void
received_straight(const struct reading *r, size_t n)
{
	r->link->partial_len += (uint32_t)n;
	receive_partial(r);
}

/* The block grows by what is there. */
static size_t
move_straight(const struct reading *r, struct evbuffer *input)
{
	struct mqev_link *link = r->link;
	size_t len = evbuffer_get_length(input);
	int n;

	if (len > missing(link))
		len = missing(link);
	if (len == 0 || !reserve_partial(link, len))
		return 0;
	n = evbuffer_remove(input, link->partial + link->partial_len, len);
	if (n > 0)
		received_straight(r, (size_t)n);
	return n > 0 ? (size_t)n : 0;
}

static size_t
move_scratch(const struct reading *r, struct evbuffer *input, uint8_t *scratch)
{
	int n = evbuffer_remove(input, scratch, MQEV_SCRATCH_SIZE);

	if (n > 0)
		receive(r, scratch, (size_t)n);
	return n > 0 ? (size_t)n : 0;
}

/* What the bufferevent holds. Returns the size of it. */
static size_t
take_input(const struct reading *r, uint8_t *scratch)
{
	struct evbuffer *input = bufferevent_get_input(r->link->conn.bev);
	size_t total = 0;

	while (alive(r) && !mqev_session_is_paused(&r->client->session)) {
		size_t n = misses(r->link, MOVE_STRAIGHT_FROM) ? move_straight(r, input) : 0;

		/* That is the way without memory too. */
		if (n == 0)
			n = move_scratch(r, input, scratch);
		if (n == 0)
			break;
		total += n;
	}
	return total;
}

static ssize_t
receive_scratch(const struct reading *r, uint8_t *scratch)
{
	size_t len = 0;
	ssize_t n = mqev_conn_read_on(&r->link->conn, scratch, MQEV_SCRATCH_SIZE, &len);

	if (len > 0)
		receive(r, scratch, len);
	return n;
}

/* Room for more of them; 0: no memory. */
static size_t
straight_room(struct mqev_link *link)
{
	size_t room = link->need - link->partial_len;

	if (room > MQEV_SCRATCH_SIZE && room > link->partial_len)
		room =
		    link->partial_len > MQEV_SCRATCH_SIZE ? link->partial_len : MQEV_SCRATCH_SIZE;
	return reserve_partial(link, room) ? room : 0;
}

static ssize_t
receive_straight(const struct reading *r, uint8_t *scratch)
{
	struct mqev_link *link = r->link;
	size_t room = straight_room(link);
	size_t len = 0;
	ssize_t n;

	if (room == 0)
		return receive_scratch(r, scratch);
	n = mqev_conn_read_on(&link->conn, link->partial + link->partial_len, room, &len);
	if (len > 0)
		received_straight(r, len);
	return n;
}

static void
note_error(struct mqev_link *link)
{
	if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		link->read_errno = (int16_t)errno;
}

/* A parked link had no more, and says so if more comes: to ask again would cost a call for each
 * PINGRESP. (All that is asked for at once is as much or more.) */
static bool
was_short(const struct mqev_link *link, size_t n)
{
	return n < READ_STRAIGHT_FROM && mqev_conn_is_parked(&link->conn);
}

static bool
may_go_on(const struct reading *r)
{
	return alive(r) && !r->link->stopped && !mqev_session_is_paused(&r->client->session);
}

/* More than one read's worth was waiting: the rest is taken past the bufferevent, without a loop
 * turn for each 4,096 bytes. Nothing that a layer took from the socket is left in it for want of
 * budget, since nothing would announce it. */
static void
read_on(const struct reading *r, uint8_t *scratch, size_t budget)
{
	size_t straight_from = r->link->conn.plain ? READ_STRAIGHT_FROM : MOVE_STRAIGHT_FROM;
	size_t taken = 0;

	while (may_go_on(r) && (taken < budget || mqev_conn_has_more(&r->link->conn, 0))) {
		ssize_t n = misses(r->link, straight_from) ? receive_straight(r, scratch)
							   : receive_scratch(r, scratch);

		if (n < 0)
			note_error(r->link);
		r->link->ended = n == 0;
		if (n <= 0 || was_short(r->link, (size_t)n))
			return;
		taken += (size_t)n;
	}
}

/* --- the fleet's scratch -----------------------------------------------------------------------
 */

/* A loop that a callback runs inside another reading must not write over its bytes. */
static uint8_t *
borrow_scratch(struct mqev_fleet *fleet)
{
	if (fleet->scratch_busy)
		return mqev_malloc(MQEV_SCRATCH_SIZE);
	fleet->scratch_busy = true;
	return fleet->scratch;
}

static void
return_scratch(struct mqev_fleet *fleet, uint8_t *scratch)
{
	if (scratch == fleet->scratch)
		fleet->scratch_busy = false;
	else
		mqev_free(scratch);
}

static void
read_all(const struct reading *r, uint8_t *scratch, size_t budget)
{
	size_t taken;

	if (r->link->partial_len > 0 && !mqev_session_is_paused(&r->client->session))
		receive_partial(r);
	if (alive(r) && mqev_conn_is_parked(&r->link->conn)) {
		read_on(r, scratch, budget);
		return;
	}
	taken = take_input(r, scratch);
	if (alive(r) && mqev_conn_has_more(&r->link->conn, taken))
		read_on(r, scratch, budget);
}

void
mqev_link_read(struct mqev_link *link, size_t budget)
{
	struct mqev_client *c = link->client;
	struct mqev_fleet *fleet = c->fleet;
	struct reading r = {link, c, mqev_port_now_ms()};
	uint8_t *scratch;

	/* A loop that a callback runs inside this one: the outer reading takes what has come. */
	if (link->reading)
		return;
	scratch = borrow_scratch(fleet);
	if (scratch == NULL)
		return; /* the bytes stay where they are, and are announced again with the next ones
			 */
	link->reading = true;
	read_all(&r, scratch, budget);
	link->reading = false;
	return_scratch(fleet, scratch);
	mqev_link_finish_reading(link);
	mqev_client_pump(c);
}
