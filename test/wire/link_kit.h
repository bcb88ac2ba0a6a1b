/* A link in the hands of a test: what comes is gathered, its end is noted. Built on net_kit and on
 * a peer in a thread. */
#ifndef LINK_KIT_H
#define LINK_KIT_H

#include "lib/bytes.h"
#include "lib/certs.h"
#include "lib/peer.h"
#include "wire/net_kit.h"

#include <mqev/tls.h>
#include <mqev/websocket.h>

/* Whether links are read on past the bufferevent, as the client does. */
extern bool link_reads_on;
/* Adds fixtures that make it so. */
void link_case_reads_on(TCase *tcase);

struct link {
	struct attempt a;
	struct tk_buf in;
	int came; /* at least `wanted` bytes are there, or the end */
	size_t wanted;
	int ended;
	short what;
	bool may_end_twice;	   /* reading and writing may both fail */
	struct mqev_net_error why; /* of the end */
};

/* Until the server's end is in the socket, with all before it; nothing is read yet. */
void link_await_end_of_socket(const struct link *l, int ms);
/* Waits for the attempt and takes the link over: reads from then on. */
void link_take(struct link *l, int ms);
/* Runs the loop until so many bytes have come in all. */
void link_await_bytes(struct link *l, size_t n, int ms);
void link_await_end(struct link *l, int ms);
/* Until all that was written has reached the kernel. */
void link_await_sent(struct link *l, int ms);
void link_write(struct link *l, const void *data, size_t len);
void link_end(struct link *l);

/* The error of a failed attempt names its cause. */
void assert_error_says(const struct attempt *a, const char *text);

/* A configuration, which must be good. */
struct mqev_tls *tls_of(const struct mqev_tls_options *options);

/* Bytes that differ at each place. */
unsigned char *pattern(size_t len);

#endif
