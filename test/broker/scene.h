/* Where a feature is tried: one make of broker, one version, names of its own, peers that log in.
 */
#ifndef SCENE_H
#define SCENE_H

#include "broker/broker_kit.h"
#include "broker/relay.h"
#include "lib/certs.h"

struct make;

struct scene {
	const struct make *make;
	struct tk_server *server; /* runs for all features */
	struct tk_pki *pki;
	enum mqev_protocol version;
	struct relay *relay; /* once scene_relay() was called */
	int number;	     /* of the feature: what it calls its clients and topics */
	int best_qos;
	bool late_dups;
};

extern struct scene scene;

/* Options of a client of this scene: version, identifier, login. */
struct mqev_options scene_options(const char *id);
/* ... whose session is kept. */
struct mqev_options scene_kept(const char *id);

/* "b<number>/<rest>", which no other feature uses; valid for some calls. */
const char *scene_topic(const char *rest);
const char *scene_url(void);
struct relay *scene_relay(void);

struct peer *scene_peer(const char *id); /* connected */
void scene_connect(struct peer *peer);	 /* straight to the broker */
struct peer *scene_join(struct mqev_options options);

void scene_publish(struct peer *from, const char *topic, int number, int qos);
void scene_await_number(struct peer *to, int number, int ms);
/* Publishes a last number to the topic and waits for it: what came before has come. */
void scene_flush(struct peer *from, const char *topic, struct peer *to, int qos);

void scene_begin(void); /* before each feature, and after it */
void scene_end(void);

#endif
