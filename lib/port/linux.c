/* The functions of port.h on Linux. */
#include "port/port.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

uint64_t
mqev_port_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t
mqev_port_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

int64_t
mqev_port_wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int
mqev_port_random(void *data, size_t size)
{
	char *at = data;

	while (size > 0) {
		ssize_t n = getrandom(at, size, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

int
mqev_port_socket(int family, int type)
{
	return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int
mqev_port_set_user_timeout(int fd, uint32_t timeout_ms)
{
	unsigned int value = timeout_ms;

	return setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, sizeof value);
}

static int
set_if_given(int fd, int option, int value)
{
	if (value == 0)
		return 0;
	return setsockopt(fd, IPPROTO_TCP, option, &value, sizeof value);
}

int
mqev_port_set_keepalive(int fd, int idle_s, int interval_s, int count)
{
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) < 0)
		return -1;
	if (set_if_given(fd, TCP_KEEPIDLE, idle_s) < 0)
		return -1;
	if (set_if_given(fd, TCP_KEEPINTVL, interval_s) < 0)
		return -1;
	return set_if_given(fd, TCP_KEEPCNT, count);
}

int
mqev_port_bind_device(int fd, const char *name)
{
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name));
}

void
mqev_port_bind_no_port(int fd)
{
	int on = 1;

	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
}

/* strerror_r() comes in two shapes, GNU's and POSIX's: its result type tells which. */
static const char *
text_of_gnu(char *result, const char *buffer)
{
	(void)buffer;
	return result;
}

static const char *
text_of_posix(int result, const char *buffer)
{
	return result == 0 ? buffer : "unknown error";
}

void
mqev_port_strerror(int error, char *text, size_t size)
{
	char buffer[128] = "";
	const char *why =
	    _Generic(strerror_r(error, buffer, sizeof buffer), char *: text_of_gnu, int: text_of_posix)(
		strerror_r(error, buffer, sizeof buffer), buffer);
	size_t len = strlen(why);

	if (size == 0)
		return;
	if (len > size - 1)
		len = size - 1;
	memcpy(text, why, len);
	text[len] = '\0';
}

int
mqev_port_wake_new(void)
{
	return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

void
mqev_port_wake(int fd)
{
	const uint64_t one = 1;

	/* A counter that is full wakes as well. */
	while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
		continue;
}

void
mqev_port_wake_clear(int fd)
{
	uint64_t count;

	while (read(fd, &count, sizeof count) < 0 && errno == EINTR)
		continue;
}

/*
 * The set that watches fd says so when it is asked to; any other one is asked for nothing that ever
 * happens, and left as it was.
 */
static bool
watches(int poller, int fd)
{
	struct epoll_event nothing = {.events = 0};

	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &nothing) != 0)
		return errno == EEXIST;
	epoll_ctl(poller, EPOLL_CTL_DEL, fd, NULL);
	return false;
}

int
mqev_port_find_poller(int fd)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return -1;
	for (int poller = 0; (rlim_t)poller < limit.rlim_cur; poller++) {
		if (watches(poller, fd))
			return poller;
	}
	errno = ENOENT;
	return -1;
}

int
mqev_port_process(void)
{
	return (int)getpid();
}
