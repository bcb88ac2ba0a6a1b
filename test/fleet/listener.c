/* The counting server: a process with its own loop, and the memory that it shares with the test. */
#include "fleet/listener.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "lib/loop.h"

#define SLOT_MS 250

struct server;

/* The clients of these tests send CONNECT, PINGREQ and DISCONNECT only. */
struct peer {
	struct server *server;
	struct peer *next, **at;
	struct event *readable;
	struct event *answer;
	evutil_socket_t fd;
	long long last_ms; /* 0: before its CONNACK */
	size_t missing;	   /* of its CONNECT */
	int connected;
};

struct server {
	struct listener *shared;
	struct event_base *base;
	struct peer *peers;
	int waiting;
	long long slot;
	int slot_pings;
	long long away_until;
};

static void
drop(struct peer *p)
{
	*p->at = p->next;
	if (p->next != NULL)
		p->next->at = p->at;
	if (p->connected)
		p->server->shared->online--;
	else
		p->server->waiting--;
	event_free(p->readable);
	event_free(p->answer);
	evutil_closesocket(p->fd);
	free(p);
}

static void
on_answer(evutil_socket_t fd, short what, void *arg)
{
	static const unsigned char connack[] = {0x20, 2, 0, 0};
	struct peer *p = arg;

	(void)fd;
	(void)what;
	if (send(p->fd, connack, sizeof(connack), MSG_NOSIGNAL) != (ssize_t)sizeof(connack)) {
		drop(p);
		return;
	}
	p->connected = 1;
	p->last_ms = tk_now_ms();
	p->server->waiting--;
	p->server->shared->online++;
}

/* The rest of a CONNECT of less than 128 bytes; false: it is none. */
static int
read_connect(struct peer *p, const unsigned char *bytes, size_t len)
{
	int ms = p->server->shared->answer_after_ms;
	const struct timeval wait = {ms / 1000, ms % 1000 * 1000};

	if (p->missing == 0) {
		if (len < 2 || bytes[0] != 0x10 || bytes[1] >= 128)
			return 0;
		p->missing = 2 + (size_t)bytes[1];
	}
	if (len > p->missing)
		return 0;
	p->missing -= len;
	if (p->missing == 0)
		event_add(p->answer, &wait);
	return 1;
}

static void
count_ping(struct server *s, long long now)
{
	if (now / SLOT_MS != s->slot) {
		s->slot = now / SLOT_MS;
		s->slot_pings = 0;
	}
	s->shared->pings++;
	if (++s->slot_pings > s->shared->most_pings)
		s->shared->most_pings = s->slot_pings;
}

static int
read_ping(struct peer *p, const unsigned char *bytes, size_t len)
{
	static const unsigned char pong[] = {0xd0, 0};
	struct listener *shared = p->server->shared;
	long long now = tk_now_ms();

	if (len == 2 && bytes[0] == 0xe0)
		return 0; /* it leaves */
	if (len != 2 || bytes[0] != 0xc0 || bytes[1] != 0) {
		shared->wrong++;
		return 0;
	}
	if (now - p->last_ms > shared->longest_silence_ms)
		shared->longest_silence_ms = (int)(now - p->last_ms);
	p->last_ms = now;
	count_ping(p->server, now);
	return send(p->fd, pong, sizeof(pong), MSG_NOSIGNAL) == (ssize_t)sizeof(pong);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	unsigned char bytes[256];
	struct peer *p = arg;
	ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

	(void)what;
	if (n <= 0 ||
	    !(p->connected ? read_ping(p, bytes, (size_t)n) : read_connect(p, bytes, (size_t)n)))
		drop(p);
}

static void
note_accepted(struct server *s)
{
	struct listener *shared = s->shared;

	if (shared->accepted < LISTENER_MOST)
		shared->accepted_at[shared->accepted] = tk_now_ms();
	shared->accepted++;
	if (++s->waiting > shared->most_waiting)
		shared->most_waiting = s->waiting;
}

static void
on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int len,
    void *arg)
{
	struct server *s = arg;
	struct peer *p;

	(void)listener;
	(void)address;
	(void)len;
	if (tk_now_ms() < s->away_until) {
		evutil_closesocket(fd);
		return;
	}
	p = calloc(1, sizeof(*p));
	p->server = s;
	p->fd = fd;
	p->next = s->peers;
	p->at = &s->peers;
	if (p->next != NULL)
		p->next->at = &p->next;
	s->peers = p;
	p->answer = evtimer_new(s->base, on_answer, p);
	p->readable = event_new(s->base, fd, EV_READ | EV_PERSIST, on_readable, p);
	event_add(p->readable, NULL);
	note_accepted(s);
}

/* The test asks by the shared memory. */
static void
on_look(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	(void)fd;
	(void)what;
	if (!s->shared->drop)
		return;
	s->away_until = tk_now_ms() + s->shared->away_ms;
	while (s->peers != NULL)
		drop(s->peers);
	s->shared->drop = 0;
}

static void
serve(struct listener *shared, int fd)
{
	const struct timeval often = {0, 10000};
	struct server s = {.shared = shared, .base = event_base_new()};
	struct event *look = event_new(s.base, -1, EV_PERSIST, on_look, &s);

	evutil_make_socket_nonblocking(fd);
	evconnlistener_new(
	    s.base, on_accept, &s, LEV_OPT_CLOSE_ON_EXEC, 0 /* it listens already */, fd);
	event_add(look, &often);
	event_base_dispatch(s.base);
}

static int
listening_socket(int *port)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 4096), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

struct listener *
listener_start(int answer_after_ms)
{
	struct listener *l =
	    mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;
	int fd;

	ck_assert_ptr_ne(l, MAP_FAILED);
	l->answer_after_ms = answer_after_ms;
	fd = listening_socket(&l->port);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(l, fd);
		_exit(0);
	}
	l->pid = pid;
	close(fd);
	return l;
}

void
listener_stop(struct listener *l)
{
	kill(l->pid, SIGKILL);
	waitpid(l->pid, NULL, 0);
	munmap(l, sizeof(*l));
}

void
listener_reset_connections(struct listener *l)
{
	l->accepted = 0;
	l->most_waiting = 0;
}

void
listener_reset_pings(struct listener *l)
{
	l->longest_silence_ms = 0;
	l->pings = 0;
	l->most_pings = 0;
}

int
listener_most_per_second(const struct listener *l)
{
	int most = 0;

	for (int first = 0, i = 0; i < l->accepted && i < LISTENER_MOST; i++) {
		while (l->accepted_at[i] - l->accepted_at[first] >= 1000)
			first++;
		if (i - first + 1 > most)
			most = i - first + 1;
	}
	return most;
}
