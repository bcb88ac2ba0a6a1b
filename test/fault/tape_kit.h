/* One client's tape to a store on SQLite, used one change after the other; see store/store.h. */
#ifndef MQEV_TEST_TAPE_KIT_H
#define MQEV_TEST_TAPE_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

enum tape_answer { TAPE_DURABLE, TAPE_REFUSED, TAPE_FAILED };

struct tape_kit {
	bool process_only; /* set before tape_open(): P1 */
	struct mqev_store *store;
	struct mqev_tape *tape;
	struct mqev_journal *journal;
	int durable; /* batches */
	int refused;
	int loaded;
	int load_error;
	int failed;
	int wanted; /* the message that is loaded, to be compared with */
	bool same;
};

/* At path over that file layer. The store's
 * error. */
int tape_open(struct tape_kit *kit, const char *path, const char *vfs, uint64_t max_bytes);
int tape_close(struct tape_kit *kit);

/* Appends message number i; its seq, or 0. */
uint64_t tape_put(struct tape_kit *kit, int i, size_t size);
void tape_remove(struct tape_kit *kit, uint64_t seq);
/* Hands over and waits for the answer. */
enum tape_answer tape_wait(struct tape_kit *kit);
/* So many since it was opened. */
void tape_wait_for(struct tape_kit *kit, int batches);
/* TAPE_DURABLE: its bytes are there, or it is not. */
enum tape_answer tape_load(struct tape_kit *kit, uint64_t seq);
/* Whether it is there, and then it has to be number i, byte for byte. */
bool tape_holds(struct tape_kit *kit, uint64_t seq, int i);

#endif
