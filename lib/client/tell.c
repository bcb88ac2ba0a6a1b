/* How an attempt or a connection ended, told in every way: counted, as an event, as a line, and by
 * its callback, which comes last. What follows from it is decided elsewhere. */
#include "client/client.h"

static void
note_connect_fail(struct mqev_client *c, const struct mqev_connect_failure *failure)
{
	mqev_event(c, &(struct mqev_event){.type = MQEV_EVENT_CONNECT_FAIL,
			  .state = (enum mqev_client_state)c->state,
			  .stage = failure->stage,
			  .error = failure->error,
			  .system_errno = failure->system_errno,
			  .tls_error = failure->tls_error,
			  .http_status = failure->http_status,
			  .retry_ms = failure->retry_ms,
			  .text = failure->text});
}

void
mqev_tell_connect_fail(struct mqev_client *c, const struct mqev_net_error *error,
    enum mqev_stage stage, uint32_t wait_ms)
{
	struct mqev_connect_failure failure = {
	    .stage = stage,
	    .error = error->error,
	    .system_errno = error->system_errno,
	    .tls_error = error->tls_error,
	    .http_status = error->http_status,
	    .text = error->text,
	    .retry_ms = wait_ms,
	};

	mqev_figures_connect_failed(c, stage);
	note_connect_fail(c, &failure);
	mqev_log(c, MQEV_LOG_WARNING, "connecting failed: %s", error->text);
	if (mqev_log_tell_kept(c) && c->config->on_connect_fail != NULL)
		c->config->on_connect_fail(c, &failure, c->userdata);
}

static void
note_disconnect(
    struct mqev_client *c, const struct mqev_disconnection *d, const struct mqev_net_error *cause)
{
	mqev_event(c, &(struct mqev_event){.type = MQEV_EVENT_DISCONNECT,
			  .state = (enum mqev_client_state)c->state,
			  .error = d->error,
			  .reason = d->reason,
			  .from_server = d->from_server,
			  .system_errno = d->system_errno,
			  .tls_error = d->tls_error,
			  .http_status = cause->http_status,
			  .retry_ms = d->retry_ms,
			  .text = d->text});
}

void
mqev_tell_disconnect(struct mqev_client *c, const struct mqev_session_end *end,
    const struct mqev_net_error *cause, const struct mqev_properties *properties, uint32_t wait_ms)
{
	static const struct mqev_properties none = {0};
	struct mqev_disconnection disconnection = {
	    .error = end->error,
	    .reason = (enum mqev_reason)end->reason,
	    .from_server = end->from_server,
	    .system_errno = cause->system_errno,
	    .properties = properties != NULL ? properties : &none,
	    .text = cause->text,
	    .retry_ms = wait_ms,
	    .tls_error = cause->tls_error,
	};

	note_disconnect(c, &disconnection, cause);
	mqev_log(
	    c, end->error == 0 ? MQEV_LOG_INFO : MQEV_LOG_WARNING, "disconnected: %s", cause->text);
	if (mqev_log_tell_kept(c) && c->config->on_disconnect != NULL)
		c->config->on_disconnect(c, &disconnection, c->userdata);
}
