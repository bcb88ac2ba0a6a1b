/* Options of sockets: checked when they are given, applied when a socket is made. */
#include "net/sockopt.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <string.h>

#include <mqev/reason.h>

#include "port/port.h"

static const char *
fault(const struct mqev_socket_options *options)
{
	struct mqev_addr address;

	if (options->bind_address != NULL && !mqev_addr_parse(options->bind_address, 0, &address))
		return "bind_address is not a literal address";
	if (options->bind_interface != NULL &&
	    (options->bind_interface[0] == '\0' || strlen(options->bind_interface) >= IFNAMSIZ))
		return "bind_interface is not the name of an interface";
	if (options->keepalive_idle_s < 0 || options->keepalive_interval_s < 0 ||
	    options->keepalive_count < 0)
		return "a keepalive setting is negative";
	if (options->receive_buffer_bytes < 0 || options->send_buffer_bytes < 0)
		return "a buffer size is negative";
	return NULL;
}

int
mqev_socket_options_load(
    struct mqev_socket_options *out, const struct mqev_socket_options *given, const char **why)
{
	memset(out, 0, sizeof *out);
	*why = NULL;
	if (given == NULL)
		return 0;
	if (given->size < sizeof given->size)
		*why = "socket: size is not set";
	else
		memcpy(out, given, given->size < sizeof *out ? given->size : sizeof *out);
	if (*why == NULL)
		*why = fault(out);
	return *why != NULL ? MQEV_ERR_INVALID : 0;
}

static int
set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof value);
}

static int
apply_buffers(int fd, const struct mqev_socket_options *options)
{
	if (options->receive_buffer_bytes > 0 &&
	    set_int(fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer_bytes) < 0)
		return -1;
	if (options->send_buffer_bytes > 0)
		return set_int(fd, SOL_SOCKET, SO_SNDBUF, options->send_buffer_bytes);
	return 0;
}

static int
apply_nagle(int fd, const struct mqev_socket_options *options)
{
	return options->nagle ? 0 : set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

static int
apply_keepalive(int fd, const struct mqev_socket_options *options)
{
	if (!options->keepalive)
		return 0;
	return mqev_port_set_keepalive(
	    fd, options->keepalive_idle_s, options->keepalive_interval_s, options->keepalive_count);
}

static int
apply_user_timeout(int fd, const struct mqev_socket_options *options)
{
	if (options->user_timeout_ms == 0)
		return 0;
	return mqev_port_set_user_timeout(fd, options->user_timeout_ms);
}

static int
apply_interface(int fd, const struct mqev_socket_options *options)
{
	if (options->bind_interface == NULL)
		return 0;
	return mqev_port_bind_device(fd, options->bind_interface);
}

static const struct {
	const char *what;
	int (*apply)(int fd, const struct mqev_socket_options *options);
} tcp_options[] = {
    {"TCP_NODELAY", apply_nagle},
    {"keepalive", apply_keepalive},
    {"TCP_USER_TIMEOUT", apply_user_timeout},
    {"bind to interface", apply_interface},
};

static int
bind_local(int fd, const struct mqev_socket_options *options, int family)
{
	static const unsigned char any[16];
	struct mqev_addr local;

	if (options->bind_address == NULL && options->bind_port == 0)
		return 0;
	if (options->bind_address == NULL)
		mqev_addr_set_ip(&local, family, any);
	else
		(void)mqev_addr_parse(options->bind_address, 0, &local);
	if (local.u.sa.sa_family != family) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	mqev_addr_set_port(&local, options->bind_port);
	if (options->bind_port == 0)
		mqev_port_bind_no_port(fd);
	else if (set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0)
		return -1;
	return bind(fd, &local.u.sa, local.len);
}

int
mqev_sockopt_apply(int fd, const struct mqev_socket_options *options, const struct mqev_addr *peer,
    const char **what)
{
	size_t i;

	*what = "set buffer sizes";
	if (apply_buffers(fd, options) < 0)
		return errno;
	if (peer->u.sa.sa_family == AF_UNIX)
		return 0;
	for (i = 0; i < sizeof tcp_options / sizeof tcp_options[0]; i++) {
		*what = tcp_options[i].what;
		if (tcp_options[i].apply(fd, options) < 0)
			return errno;
	}
	*what = "bind";
	return bind_local(fd, options, peer->u.sa.sa_family) < 0 ? errno : 0;
}
