/* Peers of a real broker. What is tested with them is elsewhere. */
#include "broker/broker_kit.h"

#include <stdio.h>

struct tk_server mosquitto;

/* --- callbacks ---------------------------------------------------------------------------------
 */

static void
on_connect(struct mqev_client *c, const struct mqev_connack *connack, void *userdata)
{
	struct peer *p = userdata;

	(void)c;
	if (connack->reason == MQEV_REASON_SUCCESS)
		p->connects++;
	else
		p->refused++;
	p->reason = connack->reason;
	mqev_properties_free(p->granted);
	p->granted = mqev_properties_copy(connack->properties);
	p->session_present = connack->session_present;
}

static void
on_connect_fail(struct mqev_client *c, const struct mqev_connect_failure *failure, void *userdata)
{
	struct peer *p = userdata;

	(void)c;
	(void)failure;
	p->fails++;
}

static void
on_disconnect(struct mqev_client *c, const struct mqev_disconnection *d, void *userdata)
{
	struct peer *p = userdata;

	(void)c;
	p->disconnects++;
	p->end_reason = d->reason;
	p->ended_by_server = d->from_server;
}

/* mosquitto 2.0.11 sends PUBLISH again after a restart though PUBREL was its last word: the
 * identifier is free then, and the message a new one by the rules ([MQTT-4.3.3-10]). */
static bool
is_excused(struct peer *p, const struct mqev_message *m, long number)
{
	bool released = m->qos == 2 && p->released[m->mid] != 0;

	p->released[m->mid] = 0;
	if (!released || !m->dup || p->numbers[number] == 0)
		return false;
	p->excused++;
	return true;
}

/* Numbers go up within one QoS; one that came before is a repeat. */
static void
note_number(struct peer *p, const struct mqev_message *m)
{
	char text[16];
	long number;

	if (m->payload_len == 0 || m->payload_len >= sizeof(text))
		return;
	memcpy(text, m->payload, m->payload_len);
	text[m->payload_len] = '\0';
	number = strtol(text, NULL, 10);
	ck_assert(number >= 0 && number < MOST_NUMBERS);
	if (is_excused(p, m, number) || p->numbers[number]++ > 0)
		return;
	if (number < p->last[m->qos]) {
		p->out_of_order++;
		p->late_dups += m->dup;
	}
	p->last[m->qos] = number;
}

static void
on_message(struct mqev_client *c, const struct mqev_message *m, void *userdata)
{
	struct peer *p = userdata;

	(void)c;
	p->messages++;
	p->messages_of[m->qos]++;
	note_number(p, m);
	mqev_message_free(p->kept);
	p->kept = mqev_message_copy(m);
	if (p->on_message != NULL)
		p->on_message(p, m);
}

static void
on_log(struct mqev_client *c, const struct mqev_log_line *line, void *userdata)
{
	static const char pubrel[] = "Received PUBREL (Mid: ";
	struct peer *p = userdata;

	if (getenv("KIT_LOG") != NULL)
		fprintf(stderr, "%lld %s: %s\n", tk_now_ms(), mqev_client_id(c), line->text);
	if (strncmp(line->text, pubrel, sizeof(pubrel) - 1) == 0)
		p->released[strtoul(line->text + sizeof(pubrel) - 1, NULL, 10) & 0xffff] = 1;
}

static void
on_done(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	struct peer *p = mqev_client_userdata(c);

	p->done++;
	if (result->error != 0)
		p->failed++;
	kit_done(c, result, arg);
}

/* --- peers -------------------------------------------------------------------------------------
 */

struct peer *
peer_new(struct mqev_options o)
{
	struct peer *p = calloc(1, sizeof(*p));
	int error;

	ck_assert_ptr_nonnull(p);
	o.on_connect = on_connect;
	o.on_connect_fail = on_connect_fail;
	o.on_disconnect = on_disconnect;
	o.on_message = on_message;
	o.on_log = on_log;
	o.userdata = p;
	if (o.reconnect_min_ms == 0)
		o.reconnect_min_ms = 50;
	if (o.reconnect_max_ms == 0)
		o.reconnect_max_ms = 200;
	p->client = mqev_client_new(kit.fleet, &o, &error);
	ck_assert_int_eq(error, 0);
	return p;
}

void
peer_free(struct peer *p)
{
	mqev_client_free(p->client);
	mqev_message_free(p->kept);
	mqev_properties_free(p->granted);
	free(p);
}

void
await_count(const int *counter, int n, int ms, const char *what)
{
	ck_assert_msg(tk_run_until(kit.base, tk_reached, &(struct tk_count){counter, n}, ms),
	    "%s is %d, not %d, after %d ms", what, *counter, n, ms);
}

/* Whatever the answer says. */
static int
answered(void *arg)
{
	const struct peer *p = arg;

	return p->connects + p->refused > p->asked;
}

void
peer_connect_to(struct peer *p, const char *url)
{
	p->asked = p->connects + p->refused;
	ck_assert_int_eq(mqev_connect(p->client, url), 0);
	ck_assert_msg(tk_run_until(kit.base, answered, p, 5000),
	    "no CONNACK within 5 s, %d attempts failed", p->fails);
}

void
peer_connect(struct peer *p)
{
	char url[64];

	snprintf(url, sizeof(url), "mqtt://127.0.0.1:%d", mosquitto.port);
	peer_connect_to(p, url);
}

void
peer_disconnect(struct peer *p)
{
	int seen = p->disconnects;

	ck_assert_int_eq(mqev_disconnect(p->client, NULL), 0);
	AWAIT(p->disconnects, seen + 1, 5000);
}

void
peer_subscribe(struct peer *p, const char *filter, int qos)
{
	int seen = p->done;
	int64_t op = mqev_subscribe(
	    p->client, MQEV_SUBSCRIPTION(.filter = filter, .qos = qos), 1, NULL, on_done, kit_op());

	ck_assert_int_gt(op, 0);
	kit_note_accepted(op);
	AWAIT(p->done, seen + 1, 5000);
}

void
peer_publish(struct peer *p, const struct mqev_message *message)
{
	int64_t op = mqev_publish(p->client, message, on_done, kit_op());

	ck_assert_int_gt(op, 0);
	kit_note_accepted(op);
}

int64_t
peer_publish_number(struct peer *p, const char *topic, int number, int qos)
{
	char text[16];
	int64_t op;

	snprintf(text, sizeof(text), "%d", number);
	op = mqev_publish(p->client,
	    MQEV_MESSAGE(.topic = topic, .payload = text, .payload_len = strlen(text), .qos = qos),
	    on_done, kit_op());
	ck_assert_int_gt(op, 0);
	kit_note_accepted(op);
	return op;
}

void
peer_await_done(struct peer *p, int ms)
{
	(void)p;
	kit_await_all(ms);
}

/* --- the server --------------------------------------------------------------------------------
 */

bool
broker_start(const char *config)
{
	return tk_server_mosquitto(&mosquitto, config) == 0;
}

static void
setup(void)
{
	kit_setup();
	kit.quiet[KIT_DONE] = true;
	/* What the server's keeper needs stays open until the end. */
	memset(&mosquitto, 0, sizeof(mosquitto));
}

static void
teardown(void)
{
	if (mosquitto.dir != NULL)
		tk_server_stop(&mosquitto);
	kit_teardown();
}

TCase *
broker_case(Suite *suite, const char *name, int seconds)
{
	TCase *tc = tk_case(suite, name);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, seconds);
	return tc;
}
