/* The journaling broker of the kill campaign. */
#include "kill/broker.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WINDOW 5
#define MOST 4096 /* bytes of a packet */

enum state { QUEUED, SENT, GOT, DONE };

struct message {
	enum state state;
	unsigned mid;
};

static struct {
	const struct kill_plan *plan;
	int journal;
	int socket;
	int client; /* its process */
	int version;
	bool session;
	bool clean; /* it was begun by a clean start */
	bool subscribed;
	bool told;
	long passed;
	unsigned next_mid;
	bool known[65536];	  /* QoS 2 identifiers of the client's */
	struct message *messages; /* from 1 */
} broker;

/* --- kills -------------------------------------------------------------------------------------
 */

static void
pass(enum kill_point point)
{
	bool own = point >= KILL_BROKER_BEFORE_SYNC;
	int victim = own ? getpid() : broker.client;

	if (point != broker.plan->point || ++broker.passed != broker.plan->nth)
		return;
	if (victim > 1)
		kill(victim, SIGKILL);
}

/* --- the journal -------------------------------------------------------------------------------
 */

#define NOTE(...)                                             \
	do {                                                  \
		pass(KILL_BROKER_BEFORE_SYNC);                \
		kill_note(broker.journal, true, __VA_ARGS__); \
		pass(KILL_BROKER_AFTER_SYNC);                 \
	} while (0)

static void
recall_message(char what, int i, unsigned mid)
{
	struct message *m;

	if (i < 1 || i > broker.plan->in)
		return;
	m = &broker.messages[i];
	m->state = what == 'S' ? SENT : what == 'G' ? GOT : DONE;
	if (what != 'S')
		return;
	m->mid = mid;
	broker.next_mid = mid;
}

/* What was not done is sent again: a message for a session that is gone is nobody's else. */
static void
begin_session(void)
{
	broker.subscribed = false;
	memset(broker.known, 0, sizeof(broker.known));
	for (int i = 1; i <= broker.plan->in; i++) {
		if (broker.messages[i].state != DONE)
			broker.messages[i].state = QUEUED;
	}
}

/* Before 5.0 a clean session ends with its connection. */
static bool
outlasts_connection(bool clean)
{
	return broker.plan->version == 5 || !clean;
}

static void
recall(void)
{
	char name[300];
	char line[100];
	FILE *f;

	snprintf(name, sizeof(name), "%s/broker", broker.plan->folder);
	f = fopen(name, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		int qos = 0;
		unsigned mid = 0;
		int i = 0;

		if (line[0] == 'B') {
			begin_session();
			broker.clean = line[2] == '1';
			broker.session = outlasts_connection(broker.clean);
		}
		if (sscanf(line, "R %d %u", &qos, &mid) == 2 && qos == 2)
			broker.known[mid] = true;
		if (sscanf(line, "L %u", &mid) == 1)
			broker.known[mid] = false;
		if (strchr("SGD", line[0]) != NULL && sscanf(line + 1, "%d %u", &i, &mid) >= 1)
			recall_message(line[0], i, mid);
		broker.subscribed |= line[0] == 'U';
	}
	if (f != NULL)
		fclose(f);
}

/* --- sending -----------------------------------------------------------------------------------
 */

static void
send_bytes(const void *bytes, size_t len)
{
	if (send(broker.socket, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
		shutdown(broker.socket, SHUT_RDWR);
}

static void
send_ack(unsigned type, unsigned mid)
{
	const unsigned char ack[] = {
	    (unsigned char)type, 2, (unsigned char)(mid >> 8), (unsigned char)mid};

	send_bytes(ack, sizeof(ack));
	pass(KILL_BROKER_AFTER_ANSWER);
}

static void
send_publish(const char *topic, int qos, bool dup, unsigned mid, const char *payload)
{
	unsigned char packet[128] = {0};
	size_t topic_len = strlen(topic);
	size_t at = 4;

	memcpy(packet + at, topic, topic_len);
	at += topic_len;
	if (qos > 0) {
		packet[at++] = (unsigned char)(mid >> 8);
		packet[at++] = (unsigned char)mid;
	}
	if (broker.version == 5)
		packet[at++] = 0;
	memcpy(packet + at, payload, strlen(payload));
	at += strlen(payload);
	packet[0] = (unsigned char)(0x30 | qos << 1 | (dup ? 8 : 0));
	packet[1] = (unsigned char)(at - 2);
	packet[3] = (unsigned char)topic_len;
	send_bytes(packet, at);
}

static void
send_message(int i, bool dup)
{
	char payload[20];

	snprintf(payload, sizeof(payload), "%d", i);
	send_publish("down/x", kill_qos(broker.plan, i), dup, broker.messages[i].mid, payload);
	pass(KILL_BROKER_AFTER_ANSWER);
}

static void
tell_end(void)
{
	for (int i = 1; i <= broker.plan->in; i++) {
		if (broker.messages[i].state != DONE)
			return;
	}
	if (!broker.told)
		send_publish("down/end", 0, false, 0, "end");
	broker.told = true;
}

static void
pump(void)
{
	int open = 0;

	if (!broker.subscribed)
		return;
	for (int i = 1; i <= broker.plan->in && open < WINDOW; i++) {
		struct message *m = &broker.messages[i];

		open += m->state == SENT || m->state == GOT;
		if (m->state != QUEUED || open >= WINDOW)
			continue;
		m->mid = broker.next_mid = broker.next_mid % 65535 + 1;
		NOTE("S %d %u\n", i, m->mid);
		m->state = SENT;
		open++;
		send_message(i, false);
	}
	tell_end();
}

static void
send_again(void)
{
	for (int i = 1; i <= broker.plan->in; i++) {
		if (broker.messages[i].state == SENT)
			send_message(i, true);
		if (broker.messages[i].state == GOT)
			send_ack(0x62, broker.messages[i].mid);
	}
	pump();
}

/* --- receiving ---------------------------------------------------------------------------------
 */

static unsigned
number(const unsigned char *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static const unsigned char *
skip_properties(const unsigned char *at)
{
	return broker.version == 5 ? at + 1 + at[0] : at;
}

/* The client's process is its user name; known before anything else. */
static void
meet_client(const unsigned char *body)
{
	const unsigned char *at = body + 10;
	char pid[20] = "";

	broker.version = body[6] & 0x7F;
	at = skip_properties(at);
	at += 2 + number(at);
	memcpy(pid, at + 2, number(at) < sizeof(pid) ? number(at) : 0);
	broker.client = atoi(pid);
}

static void
on_connect(const unsigned char *body)
{
	bool clean = (body[7] & 2) != 0;
	unsigned char connack[] = {0x20, 2, 0, 0, 0};

	if (clean || !broker.session) {
		broker.session = false;
		begin_session();
		NOTE("B %d\n", clean);
		broker.clean = clean;
	}
	connack[1] = broker.version == 5 ? 3 : 2;
	connack[2] = broker.session;
	broker.session = true;
	send_bytes(connack, (size_t)2 + connack[1]);
	if (connack[2])
		send_again();
}

static void
on_publish(unsigned first, const unsigned char *body, size_t len)
{
	int qos = (int)(first >> 1 & 3);
	const unsigned char *at = body + 2 + number(body);
	unsigned mid = number(at);
	char text[20] = "";

	at = skip_properties(at + 2);
	memcpy(text, at, len - (size_t)(at - body) < 19 ? len - (size_t)(at - body) : 19);
	if (qos == 1 || !broker.known[mid])
		NOTE("R %d %u %d %d\n", qos, mid, (int)(first >> 3 & 1), atoi(text));
	broker.known[mid] |= qos == 2;
	send_ack(qos == 1 ? 0x40 : 0x50, mid);
}

static int
message_of(unsigned mid)
{
	for (int i = 1; i <= broker.plan->in; i++) {
		if (broker.messages[i].mid == mid && broker.messages[i].state != DONE &&
		    broker.messages[i].state != QUEUED)
			return i;
	}
	return 0;
}

static void
on_ack(unsigned type, unsigned mid)
{
	int i = message_of(mid);

	if (type == 6) {
		if (broker.known[mid])
			NOTE("L %u\n", mid);
		broker.known[mid] = false;
		send_ack(0x70, mid);
		return;
	}
	if (type == 5) {
		if (i > 0 && broker.messages[i].state == SENT)
			NOTE("G %d\n", i);
		if (i > 0)
			broker.messages[i].state = GOT;
		send_ack(0x62, mid);
		return;
	}
	if (i > 0) {
		NOTE("D %d\n", i);
		broker.messages[i].state = DONE;
		pump();
	}
}

static void
on_subscribe(const unsigned char *body)
{
	const unsigned char suback[] = {
	    0x90, broker.version == 5 ? 4 : 3, body[0], body[1], broker.version == 5 ? 0 : 2, 2};

	NOTE("U\n");
	broker.subscribed = true;
	send_bytes(suback, (size_t)2 + suback[1]);
	pump();
}

static void
handle(unsigned first, const unsigned char *body, size_t len)
{
	unsigned type = first >> 4;

	if (type == 1)
		meet_client(body);
	pass(KILL_BEFORE_ANSWER);
	if (type == 1)
		on_connect(body);
	else if (type == 3)
		on_publish(first, body, len);
	else if (type >= 4 && type <= 7)
		on_ack(type, number(body));
	else if (type == 8)
		on_subscribe(body);
	pass(KILL_AFTER_ANSWER);
}

/* --- connections -------------------------------------------------------------------------------
 */

/* Whole packets from the front; how many bytes they had. */
static size_t
take_packets(const unsigned char *bytes, size_t len)
{
	size_t at = 0;

	while (len - at >= 2) {
		size_t head = bytes[at + 1] < 0x80 ? 2 : 3;
		size_t body = bytes[at + 1] & 0x7F;

		if (head == 3 && len - at < 3)
			break;
		if (head == 3)
			body |= (size_t)bytes[at + 2] << 7;
		if (len - at < head + body)
			break;
		handle(bytes[at], bytes + at + head, body);
		at += head + body;
	}
	return at;
}

static void
serve(void)
{
	static unsigned char bytes[MOST * 16];
	size_t len = 0;
	ssize_t got;

	broker.told = false;
	while ((got = read(broker.socket, bytes + len, sizeof(bytes) - len)) > 0) {
		size_t taken = take_packets(bytes, len + (size_t)got);

		len += (size_t)got - taken;
		memmove(bytes, bytes + taken, len);
	}
	close(broker.socket);
	broker.session &= outlasts_connection(broker.clean);
}

void
kill_broker(const struct kill_plan *plan, int listener)
{
	broker.plan = plan;
	broker.messages = calloc((size_t)plan->in + 2, sizeof(*broker.messages));
	broker.journal = kill_open_notes(plan, "broker");
	recall();
	for (;;) {
		broker.socket = accept(listener, NULL, NULL);
		if (broker.socket >= 0)
			serve();
	}
}
