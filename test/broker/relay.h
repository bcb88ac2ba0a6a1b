/* A relay between clients and a broker that can lose what is under way; knows nothing of MQTT. */
#ifndef RELAY_H
#define RELAY_H

#include <stdbool.h>
#include <stddef.h>

struct event_base;
struct relay;

/* Listens on a free loopback port; each connection is carried on to the broker's. */
struct relay *relay_new(struct event_base *base, int broker_port);
void relay_free(struct relay *relay);
const char *relay_url(const struct relay *relay);

/* While it is on, what the broker sends stays here, and is lost at a cut. */
void relay_hold_down(struct relay *relay, bool on);
/* Resets all connections, both sides. */
void relay_cut(struct relay *relay);

/* Bytes carried since the relay was made. */
size_t relay_up(const struct relay *relay);
size_t relay_down(const struct relay *relay);

#endif
