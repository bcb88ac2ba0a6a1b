/* Blocking calls: connecting, deadline and end. What they do meanwhile: oneshot_publish.c,
 * oneshot_subscribe.c. */
#include "thread/oneshot.h"

#include <stdio.h>
#include <string.h>

#include <event2/event.h>
#include <mqev/thread.h>

#include "client/client.h"
#include "client/options.h"
#include "thread/front.h"

#define TIMEOUT_MS 60000

struct mqev_job *
mqev_job_of(const struct mqev_client *c)
{
	return ((const struct mqev_front *)c->fleet->front)->job;
}

static void
note_text(struct mqev_job *job, const char *text)
{
	snprintf(job->report.text, sizeof(job->report.text), "%s", text);
}

void
mqev_job_finish(struct mqev_job *job, int error, enum mqev_reason reason, const char *text)
{
	if (job->finished)
		return;
	job->finished = true;
	job->result = error;
	if (error == 0)
		job->report.text[0] = '\0';
	else if (text != NULL)
		note_text(job, text);
	job->report.reason = error == MQEV_ERR_REFUSED ? reason : MQEV_REASON_SUCCESS;
	/* Politely, if that can be; on_disconnect ends the loop then. */
	if (!mqev_client_is_connected(job->client) || mqev_disconnect(job->client, NULL) != 0)
		mqev_loop_break(job->fleet);
}

/* --- callbacks: ours, then the application's --------------------------------------------------
 */

static void
on_connect(struct mqev_client *c, const struct mqev_connack *connack, void *userdata)
{
	struct mqev_job *job = mqev_job_of(c);
	bool first = !job->connected && connack->reason < MQEV_REASON_UNSPECIFIED_ERROR;

	if (first) {
		job->connected = true;
		if (job->start != NULL)
			job->start(job);
	}
	if (job->options.on_connect != NULL)
		job->options.on_connect(c, connack, userdata);
}

/* Whether a failure to connect is the end of it. */
static bool
gives_up(const struct mqev_job *job, uint32_t retry_ms)
{
	/* At once: another server of the list, or another version of the protocol. */
	return retry_ms == MQEV_NONE || (retry_ms > 0 && !job->connected && !job->how.retry);
}

static void
on_connect_fail(struct mqev_client *c, const struct mqev_connect_failure *failure, void *userdata)
{
	struct mqev_job *job = mqev_job_of(c);

	if (!job->finished)
		note_text(job, failure->text);
	if (gives_up(job, failure->retry_ms))
		mqev_job_finish(job, failure->error, MQEV_REASON_SUCCESS, NULL);
	if (job->options.on_connect_fail != NULL)
		job->options.on_connect_fail(c, failure, userdata);
}

static void
note_end(struct mqev_job *job, const struct mqev_disconnection *end)
{
	char text[sizeof(job->report.text)];

	snprintf(text, sizeof(text), "%s: %s", end->text, mqev_reason_text((int)end->reason));
	note_text(job, end->reason < MQEV_REASON_UNSPECIFIED_ERROR ? end->text : text);
}

static void
on_disconnect(struct mqev_client *c, const struct mqev_disconnection *end, void *userdata)
{
	struct mqev_job *job = mqev_job_of(c);
	bool last = job->finished;

	if (!last && end->error != 0)
		note_end(job, end);
	if (!last && (end->error == 0 || gives_up(job, end->retry_ms)))
		mqev_job_finish(job, end->error, end->reason, NULL);
	if (last)
		mqev_loop_break(job->fleet);
	if (job->options.on_disconnect != NULL)
		job->options.on_disconnect(c, end, userdata);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct mqev_job *job = arg;
	char text[sizeof(job->report.text)];

	(void)fd;
	(void)what;
	snprintf(text, sizeof(text), "the time is over%s%.120s",
	    job->report.text[0] != '\0' ? "; before that: " : "", job->report.text);
	mqev_job_finish(job, MQEV_ERR_TIMEOUT, MQEV_REASON_SUCCESS, text);
	mqev_loop_break(job->fleet);
}

/* --- running -----------------------------------------------------------------------------------
 */

static int
take(void *own, size_t size, const void *given)
{
	return given != NULL ? mqev_options_take(own, size, given) : 0;
}

int
mqev_job_begin(struct mqev_job *job, const struct mqev_oneshot *how)
{
	int error;

	memset(job, 0, sizeof(*job));
	job->options.size = sizeof(job->options);
	job->how.size = sizeof(job->how);
	error = take(&job->how, sizeof(job->how), how);
	if (error == 0)
		error = take(&job->options, sizeof(job->options), job->how.options);
	return error;
}

int
mqev_job_refuse(struct mqev_job *job, int error, const char *text)
{
	note_text(job, text);
	job->result = error;
	if (job->how.report != NULL)
		*job->how.report = job->report;
	return error;
}

static bool
set_deadline(struct mqev_job *job)
{
	uint32_t ms = job->how.timeout_ms != 0 ? job->how.timeout_ms : TIMEOUT_MS;
	const struct timeval wait = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

	if (ms == MQEV_NONE)
		return true;
	job->deadline = evtimer_new(mqev_fleet_base(job->fleet), on_deadline, job);
	return job->deadline != NULL && event_add(job->deadline, &wait) == 0;
}

static int
make_client(struct mqev_job *job)
{
	struct mqev_options options = job->options;
	int error;

	options.size = sizeof(options);
	options.on_connect = on_connect;
	options.on_connect_fail = on_connect_fail;
	options.on_disconnect = on_disconnect;
	if (job->on_message != NULL)
		options.on_message = job->on_message;
	job->client = mqev_client_new(job->fleet, &options, &error);
	return job->client != NULL ? 0 : error;
}

static int
make_all(struct mqev_job *job)
{
	struct mqev_front *front;

	job->fleet = mqev_fleet_new(NULL, NULL);
	front = job->fleet != NULL ? mqev_front_of(job->fleet) : NULL;
	if (front == NULL || !set_deadline(job))
		return MQEV_ERR_NOMEM;
	front->job = job;
	return make_client(job);
}

static int
loop(struct mqev_job *job, const char *url)
{
	int error = mqev_connect(job->client, url);

	if (error != 0) {
		note_text(job, mqev_client_error_text(job->client));
		return error;
	}
	error = mqev_loop_forever(job->fleet);
	return error != 0 ? error : job->result;
}

int
mqev_job_run(struct mqev_job *job, const char *url)
{
	int error = make_all(job);

	if (error == 0)
		error = loop(job, url);
	/* Callbacks of the end find a job that is over. */
	job->finished = true;
	if (job->deadline != NULL)
		event_free(job->deadline);
	mqev_fleet_free(job->fleet);
	if (error != 0 && job->report.text[0] == '\0')
		note_text(job, mqev_error_text(error));
	job->result = error;
	if (job->how.report != NULL)
		*job->how.report = job->report;
	return error;
}
