/* The engine of the fault tests: runs a scenario again and again, each time with another allocation
 * of the library failing, and judges that nothing is lost, leaked or told twice. */
#ifndef FAULT_WORLD_H
#define FAULT_WORLD_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <event2/event.h>

#include <mqev/mqev.h>

#include "fault/fail_mem.h"
#include "lib/auto.h"
#include "lib/loop.h"
#include "lib/make.h"

/* How allocations fail in a run. */
enum fault_mode {
	FAULT_ONCE,  /* the nth only */
	FAULT_SPELL, /* from the nth on all, for a few milliseconds */
	FAULT_MODES
};

struct fault_op {
	int64_t number; /* 0: not accepted yet */
	int completions;
	int error;
};

#define FAULT_OPS 1024

struct world {
	struct event_base *base;
	struct tk_auto *broker;
	struct mqev_fleet *fleet;
	struct mqev_client *client;
	struct event *clock; /* keeps the loop turning */
	bool armed;	     /* a fault is still to come or in progress */
	size_t refused;
	long long spell_until;
	struct fault_op ops[FAULT_OPS];
	int op_count;
	int pending; /* accepted and not completed */
	int step;    /* how far the scenario's act() has come */
	int connects, fails, disconnects, messages[3], done, refusals;
	size_t bytes;	/* of payloads received */
	int released;	/* payloads that were lent */
	bool session_present;
	int counter;	/* for the scenario */
	struct mqev_message *kept;
};

extern struct world world;

struct scenario {
	const char *name;
	struct mqev_options options; /* callbacks and size are filled in */
	const char *where;	     /* as struct tk_auto_options has it */
	bool connect;		     /* connected before the fault is armed */
	bool own_client;	     /* act() makes the client itself */
	void (*before)(void);
	bool (*act)(void);  /* called until it returns true */
	bool (*goal)(void); /* besides: all operations completed */
};

/* All n, both modes. */
void fault_run(const struct scenario *scenario);
/* How many runs there were, for the log. */
extern int fault_runs;

/* For act(): false when memory ran out and the call is to be made again; another error fails. */
bool fault_accept(int64_t result, struct fault_op *op);
struct fault_op *fault_op(void); /* the next one, to be accepted */
bool fault_publish(const char *topic, const void *payload, size_t len, int qos);
bool fault_publish_message(const struct mqev_message *message);
bool fault_subscribe(const char *filter, int qos, mqev_message_cb *on_message);
bool fault_connect(const char *url); /* NULL: to the broker */
void fault_done(struct mqev_client *c, const struct mqev_result *result, void *arg);
void fault_message(struct mqev_client *c, const struct mqev_message *message, void *userdata);
bool fault_connected(void);
void fault_fill_options(struct mqev_options *options);

#endif
