/* Draining clients: what their files and the fleet share of it. */
#ifndef MQEV_CLIENT_DRAIN_H
#define MQEV_CLIENT_DRAIN_H

#include <mqev/queue.h>

struct event;
struct mqev_drain;
struct mqev_fleet_drain;
struct mqev_link;

/* drain.c */
/* Goes on as far as it can; at the end of what the loop calls. The client may be freed then. */
void mqev_drain_step(struct mqev_client *c);
/* The link says good-bye: true if the client leaves for the drain's sake, and that is waited for.
 * drain may be NULL. */
bool mqev_drain_watch(struct mqev_drain *drain, struct mqev_link *link);
/* The link that is waited for is gone; the server closed its side, or not. */
void mqev_drain_link_gone(struct mqev_drain *drain, bool server_closed);
/* The client is being freed: notes what is left, if it is draining; and reports, when all that has
 * been completed. */
void mqev_drain_note_left(struct mqev_client *c);
void mqev_drain_abandon(struct mqev_client *c);

/* fleet_drain.c */
/* One of those that it waits for is done. */
void mqev_fleet_drain_count(struct mqev_fleet_drain *drain, const struct mqev_drain_report *report);
/* From the loop: tells when all are done. */
void mqev_fleet_drain_tell(struct mqev_fleet *fleet);
/* A fleet without clients goes. */
void mqev_fleet_drain_abandon(struct mqev_fleet *fleet);

/* drain.c, for fleet_drain.c */
/* The client's drain, made if there is none, is counted by the fleet's and ends at the fleet's
 * deadline if its own is later. MQEV_ERR_NOMEM. */
int
mqev_drain_join(struct mqev_client *c, uint32_t deadline_ms, struct mqev_fleet_drain *fleet_drain);
/* Undoes it. */
void mqev_drain_leave(struct mqev_client *c);

#endif
