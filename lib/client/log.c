/* Lines for on_log. Nothing secret is ever given to it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/client.h"
#include "core/mem.h"

#define LONGEST_LINE 256

/* A line waits until a callback may run: not inside a call of the application, nor amidst a change
 * of state. */
struct mqev_kept_line {
	struct mqev_kept_line *next;
	enum mqev_log_level level;
	char text[];
};

bool
mqev_log_wanted(const struct mqev_client *c)
{
	return c->config->on_log != NULL && !c->freed;
}

/* A ring, of which the client has the last line. Without memory the line is lost. */
static void
keep(struct mqev_client *c, enum mqev_log_level level, const char *text)
{
	size_t size = strlen(text) + 1;
	struct mqev_kept_line *line = mqev_malloc(sizeof(*line) + size);

	if (line == NULL)
		return;
	line->level = level;
	memcpy(line->text, text, size);
	line->next = line;
	if (c->last_line != NULL) {
		line->next = c->last_line->next;
		c->last_line->next = line;
	}
	c->last_line = line;
}

static struct mqev_kept_line *
take_kept(struct mqev_client *c)
{
	struct mqev_kept_line *last = c->last_line;
	struct mqev_kept_line *first = last->next;

	last->next = first->next;
	if (first == last)
		c->last_line = NULL;
	return first;
}

static void
tell(struct mqev_client *c, const struct mqev_kept_line *kept)
{
	struct mqev_log_line line = {.level = kept->level, .text = kept->text};

	if (mqev_log_wanted(c))
		c->config->on_log(c, &line, c->userdata);
}

bool
mqev_log_tell_kept(struct mqev_client *c)
{
	const struct mqev_kept_line *last = c->last_line;
	bool was_last = last == NULL;

	/* Lines that on_log gives rise to wait for the next time, else it would not end. */
	while (!was_last && c->last_line != NULL) {
		struct mqev_kept_line *line = take_kept(c);

		was_last = line == last;
		tell(c, line);
		mqev_free(line);
	}
	return !c->freed;
}

void
mqev_log_drop_kept(struct mqev_client *c)
{
	while (c->last_line != NULL)
		mqev_free(take_kept(c));
}

void
mqev_log(struct mqev_client *c, enum mqev_log_level level, const char *format, ...)
{
	char text[LONGEST_LINE];
	va_list args;

	if (!mqev_log_wanted(c))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	keep(c, level, text);
	if (c->depth == 0)
		mqev_fleet_plan(c->fleet, c);
}
