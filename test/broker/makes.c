/* The table of makes. */
#include "broker/makes.h"

#include <stdio.h>

#include "broker/features.h"

#define NO_MORE                                     \
	{                                           \
		NULL, MQEV_PROTOCOL_V31, NULL, NULL \
	}
#define TLS_PORT 2 /* the third */

static const char *
cert(struct tk_pki *pki)
{
	return tk_pki_path(pki, "broker.pem");
}

static const char *
key(struct tk_pki *pki)
{
	return tk_pki_path(pki, "broker.key");
}

/* --- mosquitto -------------------------------------------------------------------------------- */

/* The file of passwords stands beside the certificates. */
static int
start_mosquitto(struct tk_server *s, struct tk_pki *pki)
{
	char config[1500];
	char command[600];

	snprintf(command, sizeof(command), "mosquitto_passwd -c -b %s %s %s 2>/dev/null",
	    tk_pki_path(pki, "passwords"), TK_SERVER_LOGIN, TK_SERVER_PASSWORD);
	if (system(command) != 0)
		return 1;
	snprintf(config, sizeof(config),
	    "allow_anonymous false\npassword_file %s\nmax_queued_messages 0\n"
	    "listener @PORT2@ 127.0.0.1\nprotocol websockets\n"
	    "listener @PORT3@ 127.0.0.1\ncertfile %s\nkeyfile %s\n",
	    tk_pki_path(pki, "passwords"), cert(pki), key(pki));
	return tk_server_mosquitto(s, config);
}

static const struct lack mosquitto_lacks[] = {
    {"takeover by the same identifier, with its reason", MQEV_PROTOCOL_V5,
	"it closes the connection without a DISCONNECT", feature_takeover},
    {"topic aliases of the server", MQEV_PROTOCOL_V5, "it gives none to clients", lack_alias_in},
    NO_MORE,
};

/* --- ejabberd --------------------------------------------------------------------------------- */

static int
start_ejabberd(struct tk_server *s, struct tk_pki *pki)
{
	return tk_server_ejabberd(s, cert(pki), key(pki));
}

static const struct lack ejabberd_lacks[] = {
    {"message expiry", MQEV_PROTOCOL_V5, "what expired in a kept session is delivered",
	lack_expiry},
    {"shared subscriptions", MQEV_PROTOCOL_V5, "its CONNACK says that it has none", lack_shared},
    {"topic aliases of the server", MQEV_PROTOCOL_V5, "it gives none to clients", lack_alias_in},
    {"Maximum Packet Size", MQEV_PROTOCOL_V5,
	"it sends larger packets than the client takes, which ends the connection with 0x95",
	lack_max_packet},
    NO_MORE,
};

/* --- nats ------------------------------------------------------------------------------------- */

static int
start_nats(struct tk_server *s, struct tk_pki *pki)
{
	(void)pki;
	return tk_server_nats(s, NULL, NULL);
}

static int
start_nats_tls(struct tk_server *s, struct tk_pki *pki)
{
	return tk_server_nats(s, cert(pki), key(pki));
}

static const struct lack nats_lacks[] = {
    {"QoS 2", MQEV_PROTOCOL_V31, "SUBACK grants QoS 1; who publishes at QoS 2 is thrown out",
	lack_qos2},
    NO_MORE,
};

/* --- all -------------------------------------------------------------------------------------- */

const struct make makes[] = {
    {"mosquitto", "mosquitto", "mosquitto version ", start_mosquitto, NULL, 2, false,
	mosquitto_lacks},
    {"ejabberd", "ejabberdctl", "ejabberd ", start_ejabberd, NULL, 2, false, ejabberd_lacks},
    {"nats-server", "nats-server", "Version:  ", start_nats, start_nats_tls, 1, true,
	nats_lacks},
};
const int make_count = sizeof(makes) / sizeof(makes[0]);

const struct lack *
make_lack(const struct make *make, const char *feature, enum mqev_protocol version)
{
	for (const struct lack *l = make->lacks; l->feature != NULL; l++)
		if (strcmp(l->feature, feature) == 0 && version >= l->from)
			return l;
	return NULL;
}

void
make_version(const struct make *make, const struct tk_server *s, char *text, size_t size)
{
	char *log = tk_server_log(s);
	const char *at = strstr(log, make->version_mark);

	if (at != NULL)
		at += strlen(make->version_mark);
	snprintf(text, size, "%.*s", at != NULL ? (int)strcspn(at, " \n") : 0, at);
	free(log);
}

int
make_tls_port(struct tk_server *apart)
{
	memset(apart, 0, sizeof(*apart));
	if (scene.make->start_tls == NULL)
		return scene.server->ports[TLS_PORT];
	ck_assert_int_eq(scene.make->start_tls(apart, scene.pki), 0);
	return apart->port;
}

void
make_tls_end(struct tk_server *apart)
{
	if (apart->dir != NULL)
		tk_server_stop(apart);
}
