/* What the two clients without a library share: what a received packet means and which answer it
 * gets, and the TLS context; no socket here. */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <openssl/ssl.h>

#include "bench/client.h"
#include "bench/wire.h"

/* Identifiers 1 to 60,000 belong to counted messages. */
#define BARE_CONTROL_MID 65535
#define BARE_SUBSCRIBE_MID 65534
#define BARE_OUT_BYTES (64u * 1024)

/* What came since the last report, and the answers that are due. */
struct bare_tally {
	int version;
	uint64_t received;
	uint64_t payload_bytes;
	uint64_t settled;
	bool subscribed;
	bool control_done;
	size_t out_len;
	uint8_t out[BARE_OUT_BYTES];
};

/* The answers are to be sent before the next packet is taken. */
static inline bool
bare_is_full(const struct bare_tally *t)
{
	return t->out_len + WIRE_ACK_LEN > BARE_OUT_BYTES;
}

/* Takes one packet of which have bytes of the body are there: for a PUBLISH its head is enough.
 * Returns false when the broker may not send it. */
bool bare_take(struct bare_tally *t, const struct wire_packet *k, size_t have);
/* True for the CONNACK that accepts the connection. */
bool bare_is_accepted(const uint8_t *p, size_t n);
/* Reports all to the driver and forgets it; answers stay. */
void bare_report(struct bare_tally *t, struct bench *b);

/* The packets of one client; each returns the length of what it wrote to out (256 bytes do). */
size_t bare_put_connect(uint8_t *out, const struct bench_options *o, unsigned client);
size_t bare_put_subscribe(uint8_t *out, const struct bench_options *o);
size_t bare_put_control(uint8_t *out, const struct bench_options *o, const char *topic,
    const char *payload, unsigned qos);

/* A context that trusts the certificate file; NULL after bench_fail(). */
SSL_CTX *bare_tls_new(struct bench *b);
/* One client's end, which checks the host's name or address; NULL without memory. */
SSL *bare_tls_client(SSL_CTX *ctx, const char *host);

#endif
