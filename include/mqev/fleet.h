/* The fleet: what clients on one event_base share. */
#ifndef MQEV_FLEET_H
#define MQEV_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mqev/export.h>

struct event_base;

#ifdef __cplusplus
extern "C" {
#endif

/* Clients of one event_base, their buffers, resolver and clock tick. Used in the thread of that
 * base only. */
struct mqev_fleet;

struct mqev_fleet_options {
	size_t size;
	bool keep_sigpipe; /* leave SIGPIPE alone; else, if it is SIG_DFL when a connection starts,
			      it is set to SIG_IGN */
};

#ifndef __cplusplus
#	define MQEV_FLEET_OPTIONS(...)        \
		(&(struct mqev_fleet_options){ \
		    .size = sizeof(struct mqev_fleet_options), __VA_ARGS__})
#endif

/* A fleet on the caller's event_base, which must outlive it (options NULL: defaults). NULL when
 * memory runs out or an option is invalid. */
MQEV_EXPORT struct mqev_fleet *
mqev_fleet_new(struct event_base *base, const struct mqev_fleet_options *options);

/* Frees the fleet and, first, the clients that are left in it, as mqev_client_free() does. Legal in
 * every callback. NULL is ignored. */
MQEV_EXPORT void mqev_fleet_free(struct mqev_fleet *fleet);

MQEV_EXPORT struct event_base *mqev_fleet_base(const struct mqev_fleet *fleet);

/* mqev_network_changed() for all clients. */
MQEV_EXPORT void mqev_fleet_network_changed(struct mqev_fleet *fleet);

/* How many clients there are. */
MQEV_EXPORT size_t mqev_fleet_client_count(const struct mqev_fleet *fleet);

#ifdef __cplusplus
}
#endif

#endif
