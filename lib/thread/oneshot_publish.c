/* mqev_publish_single() and mqev_publish_multiple(): messages in their order, as many at a time as
 * may be. */
#include "thread/oneshot.h"

#include "client/options.h"
#include "client/publish.h"

struct publish_job {
	struct mqev_job job;
	const struct mqev_message *messages;
	size_t count;
	size_t next;
	size_t unfinished;
	bool acknowledged; /* the unfinished are of QoS 1 and 2 */
};

static const struct mqev_message *
message_at(const struct publish_job *p, size_t i)
{
	return (const struct mqev_message *)((const char *)p->messages + i * p->messages[0].size);
}

static void on_done(struct mqev_client *c, const struct mqev_result *result, void *arg);

/* True when there may be more. */
static bool
submit_next(struct publish_job *p)
{
	const struct mqev_message *m = message_at(p, p->next);
	int64_t op;

	/* QoS 0 does not wait for the others, so they wait for each other here. */
	if (p->unfinished > 0 && p->acknowledged != (m->qos > 0))
		return false;
	op = mqev_publish(p->job.client, m, on_done, p);
	if (op == MQEV_ERR_QUEUE_FULL && p->unfinished > 0)
		return false;
	if (op < 0) {
		mqev_job_finish(&p->job, (int)op, MQEV_REASON_SUCCESS, mqev_error_text((int)op));
		return false;
	}
	p->acknowledged = m->qos > 0;
	p->unfinished++;
	p->next++;
	return true;
}

static void
submit(struct publish_job *p)
{
	while (!p->job.finished && p->next < p->count && submit_next(p))
		continue;
	if (p->next == p->count && p->unfinished == 0)
		mqev_job_finish(&p->job, 0, MQEV_REASON_SUCCESS, NULL);
}

static void
start(struct mqev_job *job)
{
	submit((struct publish_job *)job);
}

static void
on_done(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	struct publish_job *p = arg;

	(void)c;
	p->unfinished--;
	if (p->job.finished)
		return;
	if (result->error != 0) {
		mqev_job_finish(&p->job, result->error, result->reason,
		    result->error == MQEV_ERR_REFUSED ? mqev_reason_text((int)result->reason)
						      : mqev_error_text(result->error));
		return;
	}
	p->job.report.done++;
	submit(p);
}

/* All of them before anything is sent. */
static int
check_messages(const struct mqev_message *messages, size_t count)
{
	const struct publish_job p = {.messages = messages, .count = count};
	struct mqev_message taken;

	for (size_t i = 0; i < count; i++) {
		int error = mqev_options_take(&taken, sizeof(taken), message_at(&p, i));

		if (error == 0 && !mqev_message_sendable(&taken))
			error = MQEV_ERR_INVALID;
		if (error != 0)
			return error;
	}
	return 0;
}

int
mqev_publish_multiple(const char *url, const struct mqev_message *messages, size_t count,
    const struct mqev_oneshot *how)
{
	struct publish_job p = {.messages = messages, .count = count};
	int error = mqev_job_begin(&p.job, how);

	if (error != 0)
		return error;
	if (url == NULL || messages == NULL || count == 0)
		return mqev_job_refuse(&p.job, MQEV_ERR_INVALID, "no server or no message");
	error = check_messages(messages, count);
	if (error != 0)
		return mqev_job_refuse(&p.job, error, "a message that cannot be published");
	p.job.start = start;
	return mqev_job_run(&p.job, url);
}

int
mqev_publish_single(
    const char *url, const struct mqev_message *message, const struct mqev_oneshot *how)
{
	return mqev_publish_multiple(url, message, 1, how);
}
