/* The part of a client that keeps what a connection ended with. */
#include "client/last_words.h"

#include "client/client.h"
#include "core/mem.h"

struct last_words {
	struct mqev_part part;
	struct mqev_properties *properties; /* NULL: none */
	struct mqev_net_error cause;
	bool link_failed; /* for that cause */
};

static struct last_words *
words_of(const struct mqev_client *c)
{
	return mqev_part_find(c->parts, MQEV_PART_WORDS);
}

static struct last_words *
make_words(struct mqev_client *c)
{
	struct last_words *words = words_of(c);

	if (words != NULL)
		return words;
	words = mqev_calloc(1, sizeof(*words));
	if (words != NULL)
		mqev_part_add(&c->parts, &words->part, MQEV_PART_WORDS);
	return words;
}

void
mqev_last_words_keep_properties(struct mqev_client *c, const struct mqev_properties *properties)
{
	struct last_words *words = make_words(c);

	if (words == NULL)
		return;
	mqev_properties_free(words->properties);
	words->properties = mqev_properties_copy(properties);
}

void
mqev_last_words_keep_cause(struct mqev_client *c, const struct mqev_net_error *cause)
{
	struct last_words *words = make_words(c);

	if (words == NULL || words->link_failed)
		return;
	words->cause = *cause;
	words->link_failed = true;
}

bool
mqev_last_words_take(
    struct mqev_client *c, struct mqev_properties **properties, struct mqev_net_error *cause)
{
	struct last_words *words = words_of(c);
	bool link_failed = words != NULL && words->link_failed;

	*properties = words != NULL ? words->properties : NULL;
	if (link_failed)
		*cause = words->cause;
	if (words != NULL)
		words->properties = NULL;
	mqev_last_words_drop(c);
	return link_failed;
}

void
mqev_last_words_drop(struct mqev_client *c)
{
	struct last_words *words = words_of(c);

	if (words == NULL)
		return;
	mqev_part_remove(&c->parts, &words->part);
	mqev_properties_free(words->properties);
	mqev_free(words);
}
