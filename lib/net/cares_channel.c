/* A c-ares channel on an event_base: sockets, timer, and an end when nobody needs it. What is asked
 * over it is dns_cares.c's matter. */
#include "net/cares_channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <event2/event.h>

#include "core/mem.h"
#include "port/port.h"

#define TRY_MS 2000 /* the first try with a server; each further one waits twice as long */
#define TRIES 3
#define DNS_PORT 53
#define TICK_MS 100 /* how often c-ares looks at its deadlines while it has any */

struct socket_watch {
	struct mqev_link link; /* first, so that it can be cast */
	struct mqev_cares_channel *channel;
	ares_socket_t fd;
	struct event event;
};

/* Sockets, made so that no child inherits them and a broken TCP connection raises no signal. ------
 */

static ares_socket_t
socket_open(int domain, int type, int protocol, void *arg)
{
	(void)protocol;
	(void)arg;
	return mqev_port_socket(domain, type);
}

static int
socket_close(ares_socket_t fd, void *arg)
{
	(void)arg;
	return close(fd);
}

static int
socket_connect(ares_socket_t fd, const struct sockaddr *addr, ares_socklen_t len, void *arg)
{
	(void)arg;
	return connect(fd, addr, len);
}

static ares_ssize_t
socket_receive(ares_socket_t fd, void *data, size_t size, int flags, struct sockaddr *from,
    ares_socklen_t *from_len, void *arg)
{
	(void)arg;
	return recvfrom(fd, data, size, flags, from, from_len);
}

/*
 * A datagram socket reports at a send that an earlier datagram was refused. The earlier question
 * would wait in vain then: the repeated send brings the news again, where it is looked for, at the
 * receive.
 */
static ares_ssize_t
socket_send(ares_socket_t fd, const struct iovec *pieces, int count, void *arg)
{
	struct msghdr message;
	ssize_t n;

	(void)arg;
	memset(&message, 0, sizeof message);
	message.msg_iov = (struct iovec *)(uintptr_t)pieces;
	message.msg_iovlen = (size_t)count;
	n = sendmsg(fd, &message, MSG_NOSIGNAL);
	return n < 0 && errno == ECONNREFUSED ? sendmsg(fd, &message, MSG_NOSIGNAL) : n;
}

static const struct ares_socket_functions socket_functions = {
    .asocket = socket_open,
    .aclose = socket_close,
    .aconnect = socket_connect,
    .arecvfrom = socket_receive,
    .asendv = socket_send,
};

/* Events --------------------------------------------------------------------------------------- */

static void
on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct mqev_cares_channel *channel = ((struct socket_watch *)arg)->channel;

	/* The watch may be gone after this. */
	ares_process_fd(channel->ares, what & EV_READ ? fd : ARES_SOCKET_BAD,
	    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
	mqev_cares_channel_settle(channel);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct mqev_cares_channel *channel = arg;

	(void)fd;
	(void)what;
	ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	mqev_cares_channel_settle(channel);
}

static struct socket_watch *
find_watch(struct mqev_cares_channel *channel, ares_socket_t fd)
{
	struct mqev_link *at;

	for (at = channel->sockets.next; at != &channel->sockets; at = at->next) {
		if (((struct socket_watch *)at)->fd == fd)
			return (struct socket_watch *)at;
	}
	return NULL;
}

static struct socket_watch *
add_watch(struct mqev_cares_channel *channel, ares_socket_t fd)
{
	struct socket_watch *watch = mqev_calloc(1, sizeof *watch);

	if (watch == NULL)
		return NULL;
	watch->channel = channel;
	watch->fd = fd;
	mqev_link_init(&watch->link);
	mqev_link_append(&channel->sockets, &watch->link);
	event_assign(&watch->event, channel->base, fd, 0, on_socket, watch);
	return watch;
}

static void
remove_watch(struct socket_watch *watch)
{
	event_del(&watch->event);
	mqev_link_remove(&watch->link);
	mqev_free(watch);
}

static void
on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct mqev_cares_channel *channel = arg;
	struct socket_watch *watch = find_watch(channel, fd);
	short events = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));

	if (events == 0) {
		if (watch != NULL)
			remove_watch(watch);
		return;
	}
	if (watch == NULL)
		watch = add_watch(channel, fd);
	if (watch == NULL) {
		channel->out_of_memory = true;
		return;
	}
	event_del(&watch->event);
	event_assign(
	    &watch->event, channel->base, fd, (short)(events | EV_PERSIST), on_socket, watch);
	if (event_add(&watch->event, NULL) < 0)
		channel->out_of_memory = true;
}

/* The channel ---------------------------------------------------------------------------------- */

static int
init_ares(struct mqev_cares_channel *channel, const struct mqev_cares_source *source)
{
	char lookups[] = "fb"; /* hosts file, then DNS */
	struct ares_options options;
	int status;

	memset(&options, 0, sizeof options);
	options.timeout = TRY_MS;
	options.tries = TRIES;
	options.lookups = lookups;
	options.resolvconf_path = (char *)(uintptr_t)source->conf_path; /* only read */
	options.udp_port = options.tcp_port = source->port != 0 ? source->port : DNS_PORT;
	options.sock_state_cb = on_socket_state;
	options.sock_state_cb_data = channel;
	status = ares_init_options(&channel->ares, &options,
	    ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_RESOLVCONF |
		ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT | ARES_OPT_SOCK_STATE_CB);
	if (status != ARES_SUCCESS)
		return status;
	ares_set_socket_functions(channel->ares, &socket_functions, NULL);
	if (source->servers != NULL)
		status = ares_set_servers_ports_csv(channel->ares, source->servers);
	if (status != ARES_SUCCESS)
		ares_destroy(channel->ares);
	return status;
}

struct mqev_cares_channel *
mqev_cares_channel_new(struct event_base *base, struct mqev_link *head,
    const struct mqev_cares_source *source, int *status)
{
	struct mqev_cares_channel *channel = mqev_calloc(1, sizeof *channel);

	*status = ARES_ENOMEM;
	if (channel == NULL)
		return NULL;
	channel->base = base;
	mqev_link_init(&channel->link);
	mqev_link_init(&channel->sockets);
	event_assign(&channel->timer, base, -1, 0, on_timer, channel);
	*status = init_ares(channel, source);
	if (*status != ARES_SUCCESS) {
		mqev_free(channel);
		return NULL;
	}
	mqev_link_append(head, &channel->link);
	return channel;
}

void
mqev_cares_channel_free(struct mqev_cares_channel *channel)
{
	ares_destroy(channel->ares);
	while (!mqev_link_alone(&channel->sockets))
		remove_watch((struct socket_watch *)channel->sockets.next);
	event_del(&channel->timer);
	mqev_link_remove(&channel->link);
	mqev_free(channel);
}

/* Asking c-ares for its next deadline would cost a walk over all questions each time. */
static void
set_timer(struct mqev_cares_channel *channel)
{
	struct timeval tv = {.tv_usec = TICK_MS * 1000};

	if (channel->pending == 0)
		event_del(&channel->timer);
	else if (!event_pending(&channel->timer, EV_TIMEOUT, NULL) &&
		 event_add(&channel->timer, &tv) < 0)
		ares_cancel(channel->ares);
}

void
mqev_cares_channel_settle(struct mqev_cares_channel *channel)
{
	if (channel->pending > 0 && (channel->wanted == 0 || channel->out_of_memory))
		ares_cancel(channel->ares);
	channel->out_of_memory = false;
	if (channel->retired && channel->pending == 0)
		mqev_cares_channel_free(channel);
	else
		set_timer(channel);
}
