/* Durable sessions: what is kept of a client, and the interface behind which a back end keeps it.
 */
#ifndef MQEV_STORE_H
#define MQEV_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mqev/export.h>
#include <mqev/reason.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What is kept
 *
 * A store keeps clients and, of each, the messages that are not finished. It has one total order of
 * changes; they become durable in that order, so that a change is never there without all earlier
 * ones.
 */

enum mqev_record_kind {
	MQEV_RECORD_OUT = 1, /* published by the application */
	MQEV_RECORD_IN	     /* received from the server */
};

enum mqev_record_state {
	/* OUT */
	MQEV_RECORD_ACCEPTED = 1, /* not sent, or PUBLISH was sent -> RELEASED, removed */
	MQEV_RECORD_RELEASED,	  /* QoS 2: PUBREC came, PUBREL may have been sent -> removed */
	/* IN */
	MQEV_RECORD_RECEIVED, /* its identifier is in use, the application is not done with it ->
				 FREED, DONE */
	MQEV_RECORD_FREED,    /* no identifier, the application is not done with it -> removed */
	MQEV_RECORD_DONE      /* its identifier is in use, the application is done -> removed */
};

enum mqev_record_flag {
	MQEV_RECORD_RETAIN = 1,
	MQEV_RECORD_DUP = 2, /* IN: as the server sent it */
	MQEV_RECORD_SENT = 4 /* OUT: took another n, and may have been sent */
};

/* One message. RELEASED and DONE have no bytes. */
struct mqev_record {
	uint64_t seq;	    /* arrival number in the store, never used twice: the key, and the
			       application's token */
	uint64_t n;	    /* OUT: the client's number; the identifier is 1 + n mod 64,511 */
	uint64_t cookie;    /* OUT: the application's, see struct mqev_message */
	int64_t created_ms; /* wall clock, milliseconds since 1970 */
	int64_t expires_ms; /* wall clock; 0: never */
	const void *bytes;  /* topic, properties and payload, packed and maybe encrypted: any bytes
			       to a back end. NULL where an index is loaded */
	size_t bytes_len;   /* set there too */
	uint32_t client;
	uint32_t epoch; /* IN: of the session that mid belongs to; older than the client's: mid is
			   void */
	uint16_t mid;	/* IN: packet identifier; 0: none */
	uint8_t kind;	/* enum mqev_record_kind */
	uint8_t state;	/* enum mqev_record_state */
	uint8_t qos;
	uint8_t flags; /* enum mqev_record_flag */
};

enum mqev_store_client_flag {
	MQEV_STORE_CLIENT_SESSION = 1,	/* the server was left with a session of ours */
	MQEV_STORE_CLIENT_DOUBTFUL = 2, /* CONNECT was sent and its CONNACK not taken in: the
					   session may be another one */
	/* Of a hand-over (<mqev/handover.h>), whose number stands in the bits from 8 on. */
	MQEV_STORE_CLIENT_INCOMING = 4, /* is here whole, and still the other process's */
	MQEV_STORE_CLIENT_GONE = 8	/* is the other process's, which has not confirmed it */
};

/* One client. Never a password or other credential. */
struct mqev_store_client {
	uint32_t client;       /* from 1, never used twice in a store */
	uint32_t epoch;	       /* how many sessions were lost or given up */
	const char *name;      /* what the application calls it; unique */
	const char *client_id; /* in use, for one that the server assigned; "": none yet */
	uint64_t sent_n;       /* OUT records with n below may have been sent in this session */
	int64_t
	    session_ends_ms; /* wall clock: the server's session is gone past it; 0: not known */
	uint32_t flags;	     /* enum mqev_store_client_flag */
};

enum mqev_change_kind {
	MQEV_CHANGE_PUT = 1, /* record, with its bytes, is new */
	MQEV_CHANGE_SET,     /* n, epoch, mid, state and flags of the record with that seq */
	MQEV_CHANGE_DROP,    /* the same, and its bytes are removed */
	MQEV_CHANGE_REMOVE,  /* the record with that seq is gone */
	MQEV_CHANGE_CLIENT,  /* client is new, or takes the place of the one of that number */
	MQEV_CHANGE_FORGET,  /* the client of that number and all its records are gone */
	MQEV_CHANGE_SEQ	     /* record->seq is the first number that was never used */
};

/* SET, DROP and REMOVE of a record that is not there, and FORGET of such a client, do nothing. */
struct mqev_change {
	enum mqev_change_kind kind;
	const struct mqev_record *record;	/* but for CLIENT and FORGET */
	const struct mqev_store_client *client; /* CLIENT, FORGET */
};

/*
 * The interface of a back end
 *
 * A const table of functions that may block. All are called by one thread at a time: open and the
 * first load by the thread that opens the store, everything later by the store's own writer. None
 * may call back into the library but by what it is handed. Functions return 0 or
 *
 * MQEV_ERR_STORE_FULL     no room: quota, or disk. Nothing of the transaction was kept, and it is
 *                         tried again later; removals must always succeed
 * MQEV_ERR_STORE          writing, reading or syncing failed; final: nothing but close follows
 * MQEV_ERR_STORE_DAMAGED  what is there cannot be right; final, and nothing was overwritten
 * MQEV_ERR_NOMEM          out of memory; nothing was changed, and it is tried again later
 *
 * and open also MQEV_ERR_STORE_VERSION (made by a version that this one cannot read),
 * MQEV_ERR_STORE_BUSY (open in another process, or twice in this one), MQEV_ERR_STORE_ACCESS
 * (foreign owner, others may read or write it, no right to write).
 */
struct mqev_backend_options {
	size_t size;
	const char *path;
	uint64_t max_bytes; /* all of the store; 0: no limit */
	bool read_only; /* to look at: works beside a process that has it open, changes nothing */
	void *extra;	/* of this back end's own kind; NULL: none */
};

/* What load() calls, in the order seq, clients, records by rising seq. Lent for the call; a result
 * other than 0 ends the load with that result. */
struct mqev_backend_visitor {
	int (*seq)(void *arg, uint64_t seq); /* not called for a store that is new */
	int (*client)(void *arg, const struct mqev_store_client *client);
	int (*record)(void *arg, const struct mqev_record *record); /* without bytes */
};

typedef int mqev_backend_bytes_cb(void *arg, const void *bytes, size_t len);

struct mqev_backend {
	size_t size;
	const char *name;
	/* Opens or makes the store; *state is handed to all that follows, and to close() also when
	 * open failed, if it was set: until then it may tell the text of the error. */
	int (*open)(const struct mqev_backend_options *options, void **state);
	/* Reads the index: all clients, or (client not 0) one and its records. */
	int (*load)(
	    void *state, uint32_t client, const struct mqev_backend_visitor *visitor, void *arg);
	/* Reads the bytes of one record. MQEV_ERR_NOT_FOUND: it is not there or has none;
	 * MQEV_ERR_STORE_DAMAGED is here no matter but of this record. */
	int (*read)(void *state, uint64_t seq, mqev_backend_bytes_cb *bytes, void *arg);
	/* Appends changes to the transaction, which the first call begins. Nothing that changes
	 * points to is used after it returned. On an error rollback() follows. */
	int (*append)(void *state, const struct mqev_change *changes, size_t count);
	/*
	 * Ends the transaction: all of it is kept, or nothing. It survives the end of the process;
	 * with sync, when this returned 0, also the loss of power, together with all earlier ones.
	 */
	int (*commit)(void *state, bool sync);
	/* Gives the transaction up. */
	void (*rollback)(void *state);
	/* Called when there is time: checkpoint, giving room back. */
	int (*compact)(void *state);
	/* The last error, for people; never NULL. */
	const char *(*error_text)(const void *state);
	/* What was committed is synced. NULL is ignored. */
	void (*close)(void *state);
};

/*
 * The store of an application
 *
 * One for all clients of the process, or several. It has one thread of its own, the writer; clients
 * of any fleet may use it at the same time. mqev_store_open() and mqev_store_close() block, nothing
 * else does.
 */
struct mqev_store;

/*
 * Keeps the bytes of messages from who reads the file: topic, properties and payload of each are
 * sealed before they reach the back end. Both functions run in the writer's thread, are given the
 * record's seq to bind the bytes to their place, and return 0 when they did it; to has room for len
 * + overhead bytes, and *to_len is set to what was used. A failing seal() fails the store with
 * MQEV_ERR_STORE; a failing open() is MQEV_ERR_STORE_DAMAGED for that one message. Being in another
 * thread they call nothing of clients, fleets and stores, but for what takes a struct mqev_remote.
 */
struct mqev_cipher {
	size_t size;
	size_t overhead; /* by how many bytes what is sealed may be longer */
	int (*seal)(
	    void *arg, uint64_t seq, const void *from, size_t len, void *to, size_t *to_len);
	int (*open)(
	    void *arg, uint64_t seq, const void *from, size_t len, void *to, size_t *to_len);
	void *arg;
};

struct mqev_store_options {
	size_t size;
	uint64_t max_bytes;		  /* of all that is kept; 0: no limit */
	const struct mqev_cipher *cipher; /* copied; NULL: none */
	void *backend_extra;		  /* see the back end */
	char *error_text;		  /* where the reason of a failing open goes, for people */
	size_t error_text_size;
};

#ifndef __cplusplus
#	define MQEV_STORE_OPTIONS(...)        \
		(&(struct mqev_store_options){ \
		    .size = sizeof(struct mqev_store_options), __VA_ARGS__})
#endif

/*
 * Opens the store at path (made when it is not there) and reads its index; blocks meanwhile.
 * options may be NULL. NULL on failure, *error (may be NULL) says which: MQEV_ERR_INVALID,
 * MQEV_ERR_NOMEM, MQEV_ERR_SYSTEM (no thread or descriptor), and those of a back end's open and
 * load.
 */
MQEV_EXPORT struct mqev_store *mqev_store_open(const struct mqev_backend *backend, const char *path,
    const struct mqev_store_options *options, int *error);

/*
 * Closes it, and blocks until all that was given to it is durable, but for what finds no room.
 * MQEV_ERR_STATE, and nothing is done, while a client uses it. Else 0, or why the store has failed.
 * NULL is ignored.
 *
 * A store belongs to the process that opened it. In a child made by fork() this function does
 * nothing to the store and returns 0 at once, before or after the clients are freed; the copy's
 * memory and descriptors last as long as the child. A client cannot be made with it there. A child
 * that outlives a parent which was killed keeps the file busy (MQEV_ERR_STORE_BUSY) until it ends
 * or runs another program.
 */
MQEV_EXPORT int mqev_store_close(struct mqev_store *store);

/* 0, or why the store has failed for good: MQEV_ERR_STORE, MQEV_ERR_STORE_DAMAGED. Any thread. */
MQEV_EXPORT int mqev_store_error(const struct mqev_store *store);
/* The same for people: the back end's last words, "" when nothing failed. Any thread. Valid as long
 * as the store. */
MQEV_EXPORT const char *mqev_store_error_text(const struct mqev_store *store);

/*
 * One client's session as a stream of bytes: out of a store that no process has open, and into
 * another one, which may be another machine's. So that a daemon hands its clients over: it frees
 * them (MQEV_KEPT), closes its store, exports; its successor imports before it opens its own. Bytes
 * that a cipher sealed stay sealed. Tokens stay what they were. Both block.
 *
 * write and read move len bytes, all of them, and return 0, or another value that ends the call
 * with MQEV_ERR_SYSTEM.
 */
typedef int mqev_stream_write_cb(void *arg, const void *data, size_t len);
typedef int mqev_stream_read_cb(void *arg, void *data, size_t len);

/* MQEV_ERR_NOT_FOUND: there is no client of that name; else as a back end's open and read, or
 * MQEV_ERR_NOMEM. The store is only read. */
MQEV_EXPORT int
mqev_store_export(const struct mqev_backend *backend, const struct mqev_backend_options *options,
    const char *name, mqev_stream_write_cb *write, void *arg);

/*
 * All of it, or nothing: a stream that ends early or was altered is MQEV_ERR_STORE_DAMAGED, one of
 * another format MQEV_ERR_STORE_VERSION. MQEV_ERR_STATE: a client of that name, or a token of it,
 * is there already. Else as a back end's open and commit.
 */
MQEV_EXPORT int mqev_store_import(const struct mqev_backend *backend,
    const struct mqev_backend_options *options, mqev_stream_read_cb *read, void *arg);

/* Keeps everything in memory, as long as the store is open; max_bytes is obeyed, path is not used.
 */
MQEV_EXPORT const struct mqev_backend *mqev_backend_memory(void);

#ifdef __cplusplus
}
#endif

#endif
