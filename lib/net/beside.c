/* Reading beside a bufferevent. */
#include "net/beside.h"

#include <errno.h>
#include <stddef.h>

#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/event.h>

/* No function of libevent's tells it: what is enabled stays so after an end. */
bool
mqev_beside_may_read(const struct bufferevent *bev)
{
	return event_pending(&bev->ev_read, EV_READ, NULL) != 0;
}

void
mqev_beside_tell_end(struct bufferevent *bev, short what, int error)
{
	bufferevent_disable(bev, EV_READ | EV_WRITE);
	EVUTIL_SET_SOCKET_ERROR(error);
	bufferevent_trigger_event(bev, (short)(BEV_EVENT_READING | what), BEV_TRIG_DEFER_CALLBACKS);
}

ssize_t
mqev_beside_nothing(void)
{
	errno = EAGAIN;
	return -1;
}
