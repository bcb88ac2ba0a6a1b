/* Clients that have the same settings share them: copies, comparing, references, and changing one
 * by putting another in its place. */
#include "client/config.h"

#include <string.h>

#include "core/mem.h"
#include "core/properties.h"

/* --- copies ------------------------------------------------------------------------------------
 */

#define MAX_VIEWS 7

static size_t
list_views(struct mqev_config *c, struct mqev_bytes *views[MAX_VIEWS])
{
	size_t count = 0;

	views[count++] = &c->session.username;
	views[count++] = &c->session.password;
	views[count++] = &c->session.connect_properties;
	views[count++] = &c->session.auth_method;
	views[count++] = &c->will.topic;
	views[count++] = &c->will.payload;
	views[count++] = &c->will.properties;
	return count;
}

/* Until here views point to the application's memory. */
static bool
copy_views(struct mqev_config *c)
{
	struct mqev_bytes *views[MAX_VIEWS];
	size_t count = list_views(c, views);
	size_t size = 0;
	uint8_t *at;

	for (size_t i = 0; i < count; i++)
		size += views[i]->len;
	if (size == 0)
		return true;
	/* Behind each stands a NUL, for those that are given back as strings. */
	at = c->copied = mqev_calloc(1, size + count);
	if (at == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (views[i]->len > 0)
			memcpy(at, views[i]->data, views[i]->len);
		views[i]->data = at;
		at += views[i]->len + 1;
	}
	return true;
}

/* --- sharing -----------------------------------------------------------------------------------
 */

/* So many of those in use, the newest first, are looked at for one that is the same. */
#define LOOK_AT 8

static bool
same_bytes(const struct mqev_bytes *a, const struct mqev_bytes *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* Views and the way to the server are compared by what they show, and the rest bit for bit: what
 * this does not know keeps configurations apart, not together. */
static bool
same(const struct mqev_config *a, struct mqev_config *b)
{
	struct mqev_bytes *views[MAX_VIEWS];
	struct mqev_bytes *others[MAX_VIEWS];
	struct mqev_config like_b = *a;
	size_t count = list_views(&like_b, views);

	list_views(b, others);
	for (size_t i = 0; i < count; i++) {
		if (!same_bytes(views[i], others[i]))
			return false;
		views[i]->data = others[i]->data;
	}
	if (a->session.will != NULL && b->session.will != NULL)
		like_b.session.will = b->session.will;
	if (a->session.auth != NULL && b->session.auth != NULL)
		like_b.session.auth = b->session.auth;
	if (mqev_config_same_net(a->net, b->net))
		mqev_config_point_to_net(&like_b, b);
	like_b.refs = b->refs;
	like_b.will_properties = b->will_properties;
	like_b.copied = b->copied;
	like_b.next = b->next;
	like_b.at = b->at;
	like_b.retired = b->retired;
	like_b.next_retired = b->next_retired;
	return memcmp(&like_b, b, sizeof(like_b)) == 0;
}

static struct mqev_config *
find_same(struct mqev_config *in_use, const struct mqev_config *c)
{
	for (unsigned i = 0; in_use != NULL && i < LOOK_AT; i++, in_use = in_use->next) {
		if (same(c, in_use))
			return in_use;
	}
	return NULL;
}

static void
join(struct mqev_config **in_use, struct mqev_config *c)
{
	c->next = *in_use;
	c->at = in_use;
	if (c->next != NULL)
		c->next->at = &c->next;
	*in_use = c;
}

static void
leave(struct mqev_config *c)
{
	if (c->at == NULL)
		return;
	*c->at = c->next;
	if (c->next != NULL)
		c->next->at = c->at;
}

int
mqev_config_settle(struct mqev_config **in_use, struct mqev_config *c, struct mqev_config **config)
{
	*config = find_same(*in_use, c);
	if (*config != NULL) {
		(*config)->refs++;
		mqev_config_unref(c);
		return 0;
	}
	if (!copy_views(c)) {
		mqev_config_unref(c);
		return MQEV_ERR_NOMEM;
	}
	c->will_properties = mqev_properties_view(c->will.properties);
	join(in_use, c);
	*config = c;
	return 0;
}

int
mqev_config_get(struct mqev_config **in_use, const struct mqev_options *options,
    struct mqev_config **config, const char **why)
{
	struct mqev_config *c = mqev_calloc(1, sizeof(*c));
	int error;

	*why = "";
	if (c == NULL)
		return MQEV_ERR_NOMEM;
	c->refs = 1;
	error = mqev_config_take(c, options);
	if (error == 0)
		return mqev_config_settle(in_use, c, config);
	if (c->fault != NULL)
		*why = c->fault;
	mqev_config_unref(c);
	return error;
}

struct mqev_config *
mqev_config_edit(const struct mqev_config *config)
{
	struct mqev_config *c = mqev_malloc(sizeof(*c));

	if (c == NULL)
		return NULL;
	/* Padding too: it is compared. */
	memcpy(c, config, sizeof(*c));
	c->refs = 1;
	c->copied = NULL;
	c->next = c->next_retired = NULL;
	c->at = NULL;
	c->retired = 0;
	if (c->session.will != NULL)
		c->session.will = &c->will;
	if (c->session.auth != NULL)
		c->session.auth = &c->auth;
	mqev_config_ref_net(c);
	return c;
}

void
mqev_config_retire(struct mqev_config **retired, struct mqev_config *config)
{
	if (config->retired++ > 0)
		return;
	config->next_retired = *retired;
	*retired = config;
}

void
mqev_config_drop_retired(struct mqev_config **retired)
{
	while (*retired != NULL) {
		struct mqev_config *config = *retired;

		*retired = config->next_retired;
		for (; config->retired > 1; config->retired--)
			mqev_config_unref(config);
		config->retired = 0;
		mqev_config_unref(config);
	}
}

void
mqev_config_unref(struct mqev_config *config)
{
	if (config == NULL || --config->refs > 0)
		return;
	leave(config);
	mqev_config_free_net(config);
	mqev_free(config->copied);
	mqev_free(config);
}
