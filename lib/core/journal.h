/*
 * What a session asks of its store and what the store tells it, without threads, files or clock:
 * changes go in with a ticket, tickets come back when they are durable. Who carries them is not
 * known here (store/tape.c does).
 */
#ifndef MQEV_CORE_JOURNAL_H
#define MQEV_CORE_JOURNAL_H

#include <mqev/store.h>

#include "core/buf.h"

struct mqev_journal;
struct mqev_session;

/* One change on its way to the store. */
struct mqev_entry {
	enum mqev_change_kind
	    kind;	/* PUT, SET, DROP, REMOVE; CLIENT: journal->row as it is now, in a
				  call of its own, for a refused PUT must not take it along */
	bool refusable; /* PUT: may be refused for want of room, alone or with the entries that were
			   appended in the same call; else it waits until there is room */
	struct mqev_journal
	    *of; /* whose record it is, of the same carrier; NULL: that of the journal
				    it is appended by */
	struct mqev_record record; /* bytes and bytes_len are not used; PUT: seq, client, epoch and
				      created_ms are set by append() */
	struct mqev_bytes topic;   /* PUT: what is packed into the record's bytes, copied */
	struct mqev_bytes properties;
	struct mqev_bytes payload;
};

struct mqev_journal_methods {
	/*
	 * Appends count entries to the batch of this turn: all of them, which then become durable
	 * together, or none. Returns the ticket to wait for (positive, the same for all of a turn,
	 * rising), or 0: no memory, or the store has failed (journal->error).
	 */
	uint64_t (*append)(struct mqev_journal *j, struct mqev_entry *entries, size_t count);
	/* Asks for a record's bytes; mqev_session_loaded() follows, in the order of asking, never
	 * before this returned. False: no memory, or the store has failed. */
	bool (*load)(struct mqev_journal *j, uint64_t seq);
};

/* One client's way to its store, made and freed by who carries it. The session reads it and writes
 * row only. */
struct mqev_journal {
	const struct mqev_journal_methods *methods;
	uint64_t durable; /* all that was appended with a ticket up to this one is durable */
	struct mqev_store_client
	    row;	 /* as it is to be kept; the session changes epoch, sent_n,
			    session_ends_ms, flags, and appends it as an entry CLIENT */
	int64_t wall_ms; /* wall clock less the session's clock, both in milliseconds */
	int error;	 /* 0, or why the store has failed for good (E4) */
	void *carrier;	 /* the client's: the same for all that may be appended together */
};

/* True when nothing has to be waited for. */
static inline bool
mqev_journal_is_durable(const struct mqev_journal *j, uint64_t ticket)
{
	return ticket <= j->durable;
}

/* --- the bytes of a record ---------------------------------------------------------------------
 */

/* Topic, properties and payload in one block, in a layout with a version of its own (the first
 * byte). */
size_t mqev_packed_size(const struct mqev_entry *entry);
void mqev_pack(const struct mqev_entry *entry, uint8_t *at);
/* Views of the three in a packed block; false: it is no such block. */
bool mqev_unpack(struct mqev_bytes packed, struct mqev_entry *entry);
/* The same, of what may have been written by others: false too when the library would not have sent
 * it (OUT), or taken it from a server (IN). */
bool
mqev_unpack_checked(struct mqev_bytes packed, enum mqev_record_kind kind, struct mqev_entry *entry);

#endif
