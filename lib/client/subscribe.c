/* mqev_subscribe() and mqev_unsubscribe(): checks, and the filters as they stand in the packet. */
#include <string.h>

#include "client/client.h"
#include "client/options.h"
#include "client/subscriptions.h"
#include "core/mem.h"
#include "core/topic.h"
#include "port/port.h"

/* The filters of one packet in the form they have there. */
struct filters {
	uint8_t *data;
	size_t size;
	struct mqev_writer w;
	size_t count;
	uint32_t own_id;   /* a Subscription Identifier that the library adds, 0: none */
	uint32_t entry_id; /* the one by which messages are told apart: the own one or the
			      application's */
	uint8_t flags;
};

static struct mqev_bytes
bytes_of(const char *text)
{
	return (struct mqev_bytes){(const uint8_t *)text, strlen(text)};
}

static bool
filter_ok(const char *filter)
{
	return filter != NULL && mqev_topic_filter_ok(bytes_of(filter));
}

static bool
begin_filters(struct filters *f, size_t size, size_t count)
{
	memset(f, 0, sizeof(*f));
	f->count = count;
	f->size = size;
	f->data = mqev_malloc(size);
	if (f->data != NULL)
		mqev_writer_init(&f->w, f->data, size);
	return f->data != NULL;
}

static int64_t
submit(struct mqev_client *c, enum mqev_packet_type type, const struct filters *f,
    const struct mqev_properties *properties, mqev_result_cb *done, void *arg)
{
	struct mqev_op_parts parts = {
	    .type = type,
	    .properties = mqev_properties_block(properties),
	    .payload = {f->data, f->size},
	    .done = (mqev_op_done)done,
	    .arg = arg,
	    .subscription_id = f->own_id,
	};

	return mqev_session_subscribe(&c->session, &parts, f->count, f->flags, mqev_port_now_ms());
}

static bool
call_valid(const struct mqev_client *c, const void *list, size_t count,
    const struct mqev_properties *properties, enum mqev_packet_type type)
{
	return c != NULL && list != NULL && count > 0 && count <= UINT16_MAX &&
	       mqev_properties_sendable(properties, type);
}

/* --- subscribe ---------------------------------------------------------------------------------
 */

/* Elements of the caller's array are as far apart as the first one says. */
static int
take_subscription(const struct mqev_subscription *list, size_t i, struct mqev_subscription *taken)
{
	const char *at = (const char *)list + i * list->size;
	int error = mqev_options_take(taken, sizeof(*taken), at);

	if (error != 0)
		return error;
	if (!filter_ok(taken->filter) || taken->qos < 0 || taken->qos > 2 ||
	    (int)taken->retain_handling < 0 || taken->retain_handling > MQEV_RETAIN_DO_NOT_SEND)
		return MQEV_ERR_INVALID;
	/* [MQTT-3.8.3-4] */
	if (taken->no_local && mqev_topic_filter_shared(bytes_of(taken->filter), NULL))
		return MQEV_ERR_INVALID;
	return 0;
}

static int
check_subscriptions(const struct mqev_subscription *list, size_t count, size_t *size)
{
	struct mqev_subscription taken;

	*size = 0;
	for (size_t i = 0; i < count; i++) {
		int error = take_subscription(list, i, &taken);

		if (error != 0)
			return error;
		*size += 2 + strlen(taken.filter) + 1;
	}
	return *size <= MQEV_VARINT_MAX / 2 ? 0 : MQEV_ERR_INVALID;
}

static uint8_t
options_byte(const struct mqev_subscription *s)
{
	return (uint8_t)(s->qos | (s->no_local ? 4 : 0) | (s->retain_as_published ? 8 : 0) |
			 ((int)s->retain_handling << 4));
}

static void
write_subscription(struct filters *f, const struct mqev_subscription *s)
{
	mqev_write_binary(&f->w, bytes_of(s->filter));
	mqev_write_u8(&f->w, options_byte(s));
	f->flags |= mqev_filter_flags(bytes_of(s->filter));
}

static void
write_subscriptions(struct filters *f, const struct mqev_subscription *list, size_t count)
{
	struct mqev_subscription taken;

	for (size_t i = 0; i < count; i++) {
		take_subscription(list, i, &taken);
		write_subscription(f, &taken);
	}
}

static bool
has_callback(const struct mqev_subscription *list, size_t count)
{
	struct mqev_subscription taken;

	for (size_t i = 0; i < count; i++) {
		take_subscription(list, i, &taken);
		if (taken.on_message != NULL)
			return true;
	}
	return false;
}

static uint32_t
next_identifier(const struct mqev_client *c)
{
	struct mqev_subscriptions *s = c->subscriptions;

	s->last_id = s->last_id % MQEV_VARINT_MAX + 1;
	return s->last_id;
}

/* With an identifier each of several overlapping subscriptions gets its own copy of a message,
 * once.
 */
static void
choose_identifier(const struct mqev_client *c, struct filters *f,
    const struct mqev_subscription *list, const struct mqev_properties *properties)
{
	f->entry_id = mqev_properties_integer(properties, MQEV_PROP_SUBSCRIPTION_IDENTIFIER, 0);
	if (f->entry_id != 0)
		f->flags |= MQEV_OP_IDENTIFIER;
	else if (c->session.version == MQEV_V5 && has_callback(list, f->count))
		f->own_id = f->entry_id = next_identifier(c);
}

/* The filters reserved so far, in reverse. */
static void
unreserve(struct mqev_client *c, const struct mqev_subscription *list, size_t count)
{
	struct mqev_subscription taken;

	while (count-- > 0) {
		take_subscription(list, count, &taken);
		mqev_subscriptions_unreserve(c, bytes_of(taken.filter));
	}
}

static int
reserve(struct mqev_client *c, const struct mqev_subscription *list, size_t count)
{
	struct mqev_subscription taken;

	for (size_t i = 0; i < count; i++) {
		take_subscription(list, i, &taken);
		if (mqev_subscriptions_reserve(c, bytes_of(taken.filter)))
			continue;
		unreserve(c, list, i);
		return MQEV_ERR_NOMEM;
	}
	return 0;
}

static void
set_all(struct mqev_client *c, const struct mqev_subscription *list, const struct filters *f,
    uint64_t number)
{
	struct mqev_subscription taken;

	for (size_t i = 0; i < f->count; i++) {
		take_subscription(list, i, &taken);
		mqev_subscriptions_set(c, &taken, options_byte(&taken), number, f->entry_id);
	}
}

/* The table first and the packet then, so that neither is without the other when memory runs out.
 */
static int64_t
subscribe_to(struct mqev_client *c, const struct mqev_subscription *list, struct filters *f,
    const struct mqev_properties *properties, mqev_result_cb *done, void *arg)
{
	int64_t result = reserve(c, list, f->count);

	if (result != 0)
		return result;
	choose_identifier(c, f, list, properties);
	result = submit(c, MQEV_PACKET_SUBSCRIBE, f, properties, done, arg);
	if (result > 0)
		set_all(c, list, f, (uint64_t)result);
	else
		unreserve(c, list, f->count);
	return result;
}

int64_t
mqev_subscribe(struct mqev_client *c, const struct mqev_subscription *list, size_t count,
    const struct mqev_properties *properties, mqev_result_cb *done, void *arg)
{
	struct filters f;
	int64_t result;
	size_t size;
	int error;

	if (!call_valid(c, list, count, properties, MQEV_PACKET_SUBSCRIBE))
		return MQEV_ERR_INVALID;
	error = check_subscriptions(list, count, &size);
	if (error != 0)
		return error;
	if (c->freed)
		return MQEV_ERR_STATE;
	if (!begin_filters(&f, size, count))
		return MQEV_ERR_NOMEM;
	write_subscriptions(&f, list, count);
	result = subscribe_to(c, list, &f, properties, done, arg);
	mqev_free(f.data);
	return result;
}

/* --- unsubscribe -------------------------------------------------------------------------------
 */

static bool
filters_size(const char *const *filters, size_t count, size_t *size)
{
	*size = 0;
	for (size_t i = 0; i < count; i++) {
		if (!filter_ok(filters[i]))
			return false;
		*size += 2 + strlen(filters[i]);
	}
	return *size <= MQEV_VARINT_MAX / 2;
}

int64_t
mqev_unsubscribe(struct mqev_client *c, const char *const *filters, size_t count,
    const struct mqev_properties *properties, mqev_result_cb *done, void *arg)
{
	struct filters f;
	int64_t result;
	size_t size;

	if (!call_valid(c, filters, count, properties, MQEV_PACKET_UNSUBSCRIBE) ||
	    !filters_size(filters, count, &size))
		return MQEV_ERR_INVALID;
	if (c->freed)
		return MQEV_ERR_STATE;
	if (!begin_filters(&f, size, count))
		return MQEV_ERR_NOMEM;
	for (size_t i = 0; i < count; i++)
		mqev_write_binary(&f.w, bytes_of(filters[i]));
	result = submit(c, MQEV_PACKET_UNSUBSCRIBE, &f, properties, done, arg);
	mqev_free(f.data);
	for (size_t i = 0; result > 0 && i < count; i++)
		mqev_subscriptions_remove(c, bytes_of(filters[i]));
	return result;
}
