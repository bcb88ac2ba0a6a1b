/* Lines for on_log and events for on_event, of the client and of its fleet: kept until a callback
 * may run. Nothing secret is ever given to them. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <mqev/event.h>

#include "client/client.h"
#include "core/mem.h"
#include "core/packet_print.h"

/* With its NUL; what is longer is cut. */
#define LONGEST_LINE 512

/* It waits until a callback may run: not inside a call of the application, nor amidst a change of
 * state. */
struct mqev_kept_note {
	struct mqev_part part; /* of the last one in the ring */
	struct mqev_kept_note *next;
	enum mqev_log_level level; /* 0: it is an event */
	struct mqev_event event;
	char text[];
};

static bool
fleet_wants(const struct mqev_fleet *fleet, enum mqev_log_level level)
{
	return fleet->audience.on_log != NULL &&
	       (fleet->audience.log_levels & (uint32_t)level) != 0;
}

bool
mqev_log_wanted(const struct mqev_client *c, enum mqev_log_level level)
{
	return !c->freed && (c->config->on_log != NULL || fleet_wants(c->fleet, level));
}

bool
mqev_event_wanted(const struct mqev_client *c)
{
	return !c->freed && (c->config->on_event != NULL || c->fleet->audience.on_event != NULL);
}

/* They are a ring, of which the client has the last one; NULL: none waits. */
static struct mqev_kept_note *
last_note(const struct mqev_client *c)
{
	return mqev_part_find(c->parts, MQEV_PART_NOTES);
}

static void
append(struct mqev_client *c, struct mqev_kept_note *note)
{
	struct mqev_kept_note *last = last_note(c);

	note->next = note;
	if (last != NULL) {
		note->next = last->next;
		last->next = note;
		mqev_part_remove(&c->parts, &last->part);
	}
	mqev_part_add(&c->parts, &note->part, MQEV_PART_NOTES);
	if (c->depth == 0)
		mqev_fleet_plan(c->fleet, c);
}

/* Without memory the note is lost. */
static struct mqev_kept_note *
make(const char *text)
{
	size_t size = strlen(text) + 1;
	struct mqev_kept_note *note = mqev_malloc(sizeof(*note) + size);

	if (note != NULL)
		memcpy(note->text, text, size);
	return note;
}

static struct mqev_kept_note *
take(struct mqev_client *c)
{
	struct mqev_kept_note *last = last_note(c);
	struct mqev_kept_note *first = last->next;

	last->next = first->next;
	if (first == last)
		mqev_part_remove(&c->parts, &last->part);
	return first;
}

static void
tell_line(struct mqev_client *c, const struct mqev_kept_note *note)
{
	const struct mqev_audience *all = &c->fleet->audience;
	struct mqev_log_line line = {.level = note->level, .text = note->text};

	if (c->config->on_log != NULL)
		c->config->on_log(c, &line, c->userdata);
	if (!c->freed && fleet_wants(c->fleet, line.level))
		all->on_log(c, &line, all->userdata);
}

static void
tell_event(struct mqev_client *c, const struct mqev_kept_note *note)
{
	const struct mqev_audience *all = &c->fleet->audience;
	struct mqev_event event = note->event;

	event.text = note->text;
	if (c->config->on_event != NULL)
		c->config->on_event(c, &event, c->userdata);
	if (!c->freed && all->on_event != NULL)
		all->on_event(c, &event, all->userdata);
}

bool
mqev_log_tell_kept(struct mqev_client *c)
{
	const struct mqev_kept_note *last = last_note(c);
	bool was_last = last == NULL;

	/* Notes that these callbacks give rise to wait for the next time, else it would not end. */
	while (!was_last && last_note(c) != NULL) {
		struct mqev_kept_note *note = take(c);

		was_last = note == last;
		if (!c->freed && note->level != 0)
			tell_line(c, note);
		else if (!c->freed)
			tell_event(c, note);
		mqev_free(note);
	}
	return !c->freed;
}

void
mqev_log_drop_kept(struct mqev_client *c)
{
	while (last_note(c) != NULL)
		mqev_free(take(c));
}

void
mqev_log(struct mqev_client *c, enum mqev_log_level level, const char *format, ...)
{
	struct mqev_kept_note *note;
	char text[LONGEST_LINE];
	va_list args;

	if (!mqev_log_wanted(c, level))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	note = make(text);
	if (note == NULL)
		return;
	note->level = level;
	append(c, note);
}

void
mqev_log_packet(
    struct mqev_client *c, bool sent, enum mqev_packet_type type, union mqev_packet_view view)
{
	char text[LONGEST_LINE];

	if (!mqev_log_wanted(c, MQEV_LOG_DEBUG))
		return;
	mqev_packet_print(
	    (enum mqev_version)c->session.version, sent, type, view, text, sizeof(text));
	mqev_log(c, MQEV_LOG_DEBUG, "%s", text);
}

void
mqev_event(struct mqev_client *c, const struct mqev_event *event)
{
	struct mqev_kept_note *note;

	if (!mqev_event_wanted(c))
		return;
	note = make(event->text != NULL ? event->text : "");
	if (note == NULL)
		return;
	note->level = (enum mqev_log_level)0;
	note->event = *event;
	append(c, note);
}
