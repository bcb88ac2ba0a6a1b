/*
 * A store for a vclient that the test plays: what the session appends stands in the vclient's
 *record as text, and is durable when the test says so. Knows lib/core, as the vclient does.
 *
 *	put 1 out accepted n0 q1          seq, direction, state, number, QoS
 *	put 2 in received #5 q2           identifier
 *	set, drop                         the same, of the record's new state
 *	remove 1
 *	client e1 n256 session doubtful ends 5000    epoch, sent_n, flags, session_ends_ms
 *	load 1                            the bytes of it are asked for
 */
#ifndef MQEV_TEST_VJOURNAL_H
#define MQEV_TEST_VJOURNAL_H

#include "core/journal.h"
#include "lib/vclient.h"

#define VJ_RECORDS 512
#define VJ_CHANGES 4096

/* A record with its bytes. */
struct vj_record {
	struct mqev_record r;
	uint8_t *bytes;
	bool there;
};

struct vj_change {
	enum mqev_change_kind kind;
	struct mqev_record r;
	uint8_t *bytes;
	struct mqev_store_client row;
	uint64_t ticket;
	bool refused;
	bool refusable;
};

struct vjournal {
	struct mqev_journal base; /* first */
	struct vclient *v;
	struct vj_record records[VJ_RECORDS]; /* what is durable, by seq */
	struct vj_change changes[VJ_CHANGES]; /* what is not yet */
	size_t count;
	struct mqev_store_client row; /* as it is durable */
	uint64_t next_seq;
	uint64_t ticket;
	uint64_t loads[64];
	size_t load_count;
	bool no_memory; /* appends and loads fail */
	bool at_once;	/* each append is durable before it returned */
	bool quiet;	/* nothing of it in the record */
};

/* An empty store, beside which the vclient's session begins anew, with what the store has. */
void vjournal_init(struct vjournal *j, struct vclient *v);
void vjournal_free(struct vjournal *j);

/* All that was appended is durable, or all up to a ticket; then the session hears of it and is
 * pumped. */
void vjournal_commit(struct vjournal *j);
void vjournal_commit_to(struct vjournal *j, uint64_t ticket);
/* There is no room for the refusable group of seq; told at once. */
void vjournal_refuse(struct vjournal *j, uint64_t seq);
/* Answers what was asked for; error: instead of the bytes. */
void vjournal_answer(struct vjournal *j, int error);
/* The store fails for good. */
void vjournal_fail(struct vjournal *j, int error);
/* The process is killed: what is not durable is gone, and a new one begins with the rest. */
void vjournal_crash(struct vjournal *j);
/* The client is freed and made again in the same process. */
void vjournal_again(struct vjournal *j);

#endif
