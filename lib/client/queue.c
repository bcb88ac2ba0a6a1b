/* What an application asks of a client's queue and of its reception. Their limits: limits.c; what
 * lies behind: core/session_queue.c. */
#include <mqev/queue.h>

#include <string.h>

#include "client/client.h"
#include "client/rpc.h"
#include "core/mem.h"
#include "port/port.h"

size_t
mqev_queue_count(const struct mqev_client *c)
{
	return c != NULL ? mqev_session_queued(&c->session) : 0;
}

size_t
mqev_queue_bytes(const struct mqev_client *c)
{
	return c != NULL ? mqev_session_queued_bytes(&c->session) : 0;
}

/* --- the list ----------------------------------------------------------------------------------
 */

/* A list and its entries and topics are one block. */
struct making {
	struct mqev_queue_list list;
	struct mqev_queued *entry; /* the next one; NULL while only the size is asked for */
	char *text;		   /* where the next topic goes */
	size_t text_size;
	size_t max;
	uint64_t now;
};

static struct mqev_bytes
topic_of(const struct mqev_op *op)
{
	struct mqev_reader r;

	if (op->type == MQEV_PACKET_PUBLISH)
		return mqev_op_topic(op);
	mqev_reader_init(&r, op->payload, op->payload_len);
	return mqev_read_binary(&r);
}

static enum mqev_queued_kind
kind_of(const struct mqev_op *op)
{
	if (op->type == MQEV_PACKET_PUBLISH)
		return MQEV_QUEUED_PUBLISH;
	return op->type == MQEV_PACKET_SUBSCRIBE ? MQEV_QUEUED_SUBSCRIBE : MQEV_QUEUED_UNSUBSCRIBE;
}

static enum mqev_queued_state
state_of(const struct mqev_op *op, bool leaving)
{
	if (leaving)
		return MQEV_QUEUED_LEAVING;
	return op->state == MQEV_OP_QUEUED ? MQEV_QUEUED_WAITING : MQEV_QUEUED_IN_FLIGHT;
}

static const char *
put_topic(struct making *m, struct mqev_bytes topic)
{
	char *at = m->text;

	if (topic.len > 0)
		memcpy(at, topic.data, topic.len);
	at[topic.len] = '\0';
	m->text += topic.len + 1;
	return at;
}

static void
fill(struct making *m, const struct mqev_op *op, bool leaving)
{
	*m->entry++ = (struct mqev_queued){
	    .op = op->number,
	    .kind = kind_of(op),
	    .state = state_of(op, leaving),
	    .topic = put_topic(m, topic_of(op)),
	    .payload_len = op->type == MQEV_PACKET_PUBLISH ? op->payload_len : 0,
	    .bytes = op->cost,
	    .qos = op->qos,
	    .retain = (op->flags & MQEV_OP_RETAIN) != 0,
	    .mid = op->mid,
	    .age_ms = m->now - op->accepted_ms,
	    .expires_ms = op->expires_ms > m->now ? op->expires_ms - m->now : 0,
	};
}

static bool
add_to_list(const struct mqev_op *op, bool leaving, void *arg)
{
	struct making *m = arg;

	m->list.count++;
	m->text_size += topic_of(op).len + 1;
	if (m->entry != NULL)
		fill(m, op, leaving);
	return m->list.count != m->max;
}

struct mqev_queue_list *
mqev_queue_list_new(const struct mqev_client *c, size_t max)
{
	struct making m = {.max = max, .now = mqev_port_now_ms()};
	struct mqev_queue_list *list;

	if (c == NULL)
		return NULL;
	mqev_session_walk(&c->session, add_to_list, &m);
	list = mqev_malloc(sizeof(*list) + m.list.count * sizeof(*m.entry) + m.text_size);
	if (list == NULL)
		return NULL;
	m.entry = (struct mqev_queued *)(list + 1);
	m.text = (char *)(m.entry + m.list.count);
	*list = (struct mqev_queue_list){.count = m.list.count, .at = m.entry};
	m.list.count = 0;
	mqev_session_walk(&c->session, add_to_list, &m);
	return list;
}

void
mqev_queue_list_free(struct mqev_queue_list *list)
{
	mqev_free(list);
}

/* --- taking out --------------------------------------------------------------------------------
 */

int
mqev_cancel(struct mqev_client *c, uint64_t op)
{
	if (c == NULL)
		return MQEV_ERR_INVALID;
	if (mqev_request_cancel(c, op) == 0)
		return 0;
	return mqev_session_withdraw(&c->session, op);
}

size_t
mqev_queue_clear(struct mqev_client *c, enum mqev_queue_clear which)
{
	if (c == NULL)
		return 0;
	return mqev_session_clear(&c->session, which == MQEV_QUEUE_CLEAR_QOS0);
}

/* --- back-pressure -----------------------------------------------------------------------------
 */

static int
set_paused(struct mqev_client *c, bool paused)
{
	if (c == NULL)
		return MQEV_ERR_INVALID;
	if (c->freed)
		return MQEV_ERR_STATE;
	c->session.paused = paused;
	mqev_fleet_plan(c->fleet, c);
	return 0;
}

int
mqev_pause_receiving(struct mqev_client *c)
{
	return set_paused(c, true);
}

int
mqev_resume_receiving(struct mqev_client *c)
{
	return set_paused(c, false);
}

bool
mqev_is_receiving_paused(const struct mqev_client *c)
{
	return c != NULL && c->session.paused;
}
