/* A back end over the one in memory whose commits wait, fail or find no room when a test says so,
 * and that outlives the store which has it open. */
#ifndef MQEV_TEST_GATED_BACKEND_H
#define MQEV_TEST_GATED_BACKEND_H

#include <mqev/store.h>

/* One at a time; what it keeps is forgotten. */
const struct mqev_backend *gated_backend(void);
void gated_forget(void);

/* Commits wait until they are let through; count of them, or all from now on. */
void gated_close_gate(void);
void gated_let_through(int count);
void gated_open_gate(void);
/* Until the writer stands before the closed gate. */
void gated_await_arrival(void);

/* The next call of append or commit returns this, count times; a final error lasts. */
void gated_fail_append(int error, int count);
void gated_fail_commit(int error, int count);

/* So many records fit; more are MQEV_ERR_STORE_FULL. */
void gated_set_room(int records);

int gated_commits(void); /* that succeeded */
int gated_synced(void);	 /* of them with sync */
int gated_records(void); /* that are kept */
/* The bytes of a record, or "" when it has none or is not there; valid until the next call. */
const char *gated_bytes(uint64_t seq);
/* 0 when there is no such record. */
int gated_state_of(uint64_t seq);

#endif
