/* What a fleet counts of its clients beside the tally of their sessions. Hot paths count there. */
#ifndef MQEV_CLIENT_FIGURES_H
#define MQEV_CLIENT_FIGURES_H

#include <mqev/client.h>
#include <mqev/stats.h>

struct mqev_session_end;

struct mqev_figures {
	uint64_t attempts;
	uint64_t connects;
	uint64_t descriptor_holds;
	uint64_t parked;
	uint64_t unreadable;
	uint64_t drops[MQEV_STATS_CAUSES];
	uint64_t ends[MQEV_STATS_CAUSES];
	uint64_t connect_failures[MQEV_STATS_STAGES];
	uint64_t states[MQEV_STATS_STATES];
	struct mqev_histogram loop_lag_us;
	uint64_t loop_lag_longest_us;
	uint64_t tick_due_us;
};

/* What a client counts by itself; bytes and messages are its session's, attempts have numbers. */
struct mqev_client_figures {
	uint32_t drops;
	uint32_t connects;
	uint32_t connect_failures;
	uint32_t ends;
};

/* The client's state is about to become another one. */
void mqev_figures_state(struct mqev_client *c, enum mqev_client_state next);
/* A message was not accepted, or its operation ended with this error. */
void mqev_figures_drop(struct mqev_client *c, int error);
/* A message was accepted only to be dropped, as there is no connection. */
void mqev_figures_drop_offline(struct mqev_client *c);
void mqev_figures_attempt(struct mqev_client *c);
void mqev_figures_connected(struct mqev_client *c);
void mqev_figures_connect_failed(struct mqev_client *c, enum mqev_stage stage);
void mqev_figures_ended(struct mqev_client *c, const struct mqev_session_end *end);

/* The tick is to come at that time; and it has come. */
void mqev_figures_expect_tick(struct mqev_figures *f, uint64_t at_us);
void mqev_figures_tick(struct mqev_figures *f, uint64_t now_us);

#endif
