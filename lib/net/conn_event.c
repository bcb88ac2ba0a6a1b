/* What the owner of a link asks of its layers while it lives: to go on reading,
 * to hold less, and why it ended.
 */
#include <event2/bufferevent.h>
#include <event2/event.h>

#include <mqev/reason.h>

#include "net/step.h"
#include "net/tls.h"
#include "net/ws.h"

void
mqev_conn_resume(struct mqev_conn *conn)
{
	if (conn->layer != NULL)
		mqev_ws_resume(conn);
	else
		bufferevent_enable(conn->bev, EV_READ);
}

ssize_t
mqev_conn_read_on(struct mqev_conn *conn, void *data, size_t size, size_t *len)
{
	return conn->ops->read(conn, data, size, len);
}

bool
mqev_conn_has_more(const struct mqev_conn *conn, size_t taken)
{
	return conn->ops->has_more(conn, taken);
}

void
mqev_conn_trim(struct mqev_conn *conn)
{
	if (conn->tls != NULL)
		mqev_tls_trim(conn);
}

void
mqev_conn_error(const struct mqev_conn *conn, short what, struct mqev_net_error *error)
{
	int system_errno = what & BEV_EVENT_EOF ? 0 : EVUTIL_SOCKET_ERROR();

	if (conn->layer != NULL && !mqev_conn_is_parked(conn) && mqev_ws_conn_error(conn, error))
		return;
	if (conn->tls != NULL) {
		mqev_tls_conn_error(conn, what, error);
		return;
	}
	if (system_errno != 0)
		mqev_net_error_set(error, MQEV_ERR_SYSTEM, system_errno, "connection");
	else
		mqev_net_error_set(error, MQEV_ERR_LOST, 0, "the server closed the connection");
}
