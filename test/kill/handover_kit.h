/* Two stores of which one has a session to give, and a fleet with a hand-over between them: what
 * the tests of hand-overs share. */
#ifndef MQEV_TEST_HANDOVER_KIT_H
#define MQEV_TEST_HANDOVER_KIT_H

#include <check.h>
#include <mqev/mqev.h>
#include <stdbool.h>
#include <stdint.h>

#define MESSAGES 5
#define BASE 1700000000000000 /* the number of the first message */

extern char path_of[2][300]; /* the giver's store, the taker's */

/* The messages of the session "pump". */
struct mqev_record record_of(int i);

/* Both files, the giver's with that session; and both gone. */
void set_up(void);
void tear_down(void);

/* A store's file that nobody has open. */
void *open_back_end(const char *path, bool read_only);
void begin_numbers_at(const char *path, uint64_t seq);

struct found {
	bool client;
	uint32_t number;
	uint32_t flags;
	int records; /* as they were */
};
struct found look(const char *path);

/* Never two owners, never none; and who owns it, or will, has all of it. */
void check_owner(void);

/* --- in one process ----------------------------------------------------------------------------
 */

extern struct both {
	struct event_base *base;
	struct mqev_fleet *fleet;
	struct mqev_store *stores[2];
	int fds[2];
	struct mqev_handover_result results[2];
	char names[2][20];
	int ends;
} both;

/* Both stores open, and closed again; a descriptor that was closed is set to -1. */
void open_both(void);
void close_both(void);

/* A callback: arg is the side as a pointer. */
mqev_handover_cb noted;
int give(const struct mqev_handover_options *options);
int take(const struct mqev_handover_options *options);
/* So many callbacks have come. */
void await_ends(int ends);

/* Of the name "pump"; NULL: it may not be. */
struct mqev_client *client_of(int side);

#endif
