/* The calls of a remote about what was posted before: cancel, clear, drain. */
#include "thread/post.h"

/* --- cancel, clear -----------------------------------------------------------------------------
 */

struct cancel_post {
	struct mqev_post post;
	int64_t op; /* the remote's number */
};

static int64_t
submit_cancel(struct mqev_client *c, struct mqev_post *post)
{
	int64_t op = mqev_remote_op(post->remote, ((const struct cancel_post *)post)->op);

	return op > 0 ? mqev_cancel(c, (uint64_t)op) : op;
}

static const struct mqev_post_kind cancel_kind = {
    submit_cancel, mqev_post_nothing, mqev_post_nothing};

int64_t
mqev_remote_cancel(struct mqev_remote *remote, int64_t op, mqev_result_cb *done, void *arg)
{
	struct cancel_post *p;

	if (remote == NULL || op <= 0)
		return MQEV_ERR_INVALID;
	p = mqev_post_new(sizeof(*p), &cancel_kind, done, arg);
	if (p == NULL)
		return MQEV_ERR_NOMEM;
	p->op = op;
	return mqev_remote_post(remote, &p->post);
}

struct clear_post {
	struct mqev_post post;
	enum mqev_queue_clear which;
};

static int64_t
submit_clear(struct mqev_client *c, struct mqev_post *post)
{
	mqev_queue_clear(c, ((const struct clear_post *)post)->which);
	return 0;
}

static const struct mqev_post_kind clear_kind = {
    submit_clear, mqev_post_nothing, mqev_post_nothing};

int64_t
mqev_remote_queue_clear(
    struct mqev_remote *remote, enum mqev_queue_clear which, mqev_result_cb *done, void *arg)
{
	struct clear_post *p;

	if (remote == NULL || (which != MQEV_QUEUE_CLEAR_ALL && which != MQEV_QUEUE_CLEAR_QOS0))
		return MQEV_ERR_INVALID;
	p = mqev_post_new(sizeof(*p), &clear_kind, done, arg);
	if (p == NULL)
		return MQEV_ERR_NOMEM;
	p->which = which;
	return mqev_remote_post(remote, &p->post);
}

/* --- drain -------------------------------------------------------------------------------------
 */

struct drain_post {
	struct mqev_post post;
	uint32_t deadline_ms;
	mqev_drain_cb *done;
	void *arg;
	struct mqev_drain_report report;
};

static void
on_drained(struct mqev_client *c, const struct mqev_drain_report *report, void *arg)
{
	struct drain_post *p = arg;

	p->report = *report;
	mqev_post_complete(c, &p->post, report->error);
}

/* Also when it was not begun: then the report has nothing but the error. */
static void
tell_drained(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	struct drain_post *p = arg;

	p->report.error = result->error;
	if (p->done != NULL)
		p->done(c, &p->report, p->arg);
}

static int64_t
submit_drain(struct mqev_client *c, struct mqev_post *post)
{
	int error = mqev_drain(c, ((struct drain_post *)post)->deadline_ms, on_drained, post);

	return error == 0 ? MQEV_POST_GOES_ON : error;
}

static const struct mqev_post_kind drain_kind = {
    submit_drain, mqev_post_nothing, mqev_post_nothing};

int64_t
mqev_remote_drain(struct mqev_remote *remote, uint32_t deadline_ms, mqev_drain_cb *done, void *arg)
{
	struct drain_post *p;

	if (remote == NULL)
		return MQEV_ERR_INVALID;
	p = mqev_post_new(sizeof(*p), &drain_kind, tell_drained, NULL);
	if (p == NULL)
		return MQEV_ERR_NOMEM;
	p->post.arg = p;
	p->deadline_ms = deadline_ms;
	p->done = done;
	p->arg = arg;
	return mqev_remote_post(remote, &p->post);
}
