/* The scene; what is tried in it is in feature_*.c. */
#include "broker/scene.h"

#include <stdio.h>

#define LAST_NUMBER 9999 /* scene_flush()'s */

struct scene scene;

struct mqev_options
scene_options(const char *id)
{
	static char ids[8][24];
	static unsigned next;
	char *own = ids[next++ % 8];

	snprintf(own, sizeof(ids[0]), "%d-%d-%s", (int)scene.version, scene.number, id);
	return (struct mqev_options){.size = sizeof(struct mqev_options),
	    .protocol = scene.version,
	    .client_id = own,
	    .username = TK_SERVER_LOGIN,
	    .password = TK_SERVER_PASSWORD};
}

struct mqev_options
scene_kept(const char *id)
{
	struct mqev_options o = scene_options(id);

	o.clean = MQEV_CLEAN_STRICT;
	if (scene.version == MQEV_PROTOCOL_V5)
		o.session_expiry = 1000;
	return o;
}

const char *
scene_topic(const char *rest)
{
	static char topics[8][300];
	static unsigned next;
	char *topic = topics[next++ % 8];

	snprintf(topic, sizeof(topics[0]), "b%d-%d/%s", (int)scene.version, scene.number, rest);
	return topic;
}

const char *
scene_url(void)
{
	static char url[40];

	snprintf(url, sizeof(url), "mqtt://127.0.0.1:%d", scene.server->port);
	return url;
}

struct relay *
scene_relay(void)
{
	if (scene.relay == NULL)
		scene.relay = relay_new(kit.base, scene.server->port);
	return scene.relay;
}

void
scene_connect(struct peer *p)
{
	peer_connect_to(p, scene_url());
	ck_assert_int_eq(p->reason, MQEV_REASON_SUCCESS);
}

struct peer *
scene_join(struct mqev_options options)
{
	struct peer *p = peer_new(options);

	scene_connect(p);
	return p;
}

struct peer *
scene_peer(const char *id)
{
	return scene_join(scene_options(id));
}

void
scene_publish(struct peer *from, const char *topic, int number, int qos)
{
	peer_publish_number(from, topic, number, qos);
}

struct awaited {
	const struct peer *peer;
	int number;
};

static int
has_come(void *arg)
{
	const struct awaited *a = arg;

	return a->peer->numbers[a->number] > 0;
}

void
scene_await_number(struct peer *to, int number, int ms)
{
	ck_assert_msg(tk_run_until(kit.base, has_come, &(struct awaited){to, number}, ms),
	    "message %d did not come within %d ms; %d others did", number, ms, to->messages);
}

void
scene_flush(struct peer *from, const char *topic, struct peer *to, int qos)
{
	to->numbers[LAST_NUMBER] = 0;
	scene_publish(from, topic, LAST_NUMBER, qos);
	scene_await_number(to, LAST_NUMBER, 10000);
	to->messages--;
	to->messages_of[qos]--;
	to->last[qos] = 0;
}

void
scene_begin(void)
{
	kit_setup();
	kit.quiet[KIT_DONE] = true;
}

void
scene_end(void)
{
	relay_free(scene.relay);
	scene.relay = NULL;
	kit_teardown();
}
