/* What the two clients without a library share: the meaning of received packets, and TLS. */
#include "bench/bare.h"

#include <string.h>
#include <arpa/inet.h>
#include <openssl/x509v3.h>

static void
put_ack(struct bare_tally *t, unsigned first, unsigned mid)
{
	wire_put_ack(t->out + t->out_len, first, mid);
	t->out_len += WIRE_ACK_LEN;
}

static bool
take_publish(struct bare_tally *t, const struct wire_packet *k, size_t have)
{
	struct wire_publish m;

	if (wire_read_publish(k, have, t->version, &m) != WIRE_OK)
		return false;
	t->received++;
	t->payload_bytes += m.payload_len;
	if (m.qos)
		put_ack(t, m.qos == 1 ? WIRE_FIRST_PUBACK : WIRE_FIRST_PUBREC, m.mid);
	return true;
}

static bool
take_settled(struct bare_tally *t, const struct wire_packet *k)
{
	if (wire_get16(k->body) == BARE_CONTROL_MID)
		t->control_done = true;
	else
		t->settled++;
	return true;
}

static bool
take_suback(struct bare_tally *t, const struct wire_packet *k)
{
	t->subscribed =
	    wire_get16(k->body) == BARE_SUBSCRIBE_MID && k->body[k->body_len - 1] < 0x80;
	return t->subscribed;
}

bool
bare_take(struct bare_tally *t, const struct wire_packet *k, size_t have)
{
	if (k->type == WIRE_PUBLISH)
		return take_publish(t, k, have);
	if (k->type == WIRE_PINGRESP)
		return true;
	if (k->body_len < 2)
		return false;
	if (k->type == WIRE_PUBACK || k->type == WIRE_PUBCOMP)
		return take_settled(t, k);
	if (k->type == WIRE_SUBACK)
		return take_suback(t, k);
	if (k->type != WIRE_PUBREC && k->type != WIRE_PUBREL)
		return false;
	put_ack(t, k->type == WIRE_PUBREC ? WIRE_FIRST_PUBREL : WIRE_FIRST_PUBCOMP,
	    wire_get16(k->body));
	return true;
}

bool
bare_is_accepted(const uint8_t *p, size_t n)
{
	return n >= 4 && p[0] == WIRE_CONNACK << 4 && p[3] == 0;
}

void
bare_report(struct bare_tally *t, struct bench *b)
{
	uint64_t received = t->received, bytes = t->payload_bytes, settled = t->settled;
	bool subscribed = t->subscribed, control_done = t->control_done;

	t->received = t->payload_bytes = t->settled = 0;
	t->subscribed = t->control_done = false;
	if (received)
		bench_received(b, received, bytes);
	if (settled)
		bench_published(b, settled);
	if (subscribed)
		bench_subscribed(b);
	if (control_done)
		bench_control_done(b);
}

size_t
bare_put_connect(uint8_t *out, const struct bench_options *o, unsigned client)
{
	char id[BENCH_CLIENT_ID_LEN];

	return wire_put_connect(out, o->version, bench_client_id(id, client), o->keepalive_s);
}

size_t
bare_put_subscribe(uint8_t *out, const struct bench_options *o)
{
	return wire_put_subscribe(out, o->version, BARE_SUBSCRIBE_MID, BENCH_FILTER, o->qos);
}

size_t
bare_put_control(uint8_t *out, const struct bench_options *o, const char *topic,
    const char *payload, unsigned qos)
{
	size_t len = strlen(payload), head;

	head = wire_put_publish_head(out, o->version, topic, qos, BARE_CONTROL_MID, len);
	memcpy(out + head, payload, len);
	return head + len;
}

SSL_CTX *
bare_tls_new(struct bench *b)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx || SSL_CTX_load_verify_locations(ctx, bench_options(b)->cafile, NULL) != 1) {
		SSL_CTX_free(ctx);
		bench_fail(b, "%s: not usable as certificate file", bench_options(b)->cafile);
		return NULL;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
	return ctx;
}

static bool
expect_host(SSL *ssl, const char *host)
{
	struct in_addr a;

	if (inet_pton(AF_INET, host, &a) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

SSL *
bare_tls_client(SSL_CTX *ctx, const char *host)
{
	SSL *ssl = SSL_new(ctx);

	if (ssl && expect_host(ssl, host)) {
		SSL_set_connect_state(ssl);
		return ssl;
	}
	SSL_free(ssl);
	return NULL;
}
