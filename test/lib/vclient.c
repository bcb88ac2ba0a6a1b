/* The session without a network. What it should do is not known here. */
#include "lib/vclient.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/packet_print.h"

/* --- growable bytes -------------------------------------------------------------------------- */

void
vbuf_put(struct vbuf *b, const void *data, size_t len)
{
	if (b->cap - b->len < len) {
		size_t cap = (b->len + len) * 2;
		uint8_t *grown = realloc(b->data, cap);

		if (grown == NULL)
			abort();
		b->data = grown;
		b->cap = cap;
	}
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
}

void
vbuf_printf(struct vbuf *b, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line))
		abort();
	vbuf_put(b, line, (size_t)n);
}

void
vbuf_free(struct vbuf *b)
{
	free(b->data);
	*b = (struct vbuf){0};
}

static void
put_hex(struct vbuf *b, const uint8_t *data, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len; i++) {
		const char text[] = {' ', digits[data[i] >> 4], digits[data[i] & 15]};

		vbuf_put(b, text, sizeof(text));
	}
}

static void
put_block(struct vbuf *b, struct mqev_bytes block)
{
	if (block.len == 0)
		return;
	vbuf_put(b, " [", 2);
	for (size_t i = 0; i < block.len; i++)
		vbuf_printf(b, i == 0 ? "%02X" : " %02X", block.data[i]);
	vbuf_put(b, "]", 1);
}

void
vclient_break(struct vclient *v, const char *fmt, ...)
{
	va_list ap;

	if (v->broken[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(v->broken, sizeof(v->broken), fmt, ap);
	va_end(ap);
}

/* --- the sink -------------------------------------------------------------------------------- */

static bool
sink_grow(struct mqev_sink *base, void *owner, size_t n)
{
	struct vsink *sink = (struct vsink *)base;
	size_t used = (size_t)(base->at - sink->data);
	size_t cap = sink->exact ? used + n : (used + n) * 2 + 256;
	uint8_t *grown = mqev_realloc(sink->data, cap);

	if (grown == NULL)
		return false;
	sink->data = grown;
	base->owner = owner;
	base->at = grown + used;
	base->end = grown + cap;
	return true;
}

static bool
sink_lend(struct mqev_sink *base, void *owner, struct mqev_op *op, const uint8_t *data, size_t len)
{
	struct vsink *sink = (struct vsink *)base;
	uint8_t *at = mqev_sink_reserve(base, owner, len);
	struct mqev_op **lent;

	if (at == NULL)
		return false;
	memcpy(at, data, len);
	mqev_sink_commit(base, len);
	lent = realloc(sink->lent, (sink->lent_count + 1) * sizeof(*lent));
	if (lent == NULL)
		abort();
	sink->lent = lent;
	lent[sink->lent_count++] = op;
	mqev_op_ref(op);
	return true;
}

static const struct mqev_sink_methods sink_methods = {sink_grow, sink_lend};

static void
sink_give_back(struct vsink *sink)
{
	while (sink->lent_count > 0)
		mqev_op_unref(sink->lent[--sink->lent_count]);
}

static void
sink_free(struct vsink *sink)
{
	sink_give_back(sink);
	free(sink->lent);
	mqev_free(sink->data);
	*sink = (struct vsink){
	    .base.methods = &sink_methods, .base.events = sink->base.events, .exact = sink->exact};
}

void
vclient_flush_record(struct vclient *v)
{
	struct vsink *sink = &v->sink;
	size_t len = sink->data != NULL ? (size_t)(sink->base.at - sink->data) : 0;

	if (v->no_record)
		v->record.len = 0;
	else if (len > sink->recorded && !v->only_events) {
		/* One line until something happens in between, however often this is called. */
		if (v->writing == v->record.len && v->checked < v->record.len)
			v->record.len--;
		else
			vbuf_put(&v->record, ">", 1);
		put_hex(&v->record, sink->data + sink->recorded, len - sink->recorded);
		vbuf_put(&v->record, "\n", 1);
		v->writing = v->record.len;
	}
	sink->recorded = len;
}

/* --- events ---------------------------------------------------------------------------------- */

static const char *
error_name(int error)
{
	static const char *const names[] = {"ok", "INVALID", "NOMEM", "STATE", "UNSUPPORTED",
	    "NOT_FOUND", "QUEUE_FULL", "CANCELED", "REFUSED", "SESSION_LOST", "EXPIRED", "TIMEOUT",
	    "LOST", "RESOLVE", "SYSTEM", "TLS", "PROXY", "WEBSOCKET", "MALFORMED", "PROTOCOL",
	    "KEEPALIVE", "DISCONNECTED", "TOO_LARGE", "QOS", "RETAIN", "WILDCARD", "SHARED",
	    "SUBSCRIPTION_ID", "AUTH", "STORE", "STORE_FULL", "STORE_DAMAGED", "STORE_VERSION",
	    "STORE_BUSY", "STORE_ACCESS", "DROPPED"};

	if (error == MQEV_KEPT)
		return "KEPT";
	if (error > 0 || -error >= (int)(sizeof(names) / sizeof(names[0])))
		return "?";
	return names[-error];
}

static void
after_event(struct vclient *v, enum vevent event)
{
	if (v->hook == NULL)
		return;
	v->hook_depth++;
	v->hook(v, event);
	v->hook_depth--;
}

static void
record_end(struct vclient *v)
{
	vclient_flush_record(v);
	if (v->s.state != MQEV_SESSION_ENDED) {
		v->ended = false;
		return;
	}
	if (v->ended)
		return;
	v->ended = true;
	vbuf_printf(&v->record, "end %s %02X%s\n", error_name(v->s.end.error), v->s.end.reason,
	    v->s.end.from_server ? " from server" : "");
	if (v->s.end.text == NULL)
		vclient_break(v, "an end without a text");
}

static void
on_connack(void *owner, const struct mqev_connack_packet *packet)
{
	struct vclient *v = owner;

	vclient_flush_record(v);
	vbuf_printf(&v->record, "connack %d %02X", packet->session_present, packet->code);
	put_block(&v->record, packet->properties);
	vbuf_put(&v->record, "\n", 1);
	if ((packet->reason >= 0x80) != (v->s.state == MQEV_SESSION_ENDED))
		vclient_break(v, "CONNACK %02X in state %d", packet->reason, v->s.state);
	v->connack = packet;
	after_event(v, V_CONNACK);
}

static void
on_disconnect(void *owner, const struct mqev_reason_packet *packet)
{
	struct vclient *v = owner;

	vclient_flush_record(v);
	vbuf_printf(&v->record, "disconnect %02X", packet->reason);
	put_block(&v->record, packet->properties);
	vbuf_put(&v->record, "\n", 1);
	if (v->s.state != MQEV_SESSION_ENDED)
		vclient_break(v, "DISCONNECT event in state %d", v->s.state);
	after_event(v, V_DISCONNECT);
}

static void
record_text(struct vbuf *b, const uint8_t *text, size_t len)
{
	if (len > 40) {
		vbuf_printf(b, "(%zu bytes)", len);
		return;
	}
	for (size_t i = 0; i < len; i++)
		vbuf_printf(b, text[i] < ' ' || text[i] > '~' ? "\\x%02X" : "%c", text[i]);
}

static void
check_message(struct vclient *v, const struct mqev_message *m)
{
	if (m->topic[m->topic_len] != '\0')
		vclient_break(v, "a topic without NUL");
	if (strlen(m->topic) != m->topic_len && memchr(m->topic, 0, m->topic_len) == NULL)
		vclient_break(v, "topic_len %zu of %s", m->topic_len, m->topic);
	if (m->received_ms != v->now && m->token == 0)
		vclient_break(v, "received_ms is not the time of receipt");
	if ((m->qos == 0) != (m->mid == 0) && m->token == 0)
		vclient_break(v, "identifier %u at QoS %d", m->mid, m->qos);
}

static bool
on_message(void *owner, const struct mqev_message *m)
{
	struct vclient *v = owner;
	struct mqev_bytes block = mqev_properties_block(m->properties);

	vclient_flush_record(v);
	vbuf_printf(&v->record, "message ");
	record_text(&v->record, (const uint8_t *)m->topic, m->topic_len);
	vbuf_printf(
	    &v->record, " %d%s%s", m->qos, m->retain ? " retain" : "", m->dup ? " dup" : "");
	if (m->payload_len > 0)
		vbuf_put(&v->record, " ", 1);
	record_text(&v->record, m->payload, m->payload_len);
	put_block(&v->record, block);
	if (m->token != 0)
		vbuf_printf(&v->record, " =%u", (unsigned)m->token);
	vbuf_put(&v->record, "\n", 1);
	check_message(v, m);
	if (v->hold && v->held_count < (int)(sizeof(v->held) / sizeof(v->held[0]))) {
		v->held[v->held_count] = mqev_message_hold(m);
		v->held_count += v->held[v->held_count] != NULL;
	}
	v->message = m;
	after_event(v, V_MESSAGE);
	return !v->deaf;
}

static void
on_ack_overdue(void *owner, const struct mqev_op *op)
{
	struct vclient *v = owner;

	vclient_flush_record(v);
	vbuf_printf(&v->record, "late %u #%u\n", (unsigned)op->number, op->mid);
	v->late = op;
	after_event(v, V_LATE);
}

static void
on_unreadable(void *owner, uint64_t token, int error)
{
	struct vclient *v = owner;

	vclient_flush_record(v);
	vbuf_printf(&v->record, "unreadable =%u %d\n", (unsigned)token, error);
}

static void
on_hold_overdue(void *owner, uint8_t qos, uint16_t mid, uint64_t held_ms)
{
	struct vclient *v = owner;

	vclient_flush_record(v);
	vbuf_printf(&v->record, "overdue #%u %u %ums\n", mid, qos, (unsigned)held_ms);
	after_event(v, V_OVERDUE);
}

static void
check_completion(struct vclient *v, uint64_t number)
{
	if (number >= V_OPS)
		return;
	if (v->op[number] == V_DONE)
		vclient_break(v, "operation %u completed twice", (unsigned)number);
	if (v->op[number] == V_NONE)
		vclient_break(v, "operation %u completed before it was accepted", (unsigned)number);
	v->op[number] = V_DONE;
}

/* Inside a call that submits nothing can be accepted. */
static void
on_durable(void *owner, const struct mqev_op *op)
{
	struct vclient *v = owner;

	vclient_flush_record(v);
	vbuf_printf(&v->record, "accepted %u\n", (unsigned)op->number);
	if (v->submitting)
		vclient_break(v, "accepted inside a call of the application");
	v->done = op;
	after_event(v, V_DURABLE);
}

static void
on_may_connect(void *owner)
{
	struct vclient *v = owner;

	vclient_connect(v);
}

static void
on_complete(void *owner, const struct mqev_op *op, const struct mqev_op_end *end)
{
	struct vclient *v = owner;

	if (v->deaf_ends)
		return;
	vclient_flush_record(v);
	vbuf_printf(&v->record, "done %u #%u %s %02X", (unsigned)op->number, op->mid,
	    error_name(end->error), end->reason);
	put_block(&v->record, end->properties);
	if (end->codes.len > 0) {
		vbuf_printf(&v->record, " codes");
		put_hex(&v->record, end->codes.data, end->codes.len);
	}
	vbuf_put(&v->record, "\n", 1);
	check_completion(v, op->number);
	v->done = op;
	v->end = end;
	after_event(v, V_COMPLETE);
}

static void
on_departed(void *owner, uint64_t number, mqev_op_done done, void *arg, int error)
{
	struct mqev_op op = {
	    .type = MQEV_PACKET_PUBLISH, .number = number, .done = done, .arg = arg};
	struct mqev_op_end end = {.error = error};

	on_complete(owner, &op, &end);
}

static void
on_wants_pump(void *owner)
{
	struct vclient *v = owner;

	/* Once for what may be sent, and once for what is to be told. */
	if (v->wants_pump && !v->s.owing)
		vclient_break(v, "asked to be pumped twice");
	v->wants_pump = true;
}

static void
on_water(void *owner, bool high)
{
	struct vclient *v = owner;

	vclient_flush_record(v);
	vbuf_printf(&v->record, "water %s\n", high ? "high" : "low");
	after_event(v, V_WATER);
}

/* The line for a log: whatever the packet holds, one line. */
static void
check_line(struct vclient *v, bool sent, enum mqev_packet_type type, union mqev_packet_view view)
{
	char line[200];

	mqev_packet_print((enum mqev_version)v->s.version, sent, type, view, line, sizeof(line));
	for (const char *c = line; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7F)
			vclient_break(v, "a control character in the line of a packet");
	}
}

static void
on_packet(void *owner, bool sent, enum mqev_packet_type type, uint16_t mid, size_t size,
    union mqev_packet_view view)
{
	struct vclient *v = owner;

	check_line(v, sent, type, view);
	(void)mid;
	if (type < MQEV_PACKET_CONNECT || type > MQEV_PACKET_AUTH || size < 2)
		vclient_break(v, "packet event: type %d, size %zu", (int)type, size);
	after_event(v, V_PACKET);
}

/* --- life ------------------------------------------------------------------------------------ */

void
vclient_init(struct vclient *v, enum mqev_version version)
{
	*v = (struct vclient){
	    .settings = {.clean = MQEV_SESSION_CLEAN_FIRST_ONLY,
		.session_expiry_s = version == MQEV_V5 ? 100 : 0,
		.packet_timeout_ms = 30000,
		.max_inflight = 100,
		.queue = {.max = {1000, 1 << 20},
		    .high = {SIZE_MAX, SIZE_MAX},
		    .low = {SIZE_MAX, SIZE_MAX}},
		.receive_maximum = UINT16_MAX,
		.max_packet_size = MQEV_VARINT_MAX + 5},
	    .events = {.connack = on_connack,
		.disconnect = on_disconnect,
		.message = on_message,
		.complete = on_complete,
		.departed = on_departed,
		.ack_overdue = on_ack_overdue,
		.hold_overdue = on_hold_overdue,
		.unreadable = on_unreadable,
		.wants_pump = on_wants_pump,
		.durable = on_durable,
		.may_connect = on_may_connect,
		.water = on_water,
		.packet = on_packet},
	    .sink.base.methods = &sink_methods,
	    .sink.base.events = &v->events,
	    .now = 1000,
	    .client_id = "c",
	    .budget = SIZE_MAX,
	    .cut = {SIZE_MAX, SIZE_MAX},
	};
	mqev_session_init(&v->s, version, &v->settings, &v->sink.base);
}

void
vclient_restart(struct vclient *v)
{
	enum mqev_version version = (enum mqev_version)v->s.version;

	mqev_session_free(&v->s, MQEV_ERR_CANCELED);
	mqev_session_release(&v->s);
	mqev_session_init(&v->s, version, &v->settings, &v->sink.base);
}

void
vclient_end(struct vclient *v)
{
	v->deaf_ends = true;
	vclient_flush_record(v);
	mqev_session_free(&v->s, MQEV_ERR_CANCELED);
	mqev_session_release(&v->s);
	v->deaf_ends = false;
	v->in.len = 0;
	sink_free(&v->sink);
}

void
vclient_begin(struct vclient *v)
{
	enum mqev_version version = (enum mqev_version)v->s.version;

	memset(v->op, 0, sizeof(v->op));
	mqev_session_init(&v->s, version, &v->settings, &v->sink.base);
	v->ended = v->wants_pump = false;
}

void
vclient_free_session(struct vclient *v)
{
	v->freed = true;
	mqev_session_free(&v->s, MQEV_ERR_CANCELED);
	vclient_flush_record(v);
	sink_free(&v->sink);
	vbuf_free(&v->in);
}

void
vclient_free(struct vclient *v)
{
	vclient_free_session(v);
	while (v->held_count > 0)
		mqev_ack_drop(v->held[--v->held_count]);
	mqev_session_release(&v->s);
	vbuf_free(&v->record);
}

size_t
vclient_pending(const struct vclient *v)
{
	size_t n = 0;

	for (size_t i = 0; i < V_OPS; i++)
		n += v->op[i] == V_PENDING;
	return n;
}

/* --- driving --------------------------------------------------------------------------------- */

bool
vclient_connect(struct vclient *v)
{
	struct mqev_bytes id = {(const uint8_t *)v->client_id, strlen(v->client_id)};
	bool fine;

	v->ended = false;
	v->wants_pump = v->s.owing;
	fine = mqev_session_connect(&v->s, id, NULL, v->now);
	record_end(v);
	return fine;
}

void
vclient_sent(struct vclient *v, uint64_t unsent)
{
	mqev_session_sent(&v->s, unsent);
	if (unsent == 0)
		sink_give_back(&v->sink);
	record_end(v);
}

void
vclient_pump(struct vclient *v)
{
	while (v->wants_pump && !v->freed && v->broken[0] == '\0') {
		bool more = true;

		for (int i = 0; more; i++) {
			v->wants_pump = false;
			if (v->s.owing)
				mqev_session_tell(&v->s);
			more = mqev_session_pump(&v->s, v->now, v->budget);
			if (i > 1000000)
				vclient_break(v, "the pump never ends");
			if (v->broken[0] != '\0')
				break;
		}
	}
	record_end(v);
	if (!v->quiet_sent && !v->freed)
		vclient_sent(v, 0);
}

void
vclient_after_call(struct vclient *v)
{
	record_end(v);
	if (!v->no_pump && v->hook_depth == 0)
		vclient_pump(v);
}

static void
after_call(struct vclient *v)
{
	vclient_after_call(v);
}

/* What the session said of the rest must be true. */
static void
check_rest(struct vclient *v, size_t need)
{
	bool open = v->s.state == MQEV_SESSION_CONNECTED || v->s.state == MQEV_SESSION_CONNECTING;

	if (open && !v->s.paused && v->s.partial != (v->in.len > 0))
		vclient_break(v, "partial is %d with %zu bytes left", v->s.partial, v->in.len);
	if (open && !v->s.paused && need != 0 && need <= v->in.len)
		vclient_break(v, "a whole packet was left: %zu of %zu bytes", need, v->in.len);
}

/* A block of exactly that size for each call, so that a sanitizer sees a step past it. */
static void
receive_piece(struct vclient *v, const uint8_t *data, size_t len)
{
	size_t need = SIZE_MAX;
	size_t total = v->in.len + len;
	uint8_t *block = malloc(total > 0 ? total : 1);
	size_t used;

	if (block == NULL)
		abort();
	if (v->in.len > 0)
		memcpy(block, v->in.data, v->in.len);
	if (len > 0)
		memcpy(block + v->in.len, data, len);
	used = mqev_session_receive(&v->s, block, total, v->now, &need);
	if (used > total)
		vclient_break(v, "used %zu of %zu bytes", used, total);
	v->in.len = 0;
	vbuf_put(&v->in, block + used, total - used);
	free(block);
	check_rest(v, need);
	record_end(v);
}

static size_t
next_cut(const struct vclient *v, size_t len)
{
	size_t end = v->fed + len;

	if (v->every_byte)
		return v->fed + 1;
	for (int i = 0; i < 2; i++) {
		if (v->cut[i] > v->fed && v->cut[i] < end)
			end = v->cut[i];
	}
	return end;
}

void
vclient_receive(struct vclient *v, const void *data, size_t len)
{
	const uint8_t *at = data;

	while (len > 0 && !v->freed) {
		size_t n = next_cut(v, len) - v->fed;

		receive_piece(v, at, n);
		v->fed += n;
		at += n;
		len -= n;
	}
	after_call(v);
}

void
vclient_close(struct vclient *v)
{
	vclient_flush_record(v);
	mqev_session_closed(&v->s, v->now);
	v->in.len = 0;
	v->wants_pump = v->s.owing;
	vclient_flush_record(v);
	sink_free(&v->sink);
	v->ended = false;
}

int
vclient_disconnect(struct vclient *v, uint8_t reason, const void *properties, size_t len)
{
	struct mqev_bytes block = {properties, len};
	int error = mqev_session_disconnect(&v->s, reason, block, v->now);

	if (error != 0)
		vbuf_printf(&v->record, "refused %s\n", error_name(error));
	after_call(v);
	return error;
}

void
vclient_advance(struct vclient *v, uint64_t ms)
{
	uint64_t target = v->now + ms;
	int calls = 0;

	for (;;) {
		uint64_t at = mqev_session_deadline(&v->s);

		if (at > target)
			break;
		if (at > v->now)
			v->now = at;
		mqev_session_tick(&v->s, v->now);
		after_call(v);
		if (++calls > 100000) {
			vclient_break(v, "the deadline %u does not move", (unsigned)at);
			break;
		}
	}
	v->now = target;
}

/* --- submitting ------------------------------------------------------------------------------ */

static void
dummy_done(void)
{
}

static void
count_release(void *arg)
{
	struct vclient *v = arg;

	v->releases++;
}

static int64_t
submitted(struct vclient *v, int64_t number, bool tells)
{
	if (number < 0) {
		vclient_flush_record(v);
		vbuf_printf(&v->record, "refused %s\n", error_name((int)number));
	} else if (number == 0) {
		vclient_break(v, "operation 0");
	} else if (number < V_OPS) {
		if (v->op[number] != V_NONE)
			vclient_break(v, "number %u was used before", (unsigned)number);
		v->op[number] = tells ? V_PENDING : V_SILENT;
	}
	after_call(v);
	return number;
}

int64_t
vclient_publish_with(struct vclient *v, const struct vpublish *p)
{
	struct mqev_publish_request request = {
	    .parts = {.type = MQEV_PACKET_PUBLISH,
		.topic = {(const uint8_t *)p->topic, strlen(p->topic)},
		.properties = {p->properties, p->properties_len},
		.payload = {p->payload, p->len},
		.release = p->by_reference ? count_release : NULL,
		.release_arg = v,
		.done = p->silent ? NULL : dummy_done},
	    .qos = p->qos,
	    .retain = p->retain,
	    .expiry_at = p->has_expiry ? p->expiry_at : MQEV_OP_NO_EXPIRY,
	    .expiry_s = p->expiry_s,
	};
	int64_t number = 0;

	v->submitting = true;
	if (!p->queued)
		number = mqev_session_publish_at_once(&v->s, &request);
	if (number > 0)
		mqev_session_stamp(&v->s, v->now);
	if (number == 0)
		number = mqev_session_publish(&v->s, &request, v->now);
	v->submitting = false;
	return submitted(v, number, !p->silent || p->qos > 0);
}

int64_t
vclient_publish(struct vclient *v, uint8_t qos, const char *topic, const char *payload)
{
	return VPUBLISH(v, .qos = qos, .topic = topic, .payload = payload, .len = strlen(payload));
}

static int64_t
submit_filters(struct vclient *v, enum mqev_packet_type type, const void *filters, size_t len,
    size_t count, uint16_t flags)
{
	struct mqev_op_parts parts = {.type = type, .payload = {filters, len}, .done = dummy_done};
	int64_t number;

	v->submitting = true;
	number = mqev_session_subscribe(&v->s, &parts, count, flags, v->now);
	v->submitting = false;
	return submitted(v, number, true);
}

int64_t
vclient_subscribe(struct vclient *v, const void *filters, size_t len, size_t count, uint16_t flags)
{
	return submit_filters(v, MQEV_PACKET_SUBSCRIBE, filters, len, count, flags);
}

int64_t
vclient_unsubscribe(struct vclient *v, const void *filters, size_t len, size_t count)
{
	return submit_filters(v, MQEV_PACKET_UNSUBSCRIBE, filters, len, count, 0);
}

int
vclient_cancel(struct vclient *v, int64_t number)
{
	int error = mqev_session_cancel(&v->s, (uint64_t)number, MQEV_ERR_CANCELED);

	if (error != 0)
		vbuf_printf(&v->record, "refused %s\n", error_name(error));
	after_call(v);
	return error;
}

int
vclient_withdraw(struct vclient *v, int64_t number)
{
	int error;

	v->submitting = true;
	error = mqev_session_withdraw(&v->s, (uint64_t)number);
	v->submitting = false;
	if (error != 0)
		vbuf_printf(&v->record, "refused %s\n", error_name(error));
	after_call(v);
	return error;
}

int
vclient_ack(struct vclient *v, int i, uint8_t reason)
{
	int error = mqev_ack(v->held[i], (enum mqev_reason)reason, NULL);

	if (error != 0)
		vbuf_printf(&v->record, "refused %s\n", error_name(error));
	after_call(v);
	return error;
}
