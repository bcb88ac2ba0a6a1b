/* The calls of a remote: copies of what they are given, and what the loop's thread does with them.
 * Those about the queue and about requests: post_queue.c, post_request.c. */
#include "thread/post.h"

#include <string.h>

#include <mqev/thread.h>

#include "client/client.h"
#include "client/options.h"
#include "client/publish.h"
#include "core/mem.h"
#include "core/properties.h"
#include "core/topic.h"
#include "net/url.h"

void *
mqev_post_new(size_t size, const struct mqev_post_kind *kind, mqev_result_cb *done, void *arg)
{
	struct mqev_post *post = mqev_calloc(1, size);

	if (post == NULL)
		return NULL;
	post->kind = kind;
	post->done = done;
	post->arg = arg;
	return post;
}

void
mqev_post_nothing(struct mqev_post *post)
{
	(void)post;
}

/* A list or NULL, as given; false: no memory. */
static bool
copy_properties(const struct mqev_properties *given, struct mqev_properties **copy)
{
	*copy = given != NULL ? mqev_properties_copy(given) : NULL;
	return given == NULL || *copy != NULL;
}

/* --- publish -----------------------------------------------------------------------------------
 */

static int64_t
submit_publish(struct mqev_client *c, struct mqev_post *post)
{
	const struct mqev_message *m = ((struct mqev_message_post *)post)->message;
	int64_t op = mqev_publish(c, m, mqev_post_done, post);

	if (op < 0)
		post->kind->drop(post);
	return op;
}

/* The caller was promised that it is released once. */
void
mqev_post_drop_message(struct mqev_post *post)
{
	const struct mqev_message *m = ((struct mqev_message_post *)post)->message;

	if (m->release != NULL)
		m->release(m->release_arg);
}

void
mqev_post_free_message(struct mqev_post *post)
{
	mqev_message_free(((struct mqev_message_post *)post)->message);
}

static const struct mqev_post_kind publish_kind = {
    submit_publish, mqev_post_drop_message, mqev_post_free_message};

static struct mqev_message *
copy_message(const struct mqev_message *m)
{
	struct mqev_message bare = *m;
	struct mqev_message *copy;

	bare.topic_len = 0;
	if (m->release != NULL) {
		bare.payload = NULL;
		bare.payload_len = 0;
	}
	copy = mqev_message_copy(&bare);
	if (copy == NULL || m->release == NULL)
		return copy;
	copy->payload = m->payload;
	copy->payload_len = m->payload_len;
	copy->release = m->release;
	copy->release_arg = m->release_arg;
	return copy;
}

int64_t
mqev_post_message(
    struct mqev_remote *remote, struct mqev_message_post *p, const struct mqev_message *m)
{
	if (p == NULL)
		return MQEV_ERR_NOMEM;
	p->message = copy_message(m);
	if (p->message == NULL) {
		mqev_free(p);
		return MQEV_ERR_NOMEM;
	}
	p->post.limited = true;
	p->post.bytes = sizeof(*p) + p->message->topic_len + m->payload_len +
			mqev_properties_block(m->properties).len;
	return mqev_remote_post(remote, &p->post);
}

int64_t
mqev_remote_publish(
    struct mqev_remote *remote, const struct mqev_message *message, mqev_result_cb *done, void *arg)
{
	struct mqev_message taken;
	int error;

	if (remote == NULL || message == NULL)
		return MQEV_ERR_INVALID;
	error = mqev_options_take(&taken, sizeof(taken), message);
	if (error == 0 && !mqev_message_sendable(&taken))
		error = MQEV_ERR_INVALID;
	if (error != 0)
		return error;
	return mqev_post_message(remote,
	    mqev_post_new(sizeof(struct mqev_message_post), &publish_kind, done, arg), &taken);
}

/* --- subscribe, unsubscribe --------------------------------------------------------------------
 */

struct filters_post {
	struct mqev_post post;
	struct mqev_properties *properties;
	size_t count;
	struct mqev_subscription *subscriptions; /* one of these two, its strings behind it */
	const char **filters;
};

static int64_t
submit_subscribe(struct mqev_client *c, struct mqev_post *post)
{
	const struct filters_post *p = (struct filters_post *)post;

	return mqev_subscribe(c, p->subscriptions, p->count, p->properties, mqev_post_done, post);
}

static int64_t
submit_unsubscribe(struct mqev_client *c, struct mqev_post *post)
{
	const struct filters_post *p = (struct filters_post *)post;

	return mqev_unsubscribe(c, p->filters, p->count, p->properties, mqev_post_done, post);
}

static void
free_filters(struct mqev_post *post)
{
	struct filters_post *p = (struct filters_post *)post;

	mqev_properties_free(p->properties);
	mqev_free(p->subscriptions);
	mqev_free(p->filters);
}

static const struct mqev_post_kind subscribe_kind = {
    submit_subscribe, mqev_post_nothing, free_filters};
static const struct mqev_post_kind unsubscribe_kind = {
    submit_unsubscribe, mqev_post_nothing, free_filters};

static int
take_subscription(const struct mqev_subscription *list, size_t i, struct mqev_subscription *taken)
{
	int error = mqev_options_take(taken, sizeof(*taken), (const char *)list + i * list->size);

	if (error == 0 &&
	    (taken->filter == NULL || !mqev_topic_filter_ok((struct mqev_bytes){
					  (const uint8_t *)taken->filter, strlen(taken->filter)})))
		error = MQEV_ERR_INVALID;
	return error;
}

static int
measure_subscriptions(const struct mqev_subscription *list, size_t count, size_t *size)
{
	struct mqev_subscription taken;
	int error = 0;

	*size = count * sizeof(taken);
	for (size_t i = 0; error == 0 && i < count; i++) {
		error = take_subscription(list, i, &taken);
		if (error == 0)
			*size += strlen(taken.filter) + 1;
	}
	return error;
}

static const char *
put_string(char **at, const char *text)
{
	size_t size = strlen(text) + 1;
	const char *put = memcpy(*at, text, size);

	*at += size;
	return put;
}

static struct mqev_subscription *
copy_subscriptions(const struct mqev_subscription *list, size_t count, size_t size)
{
	struct mqev_subscription *copy = mqev_malloc(size);
	char *at = (char *)copy + count * sizeof(*copy);

	if (copy == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		take_subscription(list, i, &copy[i]);
		copy[i].size = sizeof(*copy);
		copy[i].filter = put_string(&at, copy[i].filter);
	}
	return copy;
}

static const char **
copy_filters(const char *const *filters, size_t count)
{
	size_t size = count * sizeof(*filters);
	const char **copy;
	char *at;

	for (size_t i = 0; i < count; i++)
		size += strlen(filters[i]) + 1;
	copy = mqev_malloc(size);
	if (copy == NULL)
		return NULL;
	at = (char *)(copy + count);
	for (size_t i = 0; i < count; i++)
		copy[i] = put_string(&at, filters[i]);
	return copy;
}

static int64_t
post_filters(struct mqev_remote *remote, struct filters_post *p,
    const struct mqev_properties *properties, bool copied)
{
	if (copied && copy_properties(properties, &p->properties)) {
		p->post.limited = true;
		p->post.bytes = sizeof(*p);
		return mqev_remote_post(remote, &p->post);
	}
	free_filters(&p->post);
	mqev_free(p);
	return MQEV_ERR_NOMEM;
}

int64_t
mqev_remote_subscribe(struct mqev_remote *remote, const struct mqev_subscription *subscriptions,
    size_t count, const struct mqev_properties *properties, mqev_result_cb *done, void *arg)
{
	struct filters_post *p;
	size_t size;
	int error;

	if (remote == NULL || subscriptions == NULL || count == 0 || count > UINT16_MAX ||
	    !mqev_properties_sendable(properties, MQEV_PACKET_SUBSCRIBE))
		return MQEV_ERR_INVALID;
	error = measure_subscriptions(subscriptions, count, &size);
	if (error != 0)
		return error;
	p = mqev_post_new(sizeof(*p), &subscribe_kind, done, arg);
	if (p == NULL)
		return MQEV_ERR_NOMEM;
	p->count = count;
	p->subscriptions = copy_subscriptions(subscriptions, count, size);
	return post_filters(remote, p, properties, p->subscriptions != NULL);
}

static bool
filters_ok(const char *const *filters, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (filters[i] == NULL || !mqev_topic_filter_ok((struct mqev_bytes){
					      (const uint8_t *)filters[i], strlen(filters[i])}))
			return false;
	}
	return true;
}

int64_t
mqev_remote_unsubscribe(struct mqev_remote *remote, const char *const *filters, size_t count,
    const struct mqev_properties *properties, mqev_result_cb *done, void *arg)
{
	struct filters_post *p;

	if (remote == NULL || filters == NULL || count == 0 || count > UINT16_MAX ||
	    !filters_ok(filters, count) ||
	    !mqev_properties_sendable(properties, MQEV_PACKET_UNSUBSCRIBE))
		return MQEV_ERR_INVALID;
	p = mqev_post_new(sizeof(*p), &unsubscribe_kind, done, arg);
	if (p == NULL)
		return MQEV_ERR_NOMEM;
	p->count = count;
	p->filters = copy_filters(filters, count);
	return post_filters(remote, p, properties, p->filters != NULL);
}

/* --- connect, disconnect -----------------------------------------------------------------------
 */

struct connect_post {
	struct mqev_post post;
	char *url;
};

static int64_t
submit_connect(struct mqev_client *c, struct mqev_post *post)
{
	return mqev_connect(c, ((struct connect_post *)post)->url);
}

static void
free_connect(struct mqev_post *post)
{
	mqev_free(((struct connect_post *)post)->url);
}

static const struct mqev_post_kind connect_kind = {submit_connect, mqev_post_nothing, free_connect};

int64_t
mqev_remote_connect(struct mqev_remote *remote, const char *url, mqev_result_cb *done, void *arg)
{
	struct mqev_endpoint_list servers;
	struct connect_post *p;
	int error;

	if (remote == NULL || url == NULL)
		return MQEV_ERR_INVALID;
	error = mqev_url_parse(url, &servers, NULL);
	if (error != 0)
		return error;
	mqev_endpoint_list_free(&servers);
	p = mqev_post_new(sizeof(*p), &connect_kind, done, arg);
	if (p == NULL)
		return MQEV_ERR_NOMEM;
	p->url = mqev_strdup(url);
	if (p->url != NULL)
		return mqev_remote_post(remote, &p->post);
	mqev_free(p);
	return MQEV_ERR_NOMEM;
}

struct disconnect_post {
	struct mqev_post post;
	struct mqev_disconnect_options options;
	struct mqev_properties *properties;
};

static int64_t
submit_disconnect(struct mqev_client *c, struct mqev_post *post)
{
	return mqev_disconnect(c, &((struct disconnect_post *)post)->options);
}

static void
free_disconnect(struct mqev_post *post)
{
	mqev_properties_free(((struct disconnect_post *)post)->properties);
}

static const struct mqev_post_kind disconnect_kind = {
    submit_disconnect, mqev_post_nothing, free_disconnect};

int64_t
mqev_remote_disconnect(struct mqev_remote *remote, const struct mqev_disconnect_options *options,
    mqev_result_cb *done, void *arg)
{
	struct mqev_disconnect_options taken = {.size = sizeof(taken)};
	struct disconnect_post *p;
	int error = remote != NULL ? 0 : MQEV_ERR_INVALID;

	if (error == 0 && options != NULL)
		error = mqev_options_take(&taken, sizeof(taken), options);
	if (error == 0 && !mqev_properties_sendable(taken.properties, MQEV_PACKET_DISCONNECT))
		error = MQEV_ERR_INVALID;
	if (error != 0)
		return error;
	p = mqev_post_new(sizeof(*p), &disconnect_kind, done, arg);
	if (p == NULL)
		return MQEV_ERR_NOMEM;
	if (!copy_properties(taken.properties, &p->properties)) {
		mqev_free(p);
		return MQEV_ERR_NOMEM;
	}
	p->options = taken;
	p->options.size = sizeof(taken);
	p->options.properties = p->properties;
	return mqev_remote_post(remote, &p->post);
}

/* --- any call ----------------------------------------------------------------------------------
 */

struct call_post {
	struct mqev_post post;
	mqev_remote_cb *call;
	void *arg;
};

static int64_t
submit_call(struct mqev_client *c, struct mqev_post *post)
{
	const struct call_post *p = (struct call_post *)post;

	p->call(c, p->arg);
	return 0;
}

static void
drop_call(struct mqev_post *post)
{
	submit_call(NULL, post);
}

static const struct mqev_post_kind call_kind = {submit_call, drop_call, mqev_post_nothing};

int64_t
mqev_remote_call(struct mqev_remote *remote, mqev_remote_cb *call, void *arg)
{
	struct call_post *p;

	if (remote == NULL || call == NULL)
		return MQEV_ERR_INVALID;
	p = mqev_post_new(sizeof(*p), &call_kind, NULL, NULL);
	if (p == NULL)
		return MQEV_ERR_NOMEM;
	p->call = call;
	p->arg = arg;
	return mqev_remote_post(remote, &p->post);
}
