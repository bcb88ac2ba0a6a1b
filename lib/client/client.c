/* Making and freeing clients. What can be asked of them: questions.c. */
#include "client/client.h"

#include <stddef.h>
#include <string.h>

#include <mqev/settings.h>

#include "client/drain.h"
#include "client/durable.h"
#include "client/link.h"
#include "client/options.h"
#include "client/rpc.h"
#include "core/mem.h"
#include "port/port.h"

#define RANDOM_ID_CHARS (MQEV_RANDOM_ID_SIZE - 1)

/* --- identifiers -------------------------------------------------------------------------------
 */

/* 3.1 has no empty identifier: 22 characters hold 128 random bits. */
int
mqev_random_client_id(char id[MQEV_RANDOM_ID_SIZE])
{
	static const char alphabet[] =
	    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	uint8_t random[RANDOM_ID_CHARS];

	if (mqev_port_random(random, sizeof(random)) != 0)
		return MQEV_ERR_SYSTEM;
	for (int i = 0; i < RANDOM_ID_CHARS; i++)
		id[i] = alphabet[random[i] % (sizeof(alphabet) - 1)];
	id[RANDOM_ID_CHARS] = '\0';
	return 0;
}

bool
mqev_client_make_id(struct mqev_client *c)
{
	char made[MQEV_RANDOM_ID_SIZE];
	char *id = mqev_random_client_id(made) == 0 ? mqev_strdup(made) : NULL;

	return mqev_client_take_id(c, id) && mqev_durable_set_id(c);
}

static void
free_id(struct mqev_client *c)
{
	if (c->client_id != c->given_id)
		mqev_free(c->client_id);
}

bool
mqev_client_take_id(struct mqev_client *c, char *id)
{
	if (id == NULL)
		return false;
	free_id(c);
	c->client_id = id;
	return true;
}

/* The one in the options stands in the client's own memory. */
static struct mqev_client *
new_with_id(const char *id)
{
	size_t len = id != NULL ? strlen(id) : 0;
	size_t size = offsetof(struct mqev_client, given_id) + len + 1;
	struct mqev_client *c =
	    mqev_calloc(1, size > sizeof(struct mqev_client) ? size : sizeof(struct mqev_client));

	if (c == NULL || len == 0)
		return c;
	memcpy(c->given_id, id, len + 1);
	c->client_id = c->given_id;
	return c;
}

static bool
needs_id(const struct mqev_client *c)
{
	return c->client_id == NULL && c->config->version == MQEV_V31;
}

/* A session of an earlier process may still hold the first identifiers. A store knows where it was.
 */
static void
start_anywhere(struct mqev_client *c)
{
	uint32_t random = 0;

	if (c->session.next_n == 0 && mqev_port_random(&random, sizeof(random)) == 0)
		c->session.next_n = random;
}

/* --- life --------------------------------------------------------------------------------------
 */

static void
free_memory(struct mqev_client *c)
{
	mqev_session_release(&c->session);
	mqev_servers_unref(c->servers);
	mqev_detour_drop(c);
	mqev_config_unref(c->config);
	free_id(c);
	mqev_free(c);
}

void
mqev_client_enter(struct mqev_client *c)
{
	c->depth++;
	mqev_fleet_enter(c->fleet);
}

void
mqev_client_leave(struct mqev_client *c)
{
	struct mqev_fleet *fleet = c->fleet;

	if (c->depth == 1 && !c->freed) {
		mqev_controller_settle(c);
		if (mqev_drain_of(c) != NULL)
			mqev_drain_step(c);
		if (c->watch_writing && !c->freed)
			mqev_socket_note_writing(c);
		if (mqev_log_tell_kept(c) && mqev_notes_wait(c))
			mqev_fleet_plan(fleet, c);
	}
	mqev_fleet_set_tick(fleet, c);
	c->depth--;
	if (c->depth == 0 && c->freed)
		free_memory(c);
	mqev_fleet_leave(fleet);
}

void
mqev_client_follow_config(struct mqev_client *c)
{
	c->session.settings = &c->config->session;
	c->session.report_all = c->config->on_publish != NULL;
	c->watch_writing = c->config->on_socket_register_write != NULL ||
			   c->config->on_socket_unregister_write != NULL;
}

static struct mqev_client *
new_checked(struct mqev_fleet *fleet, const struct mqev_options *options, int *error)
{
	struct mqev_config *config = NULL;
	struct mqev_client *c;

	*error = mqev_config_get(&fleet->configs, options, &config, &fleet->error_text);
	if (*error != 0)
		return NULL;
	c = new_with_id(options->client_id);
	if (c == NULL) {
		mqev_config_unref(config);
		*error = MQEV_ERR_NOMEM;
		return NULL;
	}
	c->config = config;
	if (!needs_id(c) || mqev_client_make_id(c))
		return c;
	free_memory(c);
	*error = MQEV_ERR_NOMEM;
	return NULL;
}

static struct mqev_client *
make(struct mqev_fleet *fleet, const struct mqev_options *options, int *error)
{
	struct mqev_client *c = new_checked(fleet, options, error);

	if (c == NULL)
		return NULL;
	c->fleet = fleet;
	c->userdata = options->userdata;
	c->error_text = "";
	mqev_session_init(&c->session, c->config->version, &c->config->session, &fleet->cork.sink);
	mqev_client_follow_config(c);
	if (options->store != NULL)
		*error = mqev_durable_attach(c, options);
	if (*error == MQEV_ERR_STORE_BUSY)
		fleet->error_text = "store_name: another client has it";
	if (*error != 0) {
		free_memory(c);
		return NULL;
	}
	if (c->config->session.clean == MQEV_SESSION_CLEAN_NEVER)
		start_anywhere(c);
	return c;
}

static int
take(struct mqev_fleet *fleet, struct mqev_options *taken, const struct mqev_options *options)
{
	int error = mqev_options_take(taken, sizeof(*taken), options);

	fleet->error_text = "";
	if (error == MQEV_ERR_INVALID)
		fleet->error_text = "size: not set, use MQEV_OPTIONS()";
	else if (error == MQEV_ERR_UNSUPPORTED)
		fleet->error_text = "a member that this library does not know is set";
	return error;
}

struct mqev_client *
mqev_client_new(struct mqev_fleet *fleet, const struct mqev_options *options, int *error)
{
	struct mqev_options taken;
	struct mqev_client *c = NULL;
	int result = MQEV_ERR_INVALID;

	if (fleet != NULL && fleet->drain != NULL)
		result = MQEV_ERR_STATE;
	else if (fleet != NULL && options != NULL && !fleet->freed)
		result = take(fleet, &taken, options);
	if (result == 0)
		c = make(fleet, &taken, &result);
	if (c != NULL)
		mqev_fleet_add(fleet, c);
	if (error != NULL)
		*error = result;
	return c;
}

void
mqev_client_free(struct mqev_client *c)
{
	if (c == NULL || c->freed)
		return;
	mqev_fleet_meet_fork(c->fleet);
	mqev_client_enter(c);
	c->freed = true;
	/* While the descriptor is still open: who watches it in a loop of his own must let go of
	 * it. */
	mqev_socket_closed(c);
	mqev_log_drop_kept(c);
	mqev_drain_note_left(c);
	mqev_controller_drop(c);
	mqev_rpc_free(c);
	if (mqev_session_journal(&c->session) != NULL)
		mqev_durable_detach(c);
	else
		mqev_session_free(&c->session, MQEV_ERR_CANCELED);
	mqev_drain_abandon(c);
	if (mqev_part_find(c->parts, MQEV_PART_REMOTE) != NULL)
		c->fleet->hooks->client_gone(c->fleet->front, c);
	mqev_subscriptions_free(c);
	mqev_fleet_remove(c->fleet, c);
	mqev_client_leave(c);
}
