/* The figures of fleets as text for Prometheus: which there are, and how each is written. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <mqev/client.h>
#include <mqev/stats.h>

#include "core/utf8.h"

/* --- the figures ------------------------------------------------------------------------------ */

struct names {
	const char *label;
	const char *const *values;
	size_t count;
};

#define NAMES(label, list)                                    \
	{                                                     \
		label, list, sizeof(list) / sizeof((list)[0]) \
	}

static const char *const qos_values[] = {"0", "1", "2"};
static const char *const state_values[] = {
    [MQEV_CLIENT_IDLE] = "idle",
    [MQEV_CLIENT_WAITING] = "waiting",
    [MQEV_CLIENT_QUEUED] = "queued",
    [MQEV_CLIENT_DIALING] = "dialing",
    [MQEV_CLIENT_HANDSHAKE] = "handshake",
    [MQEV_CLIENT_CONNECTED] = "connected",
    [MQEV_CLIENT_CLOSING] = "closing",
    [MQEV_CLIENT_PREPARING] = "preparing",
};
static const char *const stage_values[] = {
    [MQEV_STAGE_RESOLVE] = "resolve",
    [MQEV_STAGE_DIAL] = "dial",
    [MQEV_STAGE_PROXY] = "proxy",
    [MQEV_STAGE_TLS] = "tls",
    [MQEV_STAGE_WEBSOCKET] = "websocket",
    [MQEV_STAGE_CONNACK] = "connack",
    [MQEV_STAGE_PREPARE] = "prepare",
};
static const char *const drop_values[] = {
    [MQEV_DROP_QUEUE_FULL] = "queue_full",
    [MQEV_DROP_OFFLINE] = "offline",
    [MQEV_DROP_LIMIT] = "server_limit",
    [MQEV_DROP_EXPIRED] = "expired",
    [MQEV_DROP_LOST] = "connection_lost",
    [MQEV_DROP_SESSION_LOST] = "session_lost",
    [MQEV_DROP_REFUSED] = "refused",
    [MQEV_DROP_CANCELED] = "canceled",
    [MQEV_DROP_MADE_ROOM] = "made_room",
    [MQEV_DROP_OFFLINE_QOS0] = "offline_qos0",
    [MQEV_DROP_OTHER] = "other",
};
static const char *const end_values[] = {
    [MQEV_END_APPLICATION] = "application",
    [MQEV_END_REFUSED] = "refused",
    [MQEV_END_SERVER] = "server",
    [MQEV_END_LOST] = "lost",
    [MQEV_END_KEEPALIVE] = "keepalive",
    [MQEV_END_TIMEOUT] = "timeout",
    [MQEV_END_PROTOCOL] = "protocol",
    [MQEV_END_OTHER] = "other",
};

static const struct names by_qos = NAMES("qos", qos_values);
static const struct names by_state = NAMES("state", state_values);
static const struct names by_stage = NAMES("stage", stage_values);
static const struct names by_drop = NAMES("cause", drop_values);
static const struct names by_end = NAMES("cause", end_values);

enum kind { COUNTER, GAUGE, HISTOGRAM };

static const char *const kind_names[] = {"counter", "gauge", "histogram"};

struct metric {
	const char *name;
	const char *help;
	size_t offset;		   /* of a uint64_t, of a row of them, or of a histogram */
	const struct names *names; /* NULL: there is one value */
	enum kind kind;
	unsigned decimals; /* the value is in units of 10^-decimals */
};

#define AT(member) offsetof(struct mqev_stats, member)

static const struct metric metrics[] = {
    {"mqev_messages_received_total", "PUBLISH packets received.", AT(messages_in_qos), &by_qos,
	COUNTER, 0},
    {"mqev_messages_sent_total", "PUBLISH packets sent.", AT(messages_out_qos), &by_qos, COUNTER,
	0},
    {"mqev_messages_received_bytes_total", "Bytes of PUBLISH packets received.",
	AT(message_bytes_in_qos), &by_qos, COUNTER, 0},
    {"mqev_messages_sent_bytes_total", "Bytes of PUBLISH packets sent.", AT(message_bytes_out_qos),
	&by_qos, COUNTER, 0},
    {"mqev_received_bytes_total", "Bytes of MQTT packets received.", AT(bytes_in), NULL, COUNTER,
	0},
    {"mqev_sent_bytes_total", "Bytes of MQTT packets sent.", AT(bytes_out), NULL, COUNTER, 0},
    {"mqev_messages_dropped_total", "Messages that were not accepted or ended without success.",
	AT(drops_by), &by_drop, COUNTER, 0},
    {"mqev_queued_operations", "Operations that wait or are in flight.", AT(queued), NULL, GAUGE,
	0},
    {"mqev_queued_bytes", "Bytes allocated for them.", AT(queued_bytes), NULL, GAUGE, 0},
    {"mqev_inflight_messages", "QoS 1 and 2 messages sent and not acknowledged.", AT(inflight),
	NULL, GAUGE, 0},
    {"mqev_clients", "Clients by what they are doing.", AT(states), &by_state, GAUGE, 0},
    {"mqev_parked_connections", "Idle connections without a bufferevent.", AT(parked), NULL, GAUGE,
	0},
    {"mqev_connect_attempts_total", "Attempts to connect that began.", AT(attempts), NULL, COUNTER,
	0},
    {"mqev_connects_total", "Connections that the server accepted.", AT(connects), NULL, COUNTER,
	0},
    {"mqev_connect_failures_total", "Attempts that ended before a CONNACK.",
	AT(connect_failures_by), &by_stage, COUNTER, 0},
    {"mqev_connections_ended_total", "Connections that ended after a CONNACK.", AT(ends_by),
	&by_end, COUNTER, 0},
    {"mqev_handshakes", "Attempts to connect in progress.", AT(handshakes), NULL, GAUGE, 0},
    {"mqev_waiting_for_turn", "Clients that the governor holds back.", AT(waiting_turns), NULL,
	GAUGE, 0},
    {"mqev_descriptor_shortages_total", "Times that descriptors ran out.", AT(descriptor_holds),
	NULL, COUNTER, 0},
    {"mqev_tls_handshakes_total", "TLS handshakes that succeeded.", AT(tls_handshakes), NULL,
	COUNTER, 0},
    {"mqev_tls_resumed_total", "TLS handshakes that resumed a session.", AT(tls_resumed), NULL,
	COUNTER, 0},
    {"mqev_tls_failures_total", "TLS handshakes that failed.", AT(tls_failed), NULL, COUNTER, 0},
    {"mqev_ack_latency_seconds", "Time that acknowledgements took.", AT(ack_ms), NULL, HISTOGRAM,
	3},
    {"mqev_ping_round_trip_seconds", "Time from PINGREQ to PINGRESP.", AT(ping_ms), NULL, HISTOGRAM,
	3},
    {"mqev_loop_lag_seconds", "Time by which the event loop was late.", AT(loop_lag_us), NULL,
	HISTOGRAM, 6},
    {"mqev_store_unreadable_total", "Received messages in stores that cannot be read.",
	AT(unreadable), NULL, COUNTER, 0},
    {"mqev_loop_lag_longest_seconds", "The longest of them.", AT(loop_lag_longest_us), NULL, GAUGE,
	6},
};

/* --- text that may not fit -------------------------------------------------------------------- */

struct text {
	char *buf;
	size_t size;
	size_t len; /* of all that was to be written */
};

static void
put(struct text *t, const char *bytes, size_t len)
{
	if (t->len < t->size) {
		size_t room = t->size - t->len;

		memcpy(t->buf + t->len, bytes, len < room ? len : room);
	}
	t->len += len;
}

static void
put_string(struct text *t, const char *string)
{
	put(t, string, strlen(string));
}

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void
put_short(struct text *t, const char *format, ...)
{
	char room[64];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(room, sizeof(room), format, args);
	va_end(args);
	put(t, room, n > 0 ? (size_t)n : 0);
}

static void
put_escaped(struct text *t, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == '\n')
			put(t, "\\n", 2);
		else if (*value == '\\' || *value == '"')
			put_short(t, "\\%c", *value);
		else
			put(t, value, 1);
	}
}

/* In whole units of 10^-decimals, without a locale's idea of a decimal point. */
static void
put_value(struct text *t, uint64_t value, unsigned decimals)
{
	uint64_t one = decimals == 0 ? 1 : decimals == 3 ? 1000 : 1000000;

	put_short(t, "%llu", (unsigned long long)(value / one));
	if (decimals > 0)
		put_short(t, ".%0*llu", (int)decimals, (unsigned long long)(value % one));
}

/* --- samples ---------------------------------------------------------------------------------- */

/* A label of the figure's own goes behind those of the source; name NULL: there is none. */
static void
put_labels(
    struct text *t, const struct mqev_stats_source *source, const char *name, const char *value)
{
	const char *separator = "{";

	for (size_t i = 0; i < source->label_count; i++) {
		put_string(t, separator);
		put_string(t, source->labels[i].name);
		put(t, "=\"", 2);
		put_escaped(t, source->labels[i].value);
		put(t, "\"", 1);
		separator = ",";
	}
	if (name != NULL) {
		put_string(t, separator);
		put_string(t, name);
		put(t, "=\"", 2);
		put_string(t, value);
		put(t, "\"", 1);
	}
	if (name != NULL || source->label_count > 0)
		put(t, "}", 1);
}

static void
put_sample(struct text *t, const struct metric *m, const char *suffix, uint64_t value,
    unsigned decimals, const struct mqev_stats_source *source, const char *label,
    const char *label_value)
{
	put_string(t, m->name);
	put_string(t, suffix);
	put_labels(t, source, label, label_value);
	put(t, " ", 1);
	put_value(t, value, decimals);
	put(t, "\n", 1);
}

static void
put_bucket(struct text *t, const struct metric *m, const struct mqev_stats_source *source,
    unsigned bucket, uint64_t count)
{
	char room[32];
	struct text le = {room, sizeof(room) - 1, 0};

	if (bucket == MQEV_HISTOGRAM_BUCKETS - 1)
		put_string(&le, "+Inf");
	else
		put_value(&le, UINT64_C(1) << bucket, m->decimals);
	room[le.len] = '\0';
	put_sample(t, m, "_bucket", count, 0, source, "le", room);
}

static void
put_histogram(struct text *t, const struct metric *m, const struct mqev_stats_source *source,
    const struct mqev_histogram *h)
{
	uint64_t so_far = 0;

	for (unsigned i = 0; i < MQEV_HISTOGRAM_BUCKETS; i++) {
		so_far += h->buckets[i];
		put_bucket(t, m, source, i, so_far);
	}
	put_sample(t, m, "_sum", h->sum, m->decimals, source, NULL, NULL);
	put_sample(t, m, "_count", h->count, 0, source, NULL, NULL);
}

static void
put_row(struct text *t, const struct metric *m, const struct mqev_stats_source *source,
    const uint64_t *values)
{
	for (size_t i = 0; i < m->names->count; i++) {
		if (m->names->values[i] != NULL)
			put_sample(t, m, "", values[i], m->decimals, source, m->names->label,
			    m->names->values[i]);
	}
}

static size_t
size_of(const struct metric *m)
{
	if (m->kind == HISTOGRAM)
		return sizeof(struct mqev_histogram);
	return sizeof(uint64_t) * (m->names != NULL ? m->names->count : 1);
}

static void
put_source(struct text *t, const struct metric *m, const struct mqev_stats_source *source)
{
	const void *at = (const char *)source->stats + m->offset;

	/* An older program's struct ends before what it does not know. */
	if (m->offset + size_of(m) > source->stats->size)
		return;
	if (m->kind == HISTOGRAM)
		put_histogram(t, m, source, at);
	else if (m->names != NULL)
		put_row(t, m, source, at);
	else
		put_sample(t, m, "", *(const uint64_t *)at, m->decimals, source, NULL, NULL);
}

static void
put_metric(
    struct text *t, const struct metric *m, const struct mqev_stats_source *sources, size_t count)
{
	put_string(t, "# HELP ");
	put_string(t, m->name);
	put(t, " ", 1);
	put_string(t, m->help);
	put_string(t, "\n# TYPE ");
	put_string(t, m->name);
	put(t, " ", 1);
	put_string(t, kind_names[m->kind]);
	put(t, "\n", 1);
	for (size_t i = 0; i < count; i++)
		put_source(t, m, &sources[i]);
}

/* --- labels ----------------------------------------------------------------------------------- */

static bool
is_ours(const char *name)
{
	static const char *const ours[] = {"qos", "cause", "stage", "state", "le"};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		if (strcmp(name, ours[i]) == 0)
			return true;
	}
	return false;
}

static bool
label_valid(const struct mqev_label *label)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	static const char all[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

	if (label->name == NULL || label->value == NULL || label->name[0] == '\0')
		return false;
	return strchr(letters, label->name[0]) != NULL &&
	       strspn(label->name, all) == strlen(label->name) &&
	       strncmp(label->name, "__", 2) != 0 && !is_ours(label->name) &&
	       mqev_utf8_valid((const uint8_t *)label->value, strlen(label->value));
}

static bool
sources_valid(const struct mqev_stats_source *sources, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < sources[i].label_count; j++) {
			if (!label_valid(&sources[i].labels[j]))
				return false;
		}
	}
	return true;
}

size_t
mqev_stats_prometheus(const struct mqev_stats_source *sources, size_t count, char *buf, size_t size)
{
	struct text t = {buf, size, 0};

	if (sources_valid(sources, count)) {
		for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
			put_metric(&t, &metrics[i], sources, count);
	}
	if (size > 0)
		buf[t.len < size ? t.len : size - 1] = '\0';
	return t.len;
}
