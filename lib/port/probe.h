/* USDT probes: places where a tracer may look in while the program runs. An instruction that does
 * nothing each; nothing at all in a build without <sys/sdt.h>. */
#ifndef MQEV_PORT_PROBE_H
#define MQEV_PORT_PROBE_H

#ifdef HAVE_USDT
#	include <sys/sdt.h>
#	define MQEV_PROBE3(name, a, b, c) DTRACE_PROBE3(mqev, name, a, b, c)
#	define MQEV_PROBE4(name, a, b, c, d) DTRACE_PROBE4(mqev, name, a, b, c, d)
#else
#	define MQEV_PROBE3(name, a, b, c) ((void)(a), (void)(b), (void)(c))
#	define MQEV_PROBE4(name, a, b, c, d) ((void)(a), (void)(b), (void)(c), (void)(d))
#endif

/* The client's address tells clients apart; type is that of the MQTT packet, 1 to 15. */
#define MQEV_PROBE_SEND(client, type, mid, size) MQEV_PROBE4(send, client, type, mid, size)
#define MQEV_PROBE_RECEIVE(client, type, mid, size) MQEV_PROBE4(receive, client, type, mid, size)
/* enum mqev_client_state: what it was and is. */
#define MQEV_PROBE_STATE(client, from, to) MQEV_PROBE3(state, client, from, to)
/* enum mqev_drop and enum mqev_error. */
#define MQEV_PROBE_DROP(client, cause, error) MQEV_PROBE3(drop, client, cause, error)

#endif
