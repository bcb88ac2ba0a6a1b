/* The calls of a remote for request and response. */
#include "thread/post.h"

#include "client/options.h"
#include "client/rpc.h"

/* --- request -----------------------------------------------------------------------------------
 */

struct request_post {
	struct mqev_message_post message; /* begins with the post */
	uint32_t timeout_ms;
	mqev_reply_cb *on_reply;
	void *arg;
	const struct mqev_reply *reply; /* the library's, while it is told; NULL: there was none */
};

static void
on_reply(struct mqev_client *c, const struct mqev_reply *reply, void *arg)
{
	struct request_post *p = arg;

	p->reply = reply;
	mqev_post_complete(c, &p->message.post, reply->error);
}

static void
tell_reply(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	const struct request_post *p = arg;
	struct mqev_reply reply = {.error = result->error};

	if (p->reply != NULL)
		reply = *p->reply;
	reply.request = result->op;
	if (p->on_reply != NULL)
		p->on_reply(c, &reply, p->arg);
}

static int64_t
submit_request(struct mqev_client *c, struct mqev_post *post)
{
	const struct request_post *p = (struct request_post *)post;
	int64_t op = mqev_request(c, p->message.message, p->timeout_ms, on_reply, post);

	if (op < 0)
		post->kind->drop(post);
	return op;
}

static const struct mqev_post_kind request_kind = {
    submit_request, mqev_post_drop_message, mqev_post_free_message};

static struct request_post *
new_request(uint32_t timeout_ms, mqev_reply_cb *replied, void *arg)
{
	struct request_post *p = mqev_post_new(sizeof(*p), &request_kind, tell_reply, NULL);

	if (p == NULL)
		return NULL;
	p->message.post.arg = p;
	p->timeout_ms = timeout_ms;
	p->on_reply = replied;
	p->arg = arg;
	return p;
}

int64_t
mqev_remote_request(struct mqev_remote *remote, const struct mqev_message *message,
    uint32_t timeout_ms, mqev_reply_cb *replied, void *arg)
{
	struct mqev_message taken;
	struct request_post *p;
	int error;

	if (remote == NULL || message == NULL)
		return MQEV_ERR_INVALID;
	error = mqev_options_take(&taken, sizeof(taken), message);
	if (error == 0 && !mqev_request_sendable(&taken))
		error = MQEV_ERR_INVALID;
	if (error != 0)
		return error;
	p = new_request(timeout_ms, replied, arg);
	return mqev_post_message(remote, p != NULL ? &p->message : NULL, &taken);
}

/* --- response ----------------------------------------------------------------------------------
 */

int64_t
mqev_remote_respond(struct mqev_remote *remote, const struct mqev_message *request,
    const struct mqev_message *reply, mqev_result_cb *done, void *arg)
{
	struct mqev_response response;
	int64_t result;
	int error;

	if (remote == NULL)
		return MQEV_ERR_INVALID;
	error = mqev_response_make(&response, request, reply);
	if (error != 0)
		return error;
	result = mqev_remote_publish(remote, &response.message, done, arg);
	mqev_response_clear(&response);
	return result;
}
