/* What a store is to hold, as a model beside it: changes at random, and a digest to compare by. */
#ifndef MQEV_TEST_POWER_MODEL_H
#define MQEV_TEST_POWER_MODEL_H

#include <mqev/store.h>
#include <stdbool.h>

#define MODEL_RECORDS 512
#define MODEL_CLIENTS 4

struct model_record {
	struct mqev_record record; /* bytes_len 0: it has none; what they are follows from seq */
	bool there;
};

struct model {
	uint64_t random;
	uint64_t seq; /* the first free number as it is kept; 0: never */
	size_t count; /* records that ever were, by seq from 1 */
	bool large;   /* messages of some 100 kB as well */
	struct mqev_store_client clients[MODEL_CLIENTS];
	bool has_client[MODEL_CLIENTS];
	struct model_record records[MODEL_RECORDS];
};

uint64_t model_draw(struct model *m, uint64_t below);

/* Makes one change at random and hands it to the back end; its result. */
int model_change(struct model *m, const struct mqev_backend *backend, void *state);

/* Of what the model holds, and of what the store does: equal when they hold the same. */
uint64_t model_digest(const struct model *m);
int model_digest_of(const struct mqev_backend *backend, void *state, uint64_t *digest);

#endif
