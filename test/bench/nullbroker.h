/* The parts of the null broker: it answers all that a client sends and keeps nothing, so that a
 * measurement shows what the client costs. One thread; a connection is found by its descriptor. */
#ifndef BENCH_NULLBROKER_H
#define BENCH_NULLBROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <openssl/ssl.h>

#include "bench/wire.h"

#define NB_READ_BYTES (256u * 1024)
/* What an incomplete packet may hold, the payload of a PUBLISH not counted: that is passed over. */
#define NB_PART_MAX (64u * 1024)
#define NB_IN_BYTES (NB_READ_BYTES + NB_PART_MAX)
/* The shared buffers hold more: a read may follow a part, an answer may be longer than its
 * question. */
#define NB_ROOM_BYTES (NB_IN_BYTES + 64u * 1024)
/* Bytes of answers that wait for a client which does not read, before it is no longer read. */
#define NB_OUT_PAUSE (1024u * 1024)
/* Topics by which any client, whatever its library, asks for something. */
#define NB_TOPIC_FLOOD "$bench/flood"
#define NB_TOPIC_DROP "$bench/drop"
/* The topic of flood messages, and what a flood may hold in memory. */
#define NB_TOPIC_OUT "bench/flood"
#define NB_FLOOD_BYTES_MAX (256u * 1024 * 1024)

struct nb_stats {
	uint64_t connections;
	uint64_t connected_now;
	uint64_t connected_max;
	uint64_t messages_in;
	uint64_t payload_bytes_in;
	uint64_t messages_out;
	uint64_t pings;
	uint64_t drops;
	/* packets and acknowledgements that a correct client does not send */
	uint64_t errors;
	/* from the first message to the last, in nanoseconds of the monotonic clock and of CPU */
	int64_t busy_from_ns;
	int64_t busy_to_ns;
	int64_t busy_cpu_from_ns;
	int64_t busy_cpu_to_ns;
};

enum nb_blocked { NB_FREE, NB_BLOCKED_OUT, NB_BLOCKED_FLOOD };

/* Messages on their way to one client. Message i has the identifier 1 + i % window. */
struct nb_flood {
	struct wire_block block;
	unsigned qos;
	size_t payload_len;
	uint64_t total;
	uint64_t sent_bytes;
	/* QoS 2: PUBRECs seen; both: handshakes ended */
	uint64_t received;
	uint64_t released;
	bool active;
};

/* A WebSocket link: frames are taken off what comes in. What goes out needs no state. */
struct nb_ws {
	bool on;
	bool upgrading;
	/* the message goes on in a frame of continuation; the frame is a Close */
	bool continued;
	bool closing;
	/* in: the head that is not complete, payload bytes of the frame to come, mask of the next
	 */
	uint8_t head_len;
	uint8_t head[14];
	uint8_t mask[4];
	uint64_t left;
};

struct nb_conn {
	int fd;
	SSL *ssl;
	struct nb_ws ws;
	uint32_t events;
	unsigned receive_max;
	int version;
	bool handshaking;
	bool connected;
	/* the last PUBLISH was large: read heads, and let the kernel pass over the payloads */
	bool large;
	bool ending;
	/* stands in the list of those that have more to read */
	bool again;
	enum nb_blocked blocked;
	/* the beginning of a packet that is not complete */
	uint8_t *part;
	size_t part_len;
	/* payload bytes still to be passed over, and the answer that is then due */
	size_t skip;
	uint8_t after_skip[WIRE_ACK_LEN];
	size_t after_skip_len;
	uint8_t *out;
	size_t out_len;
	size_t out_cap;
	struct nb_flood flood;
};

struct nb {
	int epoll;
	int listener;
	int signals;
	bool accepting;
	bool stop;
	bool drop_wanted;
	bool websocket;
	SSL_CTX *tls;
	/* by descriptor */
	struct nb_conn **conns;
	size_t conns_len;
	/* descriptors of TLS links that have more to read without an event */
	int *again;
	size_t again_len;
	/* shared by all connections: what was read, and the answers to it */
	uint8_t *in;
	uint8_t *out;
	size_t out_len;
	/* the same in frames; twice as large, for packets of two bytes */
	uint8_t *framed;
	struct nb_stats stats;
};

/* nullbroker_conn.c */
void nb_accept(struct nb *nb);
void nb_conn_event(struct nb *nb, struct nb_conn *c, uint32_t events);
void nb_conn_close(struct nb *nb, struct nb_conn *c);
void nb_drop_all(struct nb *nb);

/* nullbroker_output.c: sends answers and flood, each packet whole; false when the link is gone. */
bool nb_flush(struct nb *nb, struct nb_conn *c);

/* nullbroker_ws.c: takes the request from the n bytes at p and answers it. Returns the bytes used
 * up, 0 when it is not complete, -1 for anything else than one correct request and nothing behind
 * it. */
int64_t nb_ws_upgrade(struct nb_conn *c, const uint8_t *p, size_t n);
/* Takes the frames off the n bytes at p, in place: what they carry stands at p then. Returns its
 * length, or -1 for what a correct client does not send. Nothing is taken behind a Close. */
int64_t nb_ws_take(struct nb_conn *c, uint8_t *p, size_t n);
/* n bytes of the frame's payload were read and are not wanted. */
void nb_ws_passed(struct nb_ws *w, size_t n);
/* Puts a frame around each of the whole packets in n bytes; to has room for twice as much. Returns
 * the length of all. */
size_t nb_ws_frame(uint8_t *to, const uint8_t *packets, size_t n);
/* Makes each packet of the block a frame; false without memory. */
bool nb_ws_frame_block(struct wire_block *block);

/* nullbroker_answer.c: takes whole packets from p and appends the answers to nb->out. Returns the
 * bytes used up, or -1 when the connection is to be closed. */
int64_t nb_answer(struct nb *nb, struct nb_conn *c, const uint8_t *p, size_t n);
/* n payload bytes were passed over. */
void nb_skipped(struct nb *nb, struct nb_conn *c, size_t n);
void nb_note_busy(struct nb *nb);

/* nullbroker_flood.c: the request "COUNT SIZE QOS WINDOW"; false when it makes no sense. */
bool nb_flood_start(struct nb *nb, struct nb_conn *c, const uint8_t *text, size_t len);
void nb_flood_ack(struct nb *nb, struct nb_conn *c, enum wire_type type, unsigned mid);
/* The bytes that may be sent now, counted from the beginning of the flood. */
uint64_t nb_flood_limit(const struct nb_flood *f);
/* The next bytes in one piece, at most up to limit. */
const uint8_t *nb_flood_bytes(const struct nb_flood *f, uint64_t limit, size_t *len);
/* Notes n bytes as sent; when the flood is over, appends the message that says so. */
void nb_flood_sent(struct nb *nb, struct nb_conn *c, size_t n);

/* nullbroker_tls.c: a context with a fresh key and certificate for 127.0.0.1 and localhost, the
 * certificate written to path. NULL, with a message, on failure. */
SSL_CTX *nb_tls_new(const char *path);

#endif
