/* Lines for on_log. Nothing secret is ever given to it. */
#include <stdarg.h>
#include <stdio.h>

#include "client/client.h"

#define LONGEST_LINE 256

bool
mqev_log_wanted(const struct mqev_client *c)
{
	return c->config->on_log != NULL && !c->freed;
}

void
mqev_log(struct mqev_client *c, enum mqev_log_level level, const char *format, ...)
{
	char text[LONGEST_LINE];
	struct mqev_log_line line = {.level = level, .text = text};
	va_list args;

	if (!mqev_log_wanted(c))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	c->config->on_log(c, &line, c->userdata);
}
