/* mqev_subscribe_simple() and mqev_subscribe_callback(): messages to an array, or to a callback. */
#include "thread/oneshot.h"

#include <string.h>

#include "client/client.h"

struct subscribe_job {
	struct mqev_job job;
	const struct mqev_subscription *subscriptions;
	size_t filter_count;
	struct mqev_message **messages;
	size_t count;
	mqev_message_cb *callback;
	void *userdata;
};

static void
on_subscribed(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	struct mqev_job *job = arg;

	(void)c;
	if (result->error == MQEV_ERR_REFUSED)
		mqev_job_finish(
		    job, result->error, result->reason, mqev_reason_text((int)result->reason));
	else if (result->error != 0)
		mqev_job_finish(job, result->error, result->reason, mqev_error_text(result->error));
}

/* The client subscribes again by itself when it connects again. */
static void
start(struct mqev_job *job)
{
	const struct subscribe_job *s = (const struct subscribe_job *)job;
	int64_t op = mqev_subscribe(job->client, s->subscriptions, s->filter_count,
	    job->how.subscribe_properties, on_subscribed, job);

	if (op < 0)
		mqev_job_finish(job, (int)op, MQEV_REASON_SUCCESS, mqev_error_text((int)op));
}

static void
collect(struct mqev_client *c, const struct mqev_message *message, void *userdata)
{
	struct subscribe_job *s = (struct subscribe_job *)mqev_job_of(c);
	struct mqev_message *copy;

	(void)userdata;
	if (s->job.finished || (s->job.how.skip_retained && message->retain))
		return;
	copy = mqev_message_copy(message);
	if (copy == NULL) {
		mqev_job_finish(&s->job, MQEV_ERR_NOMEM, MQEV_REASON_SUCCESS, NULL);
		return;
	}
	s->messages[s->job.report.done++] = copy;
	if (s->job.report.done == s->count)
		mqev_job_finish(&s->job, 0, MQEV_REASON_SUCCESS, NULL);
}

static void
pass_on(struct mqev_client *c, const struct mqev_message *message, void *userdata)
{
	struct subscribe_job *s = (struct subscribe_job *)mqev_job_of(c);

	(void)userdata;
	if (s->job.finished || !c->wanted)
		return;
	s->job.report.done++;
	s->callback(c, message, s->userdata);
}

static int
run(struct subscribe_job *s, const char *url, bool valid, mqev_message_cb *on_message)
{
	if (url == NULL || s->subscriptions == NULL || s->filter_count == 0 || !valid)
		return mqev_job_refuse(
		    &s->job, MQEV_ERR_INVALID, "no server, no filter, or nowhere to put messages");
	s->job.start = start;
	s->job.on_message = on_message;
	return mqev_job_run(&s->job, url);
}

int
mqev_subscribe_simple(const char *url, const struct mqev_subscription *subscriptions,
    size_t filter_count, struct mqev_message **messages, size_t count,
    const struct mqev_oneshot *how)
{
	struct subscribe_job s = {.subscriptions = subscriptions,
	    .filter_count = filter_count,
	    .messages = messages,
	    .count = count};
	int error = mqev_job_begin(&s.job, how);

	if (error != 0)
		return error;
	for (size_t i = 0; messages != NULL && i < count; i++)
		messages[i] = NULL;
	return run(&s, url, messages != NULL && count > 0, collect);
}

int
mqev_subscribe_callback(const char *url, const struct mqev_subscription *subscriptions,
    size_t filter_count, mqev_message_cb *on_message, void *userdata,
    const struct mqev_oneshot *how)
{
	struct subscribe_job s = {.subscriptions = subscriptions,
	    .filter_count = filter_count,
	    .callback = on_message,
	    .userdata = userdata};
	int error = mqev_job_begin(&s.job, how);

	if (error != 0)
		return error;
	return run(&s, url, on_message != NULL, pass_on);
}
