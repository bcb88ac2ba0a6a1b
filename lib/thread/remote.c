/* The remote's life; posting, running and completing posts; waiting for them. What posts hold:
 * post.c. */
#include "thread/remote.h"

#include "client/client.h"
#include "core/mem.h"
#include "core/properties.h"
#include "port/port.h"
#include "thread/front.h"

/* --- life --------------------------------------------------------------------------------------
 */

static void
join_front(struct mqev_front *front, struct mqev_remote *remote)
{
	mqev_front_ref(front);
	pthread_mutex_lock(&front->lock);
	remote->front = front;
	remote->next = front->remotes;
	remote->at = &front->remotes;
	if (remote->next != NULL)
		remote->next->at = &remote->next;
	front->remotes = remote;
	pthread_mutex_unlock(&front->lock);
}

static void
leave_front(struct mqev_remote *remote)
{
	struct mqev_front *front = remote->front;

	pthread_mutex_lock(&front->lock);
	*remote->at = remote->next;
	if (remote->next != NULL)
		remote->next->at = remote->at;
	pthread_mutex_unlock(&front->lock);
	mqev_front_unref(front);
}

static bool
init_lock(struct mqev_remote *remote)
{
	if (pthread_mutex_init(&remote->lock, NULL) != 0)
		return false;
	if (mqev_cond_init(&remote->ended))
		return true;
	pthread_mutex_destroy(&remote->lock);
	return false;
}

static struct mqev_remote *
remote_new(struct mqev_front *front, struct mqev_client *c)
{
	struct mqev_remote *remote = mqev_calloc(1, sizeof(*remote));

	if (remote == NULL)
		return NULL;
	if (!init_lock(remote)) {
		mqev_free(remote);
		return NULL;
	}
	atomic_init(&remote->refs, 1);
	remote->client = c;
	remote->max = c->config->session.queue.max;
	mqev_part_add(&c->parts, &remote->part, MQEV_PART_REMOTE);
	join_front(front, remote);
	return remote;
}

struct mqev_remote *
mqev_remote_new(struct mqev_client *c)
{
	struct mqev_remote *remote;
	struct mqev_front *front;

	if (c == NULL || c->freed)
		return NULL;
	front = mqev_front_of(c->fleet);
	if (front == NULL)
		return NULL;
	remote = mqev_part_find(c->parts, MQEV_PART_REMOTE);
	if (remote == NULL)
		remote = remote_new(front, c);
	return mqev_remote_ref(remote);
}

struct mqev_remote *
mqev_remote_ref(struct mqev_remote *remote)
{
	if (remote != NULL)
		atomic_fetch_add_explicit(&remote->refs, 1, memory_order_relaxed);
	return remote;
}

void
mqev_remote_free(struct mqev_remote *remote)
{
	if (remote == NULL || atomic_fetch_sub_explicit(&remote->refs, 1, memory_order_acq_rel) > 1)
		return;
	leave_front(remote);
	mqev_ended_free(&remote->ops);
	pthread_cond_destroy(&remote->ended);
	pthread_mutex_destroy(&remote->lock);
	mqev_free(remote);
}

void
mqev_remote_renew_lock(struct mqev_remote *remote)
{
	init_lock(remote);
	remote->waiters = 0;
}

/* --- posting -----------------------------------------------------------------------------------
 */

static void
post_free(struct mqev_post *post)
{
	struct mqev_remote *remote = post->remote;

	post->kind->free_body(post);
	mqev_free(post);
	mqev_remote_free(remote);
}

static int
may_post(const struct mqev_remote *remote, const struct mqev_post *post)
{
	if (remote->closed)
		return MQEV_ERR_CANCELED;
	if (post->limited && !mqev_load_fits(remote->waiting, remote->max, post->bytes))
		return MQEV_ERR_QUEUE_FULL;
	return 0;
}

static int64_t
accept_post(struct mqev_remote *remote, struct mqev_post *post)
{
	int error = may_post(remote, post);

	if (error != 0)
		return error;
	if (!mqev_ended_add(&remote->ops, post))
		return MQEV_ERR_NOMEM;
	if (post->limited)
		mqev_load_add(&remote->waiting, post->bytes);
	return (int64_t)post->number;
}

/* Under the lock, so that the numbers of a client are in the order of its posts, and none comes
 * after it is closed. */
int64_t
mqev_remote_post(struct mqev_remote *remote, struct mqev_post *post)
{
	int64_t result;

	post->remote = mqev_remote_ref(remote);
	pthread_mutex_lock(&remote->lock);
	result = accept_post(remote, post);
	if (result > 0)
		mqev_front_post(remote->front, post);
	pthread_mutex_unlock(&remote->lock);
	if (result < 0)
		post_free(post);
	return result;
}

/* --- completing --------------------------------------------------------------------------------
 */

static void
end_post(struct mqev_post *post, int error)
{
	struct mqev_remote *remote = post->remote;

	pthread_mutex_lock(&remote->lock);
	mqev_ended_set(&remote->ops, post, error);
	if (remote->waiters > 0)
		pthread_cond_broadcast(&remote->ended);
	pthread_mutex_unlock(&remote->lock);
	post_free(post);
}

/* The application's completion first: who waits until it is over may rely on that. */
static void
complete(struct mqev_client *c, struct mqev_post *post, const struct mqev_result *result)
{
	struct mqev_result own = *result;

	own.op = post->number;
	if (post->done != NULL)
		post->done(c, &own, post->arg);
	end_post(post, result->error);
}

void
mqev_post_done(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	complete(c, arg, result);
}

void
mqev_post_complete(struct mqev_client *c, struct mqev_post *post, int error)
{
	const struct mqev_properties none = mqev_properties_view((struct mqev_bytes){NULL, 0});
	struct mqev_result result = {.error = error, .properties = &none};

	complete(c, post, &result);
}

/* Here the limits are looked up, too: the application may have set others. */
static void
no_longer_waits(struct mqev_remote *remote, const struct mqev_post *post)
{
	pthread_mutex_lock(&remote->lock);
	remote->max = remote->client->config->session.queue.max;
	if (post->limited)
		mqev_load_subtract(&remote->waiting, post->bytes);
	pthread_mutex_unlock(&remote->lock);
}

void
mqev_post_run(struct mqev_post *post)
{
	struct mqev_client *c = post->remote->client;
	int64_t result;

	mqev_client_enter(c);
	no_longer_waits(post->remote, post);
	result = post->kind->submit(c, post);
	if (result > 0)
		post->op = result;
	else
		mqev_post_complete(c, post, (int)result);
	mqev_client_leave(c);
}

int64_t
mqev_remote_op(struct mqev_remote *remote, int64_t number)
{
	const struct mqev_post *post;
	int64_t op;

	pthread_mutex_lock(&remote->lock);
	post = mqev_ended_find(&remote->ops, number);
	op = post != NULL ? post->op : 0;
	pthread_mutex_unlock(&remote->lock);
	if (op == 0)
		return MQEV_ERR_NOT_FOUND;
	return op != MQEV_POST_GOES_ON ? op : MQEV_ERR_STATE;
}

void
mqev_remote_close(struct mqev_remote *remote)
{
	pthread_mutex_lock(&remote->lock);
	remote->closed = true;
	pthread_mutex_unlock(&remote->lock);
	remote->client = NULL;
}

void
mqev_remote_finish_all(struct mqev_client *c, struct mqev_post *posts)
{
	while (posts != NULL) {
		struct mqev_post *post = posts;

		posts = post->next;
		post->kind->drop(post);
		mqev_post_complete(c, post, MQEV_ERR_CANCELED);
	}
}

/* --- waiting -----------------------------------------------------------------------------------
 */

void
mqev_remote_wake_waiters(struct mqev_remote *remote)
{
	pthread_mutex_lock(&remote->lock);
	if (remote->waiters > 0)
		pthread_cond_broadcast(&remote->ended);
	pthread_mutex_unlock(&remote->lock);
}

int
mqev_is_published(struct mqev_remote *remote, int64_t op)
{
	int answer;

	if (remote == NULL)
		return MQEV_ERR_INVALID;
	pthread_mutex_lock(&remote->lock);
	answer = mqev_ended_ask(&remote->ops, op);
	pthread_mutex_unlock(&remote->lock);
	return answer;
}

/* Nobody would finish anything while this thread waits, or since no loop runs. */
static bool
hopeless(struct mqev_front *front)
{
	return atomic_load(&front->drive) == MQEV_DRIVE_STOPPED ||
	       pthread_equal(atomic_load(&front->loop_thread), pthread_self());
}

static int
wait_for(struct mqev_remote *remote, int64_t op, uint64_t then_ms)
{
	int answer;

	while ((answer = mqev_ended_ask(&remote->ops, op)) == 0) {
		if (hopeless(remote->front))
			return MQEV_ERR_STATE;
		if (!mqev_cond_wait_until(&remote->ended, &remote->lock, then_ms))
			return mqev_ended_ask(&remote->ops, op);
	}
	return answer;
}

int
mqev_wait_published(struct mqev_remote *remote, int64_t op, uint32_t timeout_ms)
{
	int answer;

	if (remote == NULL)
		return MQEV_ERR_INVALID;
	pthread_mutex_lock(&remote->lock);
	remote->waiters++;
	answer = wait_for(remote, op, mqev_port_now_ms() + timeout_ms);
	remote->waiters--;
	pthread_mutex_unlock(&remote->lock);
	return answer;
}
