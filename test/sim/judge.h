/*
 * Keeps the history of a run and judges it: what was accepted is completed once and arrives as its
 * QoS promises, in order. Knows numbers only; shares no code with lib/.
 */
#ifndef MQEV_SIM_JUDGE_H
#define MQEV_SIM_JUDGE_H

#include <stdbool.h>

enum { JUDGE_MAX = 1000, JUDGE_TOPICS = 4 };

enum judge_result {
	J_OK,
	J_REFUSED, /* by the broker */
	J_SESSION_LOST,
	J_LINK_LOST, /* QoS 0 only */
	J_EXPIRED,
	J_LIMIT, /* the broker's limits forbid it */
	J_CANCELED,
	J_OTHER
};

/* A message or request of the client. */
struct judge_op {
	unsigned topic, qos;
	bool is_request;
	bool may_expire;
	bool canceled;		/* its completion was asked for */
	unsigned losses_before; /* sessions that were lost before it was accepted */
	unsigned completed;
	enum judge_result result;
	unsigned received; /* by the broker */
	unsigned refused;  /* by the broker */
};

/* A message of the broker. */
struct judge_message {
	unsigned topic, qos;
	unsigned delivered;
	unsigned taken; /* by the application, so that it may not come again at QoS 2 */
	bool completed; /* acknowledged to the end */
	bool lost;	/* with its session */
};

struct judge {
	struct judge_op op[JUDGE_MAX];
	struct judge_message message[JUDGE_MAX];
	unsigned ops, messages;
	unsigned losses;
	bool limits; /* the broker has some */
	unsigned last_received[JUDGE_TOPICS][3];
	unsigned last_delivered[JUDGE_TOPICS][3];
	char error[200];
};

void judge_init(struct judge *j);
void judge_fail(struct judge *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The client's operations, each with a sequence number from 1. */
unsigned judge_new_op(struct judge *j, bool is_request, unsigned topic, unsigned qos);
void judge_not_accepted(struct judge *j, unsigned seq); /* it is the newest */
void judge_completed(struct judge *j, unsigned seq, enum judge_result result);
void judge_received(struct judge *j, unsigned seq, unsigned topic, unsigned qos, bool refused);

/* The broker's messages. */
unsigned judge_new_message(struct judge *j, unsigned topic, unsigned qos);
void judge_delivered(struct judge *j, unsigned token, unsigned topic, unsigned qos);
void judge_taken(struct judge *j, unsigned token);
void judge_message_completed(struct judge *j, unsigned token);
void judge_session_lost(struct judge *j);

/* All has ended. */
void judge_finish(struct judge *j);

#endif
