/* Clients whose sessions a store keeps: their way from the loop to the store's writer and back. */
#ifndef MQEV_CLIENT_DURABLE_H
#define MQEV_CLIENT_DURABLE_H

#include <mqev/client.h>

#include "core/journal.h"

struct mqev_fleet;

/* What a fleet has of one store. */
struct mqev_durable;
struct mqev_tape;

/* A client that is being made gets its journal, and what the store has of its session. 0;
 * MQEV_ERR_INVALID, MQEV_ERR_NOMEM, MQEV_ERR_SYSTEM, MQEV_ERR_STORE_BUSY, or why the store has
 * failed. */
int mqev_durable_attach(struct mqev_client *c, const struct mqev_options *options);

/* Ends the session with MQEV_ERR_CANCELED, or MQEV_KEPT for what the store keeps, and gives that
 * back to the store. */
void mqev_durable_detach(struct mqev_client *c);

/* The client has another identifier from now on. False: no memory, or the store has failed. */
bool mqev_durable_set_id(struct mqev_client *c);

/* 0, or why the client's store has failed. */
int mqev_durable_error(const struct mqev_client *c);

/* At the end of a turn of the loop: what has gathered goes to the writers. */
void mqev_durable_hand_over(struct mqev_fleet *fleet);

/* This is a child of the process that the store belongs to: its writer is not here, and nothing of
 * the store's is touched any more. */
void mqev_durable_forked(struct mqev_fleet *fleet);

/* No client is left. */
void mqev_durable_free_all(struct mqev_fleet *fleet);

/* Of who has something for a store's writer and is no client: the fleet's tape of it, as long as it
 * is used. NULL: no memory or descriptor. */
struct mqev_durable *mqev_durable_use(struct mqev_fleet *fleet, struct mqev_store *store);
void mqev_durable_drop(struct mqev_durable *d);
struct mqev_tape *mqev_durable_tape(const struct mqev_durable *d);
bool mqev_durable_is_foreign(const struct mqev_durable *d);
/* Blocks until the writer has given something back, and takes it. */
void mqev_durable_await(struct mqev_durable *d);

/* --- tokens.c: which client has the message of a token -----------------------------------------
 */

struct mqev_tokens;

/* False: no memory. */
bool mqev_tokens_add(struct mqev_fleet *fleet, uint64_t token, struct mqev_client *c);
void mqev_tokens_remove(struct mqev_fleet *fleet, uint64_t token);
/* NULL: nobody has it. */
struct mqev_client *mqev_tokens_find(const struct mqev_fleet *fleet, uint64_t token);

#endif
