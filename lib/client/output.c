/* The output side of a client: how much the link may hold, and letting the session write until it
 * does. */
#include "client/client.h"
#include "client/link.h"
#include "port/port.h"

size_t
mqev_client_unsent(const struct mqev_client *c)
{
	return mqev_link_unsent(c->link) + mqev_cork_held(&c->fleet->cork, c);
}

bool
mqev_client_has_room(const struct mqev_client *c)
{
	const struct mqev_cork *cork = &c->fleet->cork;

	/* What is gathered has not reached the link yet. */
	if (cork->sink.owner == c)
		return cork->owner_has_room;
	return c->link != NULL && mqev_link_unsent(c->link) < MQEV_LINK_OUTPUT_HIGH;
}

static void
write_more(struct mqev_client *c)
{
	size_t unsent = mqev_client_unsent(c);

	/* What stays behind goes on when the link's output has fallen to its low mark. */
	if (unsent < MQEV_LINK_OUTPUT_HIGH)
		mqev_session_pump(&c->session, mqev_port_now_ms(), MQEV_LINK_OUTPUT_HIGH - unsent);
}

/* What waits first: then what completions publish may follow it at once. */
static void
work_off(struct mqev_client *c)
{
	write_more(c);
	mqev_session_sent(&c->session, mqev_client_unsent(c));
	if (c->link != NULL)
		write_more(c);
}

void
mqev_client_pump(struct mqev_client *c)
{
	if (c->session.owing)
		mqev_session_tell(&c->session);
	if (c->link == NULL)
		return;
	if (mqev_session_has_work(&c->session))
		work_off(c);
	if (c->link != NULL)
		mqev_link_update_reading(c->link);
}
