/* What differs between systems, each as a small function. Knows nothing of the library. */
#ifndef MQEV_PORT_PORT_H
#define MQEV_PORT_PORT_H

#include <stddef.h>
#include <stdint.h>

/* Asks for the cache line at that address, which will be read soon. Nothing is waited for, and where
 * there is no memory nothing happens. (gcc drops calls of functions that do nothing else; the empty
 * instruction stops that.) */
#if defined(__GNUC__)
#	define MQEV_PREFETCH(address)               \
		(__extension__({                     \
			__builtin_prefetch(address); \
			__asm__ volatile("");        \
		}))
#else
#	define MQEV_PREFETCH(address) ((void)(address))
#endif

/* Milliseconds of a clock that is never set back and does not follow the wall clock. */
uint64_t mqev_port_now_ms(void);
/* The same in microseconds, for what is measured. */
uint64_t mqev_port_now_us(void);

/* The wall clock, which may be set: microseconds since 1970. */
int64_t mqev_port_wall_us(void);

/* Fills data from the system's strong random source, without blocking once the system has booted.
 * 0, or -1 with errno. */
int mqev_port_random(void *data, size_t size);

/* A socket that is non-blocking and close-on-exec from birth. The descriptor, or -1 with errno. */
int mqev_port_socket(int family, int type);

/* Socket options that only some systems have. 0, or -1 with errno; ENOPROTOOPT where the system has
 * none. */
int mqev_port_set_user_timeout(int fd, uint32_t timeout_ms);
int mqev_port_set_keepalive(int fd, int idle_s, int interval_s, int count);
int mqev_port_bind_device(int fd, const char *name);

/* Lets many connections share a local port of a bound address; only a hint, so there is no result.
 */
void mqev_port_bind_no_port(int fd);

/*
 * A descriptor by which one thread wakes another that waits for it to be readable: made (-1 with
 * errno), woken from any thread, made quiet again. Never blocks.
 */
int mqev_port_wake_new(void);
void mqev_port_wake(int fd);
void mqev_port_wake_clear(int fd);

/*
 * The poller of this process that waits for fd, of which there must be one at most; -1 with ENOENT
 * when there is none. It costs a system call or two for each descriptor below the one that is
 * found.
 */
int mqev_port_find_poller(int fd);

/* The process, to tell a child from its parent. */
int mqev_port_process(void);

/* The system's text for an errno value, NUL-terminated, cut to size. Any thread. */
void mqev_port_strerror(int error, char *text, size_t size);

#endif
