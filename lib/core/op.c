/* Making, counting references to and listing operations. What they wait for is the session's
 * business. */
#include "core/op.h"

#include <string.h>

#include "core/mem.h"

static uint8_t *
append(uint8_t *at, struct mqev_bytes part)
{
	if (part.len > 0)
		memcpy(at, part.data, part.len);
	return at + part.len;
}

static void
fill(struct mqev_op *op, const struct mqev_op_parts *parts)
{
	uint8_t *at = append(op->bytes, parts->topic);

	at = append(at, parts->properties);
	op->head = op->bytes;
	op->payload = parts->payload.data;
	if (parts->release == NULL) {
		op->payload = at;
		append(at, parts->payload);
	}
	op->topic_len = (uint16_t)parts->topic.len;
	op->properties_len = (uint32_t)parts->properties.len;
	op->payload_len = (uint32_t)parts->payload.len;
}

static size_t
copied_size(const struct mqev_op_parts *parts)
{
	size_t size = parts->topic.len + parts->properties.len;

	return parts->release == NULL ? size + parts->payload.len : size;
}

size_t
mqev_op_cost(const struct mqev_op_parts *parts)
{
	return mqev_mem_cost(sizeof(struct mqev_op) + copied_size(parts));
}

struct mqev_op *
mqev_op_new(const struct mqev_op_parts *parts)
{
	size_t size = sizeof(struct mqev_op) + copied_size(parts);
	struct mqev_op *op = mqev_malloc(size);

	if (op == NULL)
		return NULL;
	memset(op, 0, sizeof(*op));
	op->refs = 1;
	op->type = (uint8_t)parts->type;
	op->expiry_at = MQEV_OP_NO_EXPIRY;
	op->cost = (uint32_t)mqev_mem_cost(size);
	op->release = parts->release;
	op->release_arg = parts->release_arg;
	op->subscription_id = parts->subscription_id;
	op->done = parts->done;
	op->arg = parts->arg;
	fill(op, parts);
	return op;
}

/* What was loaded from a store. */
static void
free_block(struct mqev_op *op)
{
	if (op->head != op->bytes)
		mqev_free((void *)(uintptr_t)op->head);
}

struct mqev_op *
mqev_op_shrink(struct mqev_op *op)
{
	struct mqev_op *small;

	/* A link may still refer to its payload. */
	if (op->refs > 1)
		return op;
	free_block(op);
	if (op->release == NULL)
		op->payload = NULL;
	op->head = NULL;
	op->topic_len = 0;
	op->properties_len = 0;
	small = mqev_realloc(op, sizeof(*op));
	if (small == NULL)
		return op;
	small->cost = (uint32_t)mqev_mem_cost(sizeof(*op));
	return small;
}

bool
mqev_op_keep_said(struct mqev_op *op, uint8_t reason, struct mqev_bytes properties)
{
	struct mqev_op_said *said = NULL;

	if (reason != 0 || properties.len > 0) {
		said = mqev_malloc(sizeof(*said) + properties.len);
		if (said == NULL)
			return false;
		said->reason = reason;
		said->len = (uint32_t)properties.len;
		append(said->properties, properties);
	}
	mqev_free(op->said);
	op->said = said;
	return true;
}

void
mqev_op_ref(struct mqev_op *op)
{
	op->refs++;
}

void
mqev_op_unref(struct mqev_op *op)
{
	if (--op->refs > 0)
		return;
	mqev_free(op->said);
	free_block(op);
	if (op->release != NULL)
		op->release(op->release_arg);
	mqev_free(op);
}

#define LINK_APPEND(list, op, link)                     \
	do {                                            \
		(op)->link.next = NULL;                 \
		(op)->link.prev = (list)->tail;         \
		if ((list)->tail != NULL)               \
			(list)->tail->link.next = (op); \
		else                                    \
			(list)->head = (op);            \
		(list)->tail = (op);                    \
	} while (0)

#define LINK_REMOVE(list, op, link)                                   \
	do {                                                          \
		if ((op)->link.prev != NULL)                          \
			(op)->link.prev->link.next = (op)->link.next; \
		else                                                  \
			(list)->head = (op)->link.next;               \
		if ((op)->link.next != NULL)                          \
			(op)->link.next->link.prev = (op)->link.prev; \
		else                                                  \
			(list)->tail = (op)->link.prev;               \
		(op)->link.next = (op)->link.prev = NULL;             \
	} while (0)

void
mqev_op_queue_append(struct mqev_op_queue *queue, struct mqev_op *op)
{
	LINK_APPEND(queue, op, queue);
}

void
mqev_op_queue_remove(struct mqev_op_queue *queue, struct mqev_op *op)
{
	LINK_REMOVE(queue, op, queue);
}

void
mqev_op_wait_append(struct mqev_op_queue *waiting, struct mqev_op *op)
{
	LINK_APPEND(waiting, op, wait);
}

void
mqev_op_wait_remove(struct mqev_op_queue *waiting, struct mqev_op *op)
{
	LINK_REMOVE(waiting, op, wait);
}
