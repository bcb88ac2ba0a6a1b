/* Lines for on_log. Nothing secret is ever given to it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/client.h"
#include "core/mem.h"

#define LONGEST_LINE 256

/* Made inside a call of the application, where no callback may run. */
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

/* Without memory the line is lost. */
static void
keep(struct mqev_client *c, enum mqev_log_level level, const char *text)
{
	size_t size = strlen(text) + 1;
	struct mqev_kept_line *line = mqev_malloc(sizeof(*line) + size);
	struct mqev_kept_line **at = &c->kept_lines;

	if (line == NULL)
		return;
	line->next = NULL;
	line->level = level;
	memcpy(line->text, text, size);
	while (*at != NULL)
		at = &(*at)->next;
	*at = line;
	mqev_fleet_plan(c->fleet, c);
}

static void
tell(struct mqev_client *c, enum mqev_log_level level, const char *text)
{
	struct mqev_log_line line = {.level = level, .text = text};

	if (mqev_log_wanted(c))
		c->config->on_log(c, &line, c->userdata);
}

static struct mqev_kept_line *
take_kept(struct mqev_client *c)
{
	struct mqev_kept_line *line = c->kept_lines;

	if (line != NULL)
		c->kept_lines = line->next;
	return line;
}

void
mqev_log_tell_kept(struct mqev_client *c)
{
	struct mqev_kept_line *line;

	while (!c->in_call && (line = take_kept(c)) != NULL) {
		tell(c, line->level, line->text);
		mqev_free(line);
	}
}

void
mqev_log_drop_kept(struct mqev_client *c)
{
	struct mqev_kept_line *line;

	while ((line = take_kept(c)) != NULL)
		mqev_free(line);
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
	if (c->in_call) {
		keep(c, level, text);
		return;
	}
	mqev_log_tell_kept(c);
	tell(c, level, text);
}
