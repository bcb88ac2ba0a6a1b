/* The null broker's program: options, the listening socket, the loop, the report at the end. */
#include "bench/nullbroker.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_PER_TURN 512
#define BACKLOG 4096

static int
usage(void)
{
	fputs(
	    "usage: nullbroker [--port N] [--tls CERTIFICATE] [--ws] [--with-parent]\n"
	    "Answers MQTT 3.1, 3.1.1 and 5.0 on 127.0.0.1 and keeps nothing.\n"
	    "  --port N            the port to listen on (default: a free one)\n"
	    "  --tls CERTIFICATE   speak TLS; the self-made certificate is written to this file\n"
	    "  --ws                speak MQTT inside WebSocket frames, over TLS or not\n"
	    "  --with-parent       end when the program that started this one ends\n"
	    "The first line of its output is a JSON object with port and pid. SIGTERM or SIGINT\n"
	    "ends it; the last line is a JSON object that says what it did.\n"
	    "A client asks for messages by publishing \"COUNT SIZE QOS WINDOW\" to " NB_TOPIC_FLOOD
	    ",\nand for the end of all connections by publishing to " NB_TOPIC_DROP ".\n",
	    stderr);
	return 2;
}

static bool
open_listener(struct nb *nb, uint16_t *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(*port)};
	socklen_t len = sizeof a;
	int one = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	nb->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (nb->listener < 0)
		return false;
	setsockopt(nb->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(nb->listener, (struct sockaddr *)&a, sizeof a) || listen(nb->listener, BACKLOG) ||
	    getsockname(nb->listener, (struct sockaddr *)&a, &len))
		return false;
	*port = ntohs(a.sin_port);
	return true;
}

static bool
open_signals(struct nb *nb)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return false;
	nb->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return nb->signals >= 0;
}

static bool
watch(struct nb *nb, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(nb->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

/* As many descriptors as the machine allows; the tables are sized by it. */
static bool
open_tables(struct nb *nb)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return false;
	limit.rlim_cur = limit.rlim_max < 200000 ? limit.rlim_max : 200000;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		return false;
	nb->conns_len = limit.rlim_cur;
	nb->conns = calloc(nb->conns_len, sizeof *nb->conns);
	/* one entry per connection and turn, and those of the turn before */
	nb->again = calloc(2 * nb->conns_len, sizeof *nb->again);
	nb->in = malloc(NB_ROOM_BYTES);
	nb->out = malloc(NB_ROOM_BYTES);
	nb->framed = malloc(2 * NB_ROOM_BYTES);
	return nb->conns && nb->again && nb->in && nb->out && nb->framed;
}

static bool
open_broker(struct nb *nb, uint16_t *port, const char *certificate)
{
	if (!open_tables(nb) || !open_listener(nb, port) || !open_signals(nb)) {
		perror("nullbroker");
		return false;
	}
	if (certificate) {
		nb->tls = nb_tls_new(certificate);
		if (!nb->tls)
			return false;
	}
	nb->epoll = epoll_create1(EPOLL_CLOEXEC);
	nb->accepting = true;
	if (nb->epoll >= 0 && watch(nb, nb->listener) && watch(nb, nb->signals))
		return true;
	perror("nullbroker");
	return false;
}

static void
dispatch(struct nb *nb, int fd, uint32_t events)
{
	if (fd == nb->listener)
		nb_accept(nb);
	else if (fd == nb->signals)
		nb->stop = true;
	else if (nb->conns[fd])
		nb_conn_event(nb, nb->conns[fd], events);
}

static void
dispatch_again(struct nb *nb)
{
	size_t i, n = nb->again_len;
	int fd;

	for (i = 0; i < n; i++) {
		fd = nb->again[i];
		if (fd < 0)
			continue;
		nb->again[i] = -1;
		nb->conns[fd]->again = false;
		dispatch(nb, fd, EPOLLIN);
	}
	nb->again_len -= n;
	memmove(nb->again, nb->again + n, nb->again_len * sizeof *nb->again);
}

static bool
loop(struct nb *nb)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int i, n;

	while (!nb->stop) {
		n = epoll_wait(nb->epoll, events, EVENTS_PER_TURN, nb->again_len ? 0 : -1);
		if (n < 0 && errno != EINTR)
			return false;
		dispatch_again(nb);
		for (i = 0; i < n; i++)
			dispatch(nb, events[i].data.fd, events[i].events);
		if (nb->drop_wanted)
			nb_drop_all(nb);
	}
	return true;
}

static double
cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void
report(const struct nb *nb)
{
	const struct nb_stats *s = &nb->stats;
	double busy = (double)(s->busy_to_ns - s->busy_from_ns) / 1e9;
	double cpu = (double)(s->busy_cpu_to_ns - s->busy_cpu_from_ns) / 1e9;

	printf("{\"connections\": %" PRIu64 ", \"connected_max\": %" PRIu64
	       ", \"messages_in\": %" PRIu64 ", \"payload_bytes_in\": %" PRIu64
	       ", \"messages_out\": %" PRIu64 ", \"pings\": %" PRIu64 ", \"drops\": %" PRIu64
	       ", \"errors\": %" PRIu64
	       ", \"cpu_s\": %.6f, \"busy_wall_s\": %.6f, \"busy_cpu_share\": %.3f}\n",
	    s->connections, s->connected_max, s->messages_in, s->payload_bytes_in, s->messages_out,
	    s->pings, s->drops, s->errors, cpu_seconds(), busy, busy > 0 ? cpu / busy : 0);
}

static void
close_broker(struct nb *nb)
{
	size_t fd;

	for (fd = 0; nb->conns && fd < nb->conns_len; fd++)
		if (nb->conns[fd])
			nb_conn_close(nb, nb->conns[fd]);
	close(nb->listener);
	close(nb->signals);
	close(nb->epoll);
	SSL_CTX_free(nb->tls);
	free(nb->conns);
	free(nb->again);
	free(nb->in);
	free(nb->out);
	free(nb->framed);
}

static bool
read_port(const char *text, uint16_t *port)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	*port = (uint16_t)v;
	return *text && !*end && v <= 65535;
}

static const struct option options[] = {
    {"port", required_argument, NULL, 'p'},
    {"tls", required_argument, NULL, 't'},
    {"ws", no_argument, NULL, 'f'},
    {"with-parent", no_argument, NULL, 'w'},
    {NULL, 0, NULL, 0},
};

int
main(int argc, char **argv)
{
	struct nb nb = {.epoll = -1, .listener = -1, .signals = -1};
	const char *certificate = NULL;
	uint16_t port = 0;
	int c;
	bool ok;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 't')
			certificate = optarg;
		else if (c == 'f')
			nb.websocket = true;
		else if (c == 'w')
			prctl(PR_SET_PDEATHSIG, SIGTERM);
		else if (c != 'p' || !read_port(optarg, &port))
			return usage();
	}
	if (optind != argc)
		return usage();
	ok = open_broker(&nb, &port, certificate);
	if (ok) {
		printf("{\"port\": %u, \"pid\": %ld}\n", port, (long)getpid());
		fflush(stdout);
		ok = loop(&nb);
		report(&nb);
	}
	close_broker(&nb);
	return ok ? 0 : 1;
}
