/* A DNS server of the test's own: answers over UDP and TCP as a table says, counts what it is
 * asked. */
#include "wire/dns_kit.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/resolve.h"
#include "wire/net_kit.h"

#define MESSAGE_MAX 65535

/* A question, and the answer as it grows. */
struct message {
	char name[256];
	unsigned type;
	size_t question_end;
	uint8_t data[MESSAGE_MAX];
	size_t len;
};

/* A TCP connection: closed by the resolver, or at the end. */
struct dns_conn {
	struct dns_conn *next;
	struct dns_server *server;
	int fd;
	struct event *event;
	struct message in;
};

/* An answer on its way. */
struct dns_reply {
	struct dns_reply *next;
	struct dns_server *server;
	struct event *timer;
	struct dns_conn *conn; /* NULL: UDP */
	struct sockaddr_in peer;
	enum dns_way way;
	size_t len;
	uint8_t data[];
};

/* Messages ------------------------------------------------------------------------------------- */

static void
put_u16(struct message *m, unsigned value)
{
	ck_assert_uint_lt(m->len + 2, sizeof m->data);
	m->data[m->len++] = (uint8_t)(value >> 8);
	m->data[m->len++] = (uint8_t)value;
}

static void
put_name(struct message *m, const char *name)
{
	while (*name != '\0') {
		size_t n = strcspn(name, ".");

		m->data[m->len++] = (uint8_t)n;
		memcpy(m->data + m->len, name, n);
		m->len += n;
		name += n + (name[n] == '.');
	}
	m->data[m->len++] = 0;
}

static void
put_data(struct message *m, const struct dns_record *r)
{
	char target[256];
	unsigned priority, weight, port;

	switch (r->type) {
	case DNS_A:
		ck_assert_int_eq(inet_pton(AF_INET, r->data, m->data + m->len), 1);
		m->len += 4;
		break;
	case DNS_AAAA:
		ck_assert_int_eq(inet_pton(AF_INET6, r->data, m->data + m->len), 1);
		m->len += 16;
		break;
	case DNS_CNAME:
		put_name(m, r->data);
		break;
	case DNS_SRV:
		ck_assert_int_eq(
		    sscanf(r->data, "%u %u %u %255s", &priority, &weight, &port, target), 4);
		put_u16(m, priority);
		put_u16(m, weight);
		put_u16(m, port);
		put_name(m, strcmp(target, ".") == 0 ? "" : target);
		break;
	}
}

static void
put_record(struct message *m, const struct dns_record *r)
{
	size_t length_at;

	put_name(m, r->name);
	put_u16(m, r->type);
	put_u16(m, 1);
	put_u16(m, r->ttl_s >> 16);
	put_u16(m, r->ttl_s & 0xffff);
	length_at = m->len;
	put_u16(m, 0);
	put_data(m, r);
	m->data[length_at] = (uint8_t)((m->len - length_at - 2) >> 8);
	m->data[length_at + 1] = (uint8_t)(m->len - length_at - 2);
}

/* The question of a message; false when it is none. */
static bool
read_question(struct message *m)
{
	size_t at = 12, n = 0;

	if (m->len < 17)
		return false;
	while (at < m->len && m->data[at] != 0) {
		size_t label = m->data[at];

		if (label > 63 || at + 1 + label >= m->len || n + label + 2 > sizeof m->name)
			return false;
		if (n > 0)
			m->name[n++] = '.';
		memcpy(m->name + n, m->data + at + 1, label);
		n += label;
		at += 1 + label;
	}
	m->name[n] = '\0';
	if (at + 5 > m->len)
		return false;
	m->type = (unsigned)(m->data[at + 1] << 8 | m->data[at + 2]);
	m->question_end = at + 5;
	return true;
}

static bool
fits(const struct dns_record *r, const struct message *m, const char *name)
{
	return strcasecmp(r->name, name) == 0 && (r->type == m->type || r->type == DNS_CNAME);
}

/* All records for the question, an alias followed. */
static unsigned
put_answers(struct message *m, const struct dns_record *records)
{
	const struct dns_record *r;
	const char *name = m->name;
	unsigned count = 0;

	for (r = records; r->name != NULL; r++) {
		if (!fits(r, m, name) || r->data == NULL)
			continue;
		put_record(m, r);
		count++;
		if (r->type == DNS_CNAME)
			name = r->data;
	}
	return count;
}

static void
set_header(struct message *m, unsigned code, bool truncated, unsigned answers)
{
	m->data[2] = (uint8_t)(0x84 | (truncated ? 2 : 0));
	m->data[3] = (uint8_t)(0x80 | code);
	m->data[4] = 0;
	m->data[5] = 1;
	m->data[6] = (uint8_t)(answers >> 8);
	m->data[7] = (uint8_t)answers;
	memset(m->data + 8, 0, 4);
}

static void
make_answer(struct message *m, const struct dns_record *records, enum dns_way way, bool tcp)
{
	unsigned code = way == DNS_NXDOMAIN   ? 3
			: way == DNS_SERVFAIL ? 2
			: way == DNS_REFUSED  ? 5
					      : 0;
	bool truncated = way == DNS_TRUNCATED && !tcp;

	m->len = m->question_end;
	set_header(m, code, truncated, code == 0 && !truncated ? put_answers(m, records) : 0);
	if (way == DNS_CUT)
		m->len -= 3;
	if (way == DNS_GARBAGE)
		memset(m->data + 2, 0xff, m->len - 2);
}

/* Sending -------------------------------------------------------------------------------------- */

static void
send_bytes(const struct dns_reply *r)
{
	uint8_t prefix[2] = {(uint8_t)(r->len >> 8), (uint8_t)r->len};

	if (r->conn == NULL) {
		sendto(r->server->udp, r->data, r->len, 0, (const struct sockaddr *)&r->peer,
		    sizeof r->peer);
		return;
	}
	if (r->conn->fd < 0)
		return;
	send(r->conn->fd, prefix, 2, MSG_NOSIGNAL | MSG_MORE);
	send(r->conn->fd, r->data, r->len, MSG_NOSIGNAL);
}

static void
reply_free(struct dns_reply *r)
{
	struct dns_reply **at = &r->server->replies;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	event_free(r->timer);
	free(r);
}

static void
on_reply(evutil_socket_t fd, short what, void *arg)
{
	struct dns_reply *r = arg;

	(void)fd;
	(void)what;
	if (r->way == DNS_WRONG_ID || r->way == DNS_SPOOFED) {
		r->data[0] ^= 0x55;
		send_bytes(r);
		r->data[0] ^= 0x55;
	}
	if (r->way != DNS_WRONG_ID && r->way != DNS_SILENCE)
		send_bytes(r);
	reply_free(r);
}

static void
answer(struct dns_server *server, struct message *m, struct dns_conn *conn,
    const struct sockaddr_in *peer)
{
	const struct dns_record *r = server->records;
	struct timeval delay;
	struct dns_reply *reply;
	enum dns_way way;

	server->questions++;
	while (r->name != NULL && !fits(r, m, m->name))
		r++;
	way = r->name != NULL ? r->way : DNS_ANSWER;
	make_answer(m, server->records, way, conn != NULL);
	reply = calloc(1, sizeof *reply + m->len);
	reply->server = server;
	reply->conn = conn;
	reply->way = way;
	reply->len = m->len;
	if (peer != NULL)
		reply->peer = *peer;
	memcpy(reply->data, m->data, m->len);
	reply->next = server->replies;
	server->replies = reply;
	delay =
	    (struct timeval){.tv_sec = r->delay_ms / 1000, .tv_usec = r->delay_ms % 1000 * 1000};
	reply->timer = event_new(world.base, -1, 0, on_reply, reply);
	event_add(reply->timer, &delay);
}

/* Receiving ------------------------------------------------------------------------------------ */

static void
on_udp(evutil_socket_t fd, short what, void *arg)
{
	static struct message m;
	struct sockaddr_in peer;
	socklen_t len = sizeof peer;
	ssize_t n =
	    recvfrom(fd, m.data, sizeof m.data, MSG_DONTWAIT, (struct sockaddr *)&peer, &len);

	(void)what;
	m.len = n > 0 ? (size_t)n : 0;
	if (read_question(&m))
		answer(arg, &m, NULL, &peer);
}

static void
conn_hang_up(struct dns_conn *conn)
{
	if (conn->fd < 0)
		return;
	event_free(conn->event);
	close(conn->fd);
	conn->fd = -1;
}

/* Questions are read one at a time, each whole: they are small and written at once. */
static void
on_conn(evutil_socket_t fd, short what, void *arg)
{
	struct dns_conn *conn = arg;
	uint8_t prefix[2];
	ssize_t n = recv(fd, prefix, 2, MSG_DONTWAIT);

	(void)what;
	if (n != 2) {
		conn_hang_up(conn);
		return;
	}
	n = recv(fd, conn->in.data, (size_t)(prefix[0] << 8 | prefix[1]), MSG_DONTWAIT);
	conn->in.len = n > 0 ? (size_t)n : 0;
	conn->server->tcp_questions++;
	ck_assert(read_question(&conn->in));
	answer(conn->server, &conn->in, conn, NULL);
}

static void
on_tcp(evutil_socket_t fd, short what, void *arg)
{
	struct dns_server *server = arg;
	struct dns_conn *conn = calloc(1, sizeof *conn);

	(void)what;
	conn->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(conn->fd, 0);
	conn->server = server;
	conn->next = server->conns;
	server->conns = conn;
	conn->event = event_new(world.base, conn->fd, EV_READ | EV_PERSIST, on_conn, conn);
	event_add(conn->event, NULL);
}

/* The server ----------------------------------------------------------------------------------- */

/* UDP and TCP on one port: the one that UDP gets may be taken for TCP, so that it may need some
 * tries. */
static bool
open_sockets(struct dns_server *server)
{
	struct sockaddr_in addr = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	server->tcp = listen_at("127.0.0.1", &server->port);
	server->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	addr.sin_port = htons(server->port);
	if (bind(server->udp, (struct sockaddr *)&addr, sizeof addr) == 0)
		return true;
	close(server->tcp);
	close(server->udp);
	return false;
}

void
dns_open(struct dns_server *server, const struct dns_record *records)
{
	int tries = 0;

	memset(server, 0, sizeof *server);
	server->records = records;
	while (!open_sockets(server))
		ck_assert_int_lt(++tries, 20);
	server->udp_event =
	    event_new(world.base, server->udp, EV_READ | EV_PERSIST, on_udp, server);
	server->tcp_event =
	    event_new(world.base, server->tcp, EV_READ | EV_PERSIST, on_tcp, server);
	event_add(server->udp_event, NULL);
	event_add(server->tcp_event, NULL);
	snprintf(server->address, sizeof server->address, "127.0.0.1:%u", server->port);
	ck_assert_int_eq(mqev_resolver_set_servers(world.net, server->address), 0);
}

void
dns_close(struct dns_server *server)
{
	while (server->replies != NULL)
		reply_free(server->replies);
	while (server->conns != NULL) {
		struct dns_conn *next = server->conns->next;

		conn_hang_up(server->conns);
		free(server->conns);
		server->conns = next;
	}
	event_free(server->udp_event);
	event_free(server->tcp_event);
	close(server->udp);
	close(server->tcp);
}
