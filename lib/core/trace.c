/* W3C Trace Context: its two texts, and where they stand in user properties. Where random ids come
 * from: client/trace.c. */
#include <mqev/trace.h>

#include <string.h>

#include <mqev/reason.h>

#include "core/mem.h"
#include "core/properties.h"

#define TRACEPARENT_LEN (MQEV_TRACEPARENT_SIZE - 1)
#define MOST_STATE (MQEV_TRACESTATE_SIZE - 1)
#define MOST_ENTRIES 32
#define LONGEST_PART 256 /* of an entry: its key, its value */
#define KNOWN_FLAGS (MQEV_TRACE_SAMPLED | MQEV_TRACE_RANDOM)

static const char parent_name[] = "traceparent";
static const char state_name[] = "tracestate";

/* --- hex -------------------------------------------------------------------------------------- */

/* Small letters only; -1: none of them. */
static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
read_hex(const char *text, uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int high = hex_digit(text[2 * i]);
		int low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static char *
write_hex(char *text, const uint8_t *bytes, size_t count)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < count; i++) {
		*text++ = digits[bytes[i] >> 4];
		*text++ = digits[bytes[i] & 15];
	}
	return text;
}

static bool
all_zero(const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] != 0)
			return false;
	}
	return true;
}

static bool
ids_valid(const struct mqev_trace *trace)
{
	return !all_zero(trace->trace_id, sizeof(trace->trace_id)) &&
	       !all_zero(trace->span_id, sizeof(trace->span_id));
}

/* --- traceparent ------------------------------------------------------------------------------ */

/* "00-" 32 digits "-" 16 digits "-" 2 digits; a later version may go on behind another "-". */
static bool
layout_valid(const char *text, size_t len, uint8_t version)
{
	if (text[2] != '-' || text[35] != '-' || text[52] != '-' || version == 0xff)
		return false;
	return len == TRACEPARENT_LEN || (version > 0 && text[TRACEPARENT_LEN] == '-');
}

int
mqev_trace_parse(const char *text, size_t len, struct mqev_trace *trace)
{
	struct mqev_trace read = {.state = ""};
	uint8_t version;

	if (text == NULL || trace == NULL || len < TRACEPARENT_LEN ||
	    !read_hex(text, &version, 1) || !layout_valid(text, len, version))
		return MQEV_ERR_INVALID;
	if (!read_hex(text + 3, read.trace_id, 16) || !read_hex(text + 36, read.span_id, 8) ||
	    !read_hex(text + 53, &read.flags, 1) || !ids_valid(&read))
		return MQEV_ERR_INVALID;
	read.flags &= KNOWN_FLAGS;
	*trace = read;
	return 0;
}

int
mqev_trace_format(const struct mqev_trace *trace, char text[MQEV_TRACEPARENT_SIZE])
{
	const uint8_t version = 0;
	uint8_t flags;
	char *at = text;

	if (trace == NULL || text == NULL || !ids_valid(trace))
		return MQEV_ERR_INVALID;
	flags = trace->flags & KNOWN_FLAGS;
	at = write_hex(at, &version, 1);
	*at++ = '-';
	at = write_hex(at, trace->trace_id, sizeof(trace->trace_id));
	*at++ = '-';
	at = write_hex(at, trace->span_id, sizeof(trace->span_id));
	*at++ = '-';
	at = write_hex(at, &flags, 1);
	*at = '\0';
	return 0;
}

/* --- tracestate ------------------------------------------------------------------------------- */

struct entry {
	const char *key;
	size_t key_len;
};

static bool
is_key_begin(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool
key_valid(const char *key, size_t len)
{
	if (len == 0 || len > LONGEST_PART || !is_key_begin(key[0]))
		return false;
	for (size_t i = 1; i < len; i++) {
		if (!is_key_begin(key[i]) && (key[i] == '\0' || strchr("_-*/@", key[i]) == NULL))
			return false;
	}
	return true;
}

static bool
value_valid(const char *value, size_t len)
{
	if (len == 0 || len > LONGEST_PART || value[len - 1] == ' ')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (value[i] < 0x20 || value[i] > 0x7e || value[i] == '=')
			return false;
	}
	return true;
}

static void
trim(const char **text, size_t *len)
{
	while (*len > 0 && (**text == ' ' || **text == '\t')) {
		(*text)++;
		(*len)--;
	}
	while (*len > 0 && ((*text)[*len - 1] == ' ' || (*text)[*len - 1] == '\t'))
		(*len)--;
}

static bool
read_entry(const char *text, size_t len, struct entry *entry)
{
	const char *equals = memchr(text, '=', len);

	if (equals == NULL)
		return false;
	entry->key = text;
	entry->key_len = (size_t)(equals - text);
	return key_valid(entry->key, entry->key_len) &&
	       value_valid(equals + 1, len - entry->key_len - 1);
}

static bool
is_new(const struct entry *entries, size_t count, const struct entry *entry)
{
	for (size_t i = 0; i < count; i++) {
		if (entries[i].key_len == entry->key_len &&
		    memcmp(entries[i].key, entry->key, entry->key_len) == 0)
			return false;
	}
	return true;
}

bool
mqev_trace_state_valid(const char *state, size_t len)
{
	struct entry entries[MOST_ENTRIES];
	size_t count = 0;

	if (state == NULL || len > MOST_STATE)
		return false;
	for (size_t at = 0; at < len;) {
		const char *comma = memchr(state + at, ',', len - at);
		size_t end = comma != NULL ? (size_t)(comma - state) : len;
		const char *text = state + at;
		size_t text_len = end - at;

		at = end + 1;
		trim(&text, &text_len);
		if (text_len == 0)
			continue; /* an empty entry is legal */
		if (count == MOST_ENTRIES || !read_entry(text, text_len, &entries[count]) ||
		    !is_new(entries, count, &entries[count]))
			return false;
		count++;
	}
	return true;
}

/* --- user properties -------------------------------------------------------------------------- */

static bool
is_user(const struct mqev_property *p, const char *name)
{
	return p->id == MQEV_PROP_USER_PROPERTY && p->name_len == strlen(name) &&
	       memcmp(p->name, name, p->name_len) == 0;
}

static bool
is_ours(const struct mqev_property *p)
{
	return is_user(p, parent_name) || is_user(p, state_name);
}

/* All of from but its trace. */
static int
copy_others(const struct mqev_properties *from, struct mqev_properties *to)
{
	struct mqev_property p;
	size_t position = 0;

	while (mqev_properties_next(from, &position, &p)) {
		int error = is_ours(&p) ? 0 : mqev_properties_add(to, &p);

		if (error != 0)
			return error;
	}
	return 0;
}

static void
swap(struct mqev_properties *a, struct mqev_properties *b)
{
	struct mqev_properties kept = *a;

	*a = *b;
	*b = kept;
}

static size_t
state_len(const struct mqev_trace *trace)
{
	const char *end = memchr(trace->state, '\0', sizeof(trace->state));

	return end != NULL ? (size_t)(end - trace->state) : SIZE_MAX;
}

int
mqev_trace_inject(const struct mqev_trace *trace, struct mqev_properties *properties)
{
	char parent[MQEV_TRACEPARENT_SIZE];
	struct mqev_properties *made;
	int error;

	if (properties == NULL || mqev_trace_format(trace, parent) != 0 ||
	    !mqev_trace_state_valid(trace->state, state_len(trace)))
		return MQEV_ERR_INVALID;
	made = mqev_properties_new();
	if (made == NULL)
		return MQEV_ERR_NOMEM;
	error = copy_others(properties, made);
	if (error == 0)
		error = mqev_properties_add_user(made, parent_name, parent);
	if (error == 0 && trace->state[0] != '\0')
		error = mqev_properties_add_user(made, state_name, trace->state);
	if (error == 0)
		swap(properties, made);
	mqev_properties_free(made);
	return error;
}

/* Joins what comes in several properties; entries that do not fit are left out whole. */
static void
join_state(struct mqev_trace *trace, const struct mqev_property *p)
{
	size_t len = strlen(trace->state);
	size_t take = p->value_len;
	size_t room = MOST_STATE - len - (len > 0);

	if (len + (len > 0) > MOST_STATE)
		return;
	if (take > room) {
		for (take = room; take > 0 && p->value[take] != ',';)
			take--;
	}
	if (take == 0)
		return;
	if (len > 0)
		trace->state[len++] = ',';
	memcpy(trace->state + len, p->value, take);
	trace->state[len + take] = '\0';
}

static int
find_parent(const struct mqev_properties *properties, struct mqev_trace *trace)
{
	int result = MQEV_ERR_NOT_FOUND;
	struct mqev_property p;
	size_t position = 0;

	while (mqev_properties_next(properties, &position, &p)) {
		if (!is_user(&p, parent_name))
			continue;
		if (result != MQEV_ERR_NOT_FOUND)
			return MQEV_ERR_INVALID;
		result = mqev_trace_parse(p.value, p.value_len, trace);
	}
	return result;
}

int
mqev_trace_extract(const struct mqev_properties *properties, struct mqev_trace *trace)
{
	struct mqev_trace found = {.state = ""};
	struct mqev_property p;
	size_t position = 0;
	int error = trace != NULL ? find_parent(properties, &found) : MQEV_ERR_INVALID;

	if (error != 0)
		return error;
	while (mqev_properties_next(properties, &position, &p)) {
		if (is_user(&p, state_name))
			join_state(&found, &p);
	}
	if (!mqev_trace_state_valid(found.state, strlen(found.state)))
		found.state[0] = '\0';
	*trace = found;
	return 0;
}
