/* What tests against a real mosquitto share: the server, peers that count, and waiting. */
#ifndef BROKER_KIT_H
#define BROKER_KIT_H

#include "wire/client_kit.h"

#define MOST_NUMBERS 20000

/* A client and what it has seen. */
struct peer {
	struct mqev_client *client;
	int connects;
	int refused;		 /* CONNACKs that refused */
	int asked;		 /* CONNACKs before the last call of peer_connect() */
	enum mqev_reason reason; /* of the last CONNACK */
	bool session_present;
	struct mqev_properties *granted; /* of the last CONNACK */
	int fails;
	int disconnects;
	enum mqev_reason end_reason; /* of the last disconnection */
	bool ended_by_server;	     /* with a DISCONNECT packet */
	int messages;
	int messages_of[3]; /* by QoS */
	int done;
	int failed; /* completions with an error */
	int subscribed;
	uint16_t numbers[MOST_NUMBERS]; /* how often each number came as a payload */
	long last[3];			/* number of the last message by QoS, repeats left out */
	int out_of_order;
	int late_dups; /* of these, what the server says to have sent before */
	uint8_t released[65536]; /* the server's PUBREL came for that identifier */
	int excused;		 /* repeats that a server sent though it had sent PUBREL before */
	void (*on_message)(struct peer *peer, const struct mqev_message *message);
	struct mqev_message *kept; /* of the last message */
};

/* Fixtures: kit's, and the server's stop. */
TCase *broker_case(Suite *suite, const char *name, int seconds);
extern struct tk_server mosquitto;

/* Starts it with extra lines of configuration; false: it is not installed. */
bool broker_start(const char *config);
#define BROKER_START(config)                                   \
	do {                                                   \
		if (!broker_start(config))                     \
			tk_skip("mosquitto is not installed"); \
	} while (0)

struct peer *peer_new(struct mqev_options options);
#define PEER(...) peer_new((struct mqev_options){.size = sizeof(struct mqev_options), __VA_ARGS__})
void peer_free(struct peer *peer);
void peer_connect(struct peer *peer); /* to mosquitto, and waits for the CONNACK */
void peer_connect_to(struct peer *peer, const char *url);
void peer_disconnect(struct peer *peer);
void peer_subscribe(struct peer *peer, const char *filter, int qos); /* and waits */
/* The number as text; the completion is counted. */
int64_t peer_publish_number(struct peer *peer, const char *topic, int number, int qos);
void peer_publish(struct peer *peer, const struct mqev_message *message);
void peer_await_done(struct peer *peer, int ms);

void await_count(const int *counter, int n, int ms, const char *what);
#define AWAIT(counter, n, ms) await_count(&(counter), (n), (ms), #counter)

#endif
