/* Topic names and filters one at a time, in time linear in their lengths. */
#include "core/topic.h"

#include <string.h>

#include <mqev/topic.h>

#include "core/utf8.h"

static const char share[] = "$share/";
#define SHARE_LEN (sizeof(share) - 1)

static struct mqev_bytes
bytes_of(const char *text)
{
	return (struct mqev_bytes){(const uint8_t *)text, strlen(text)};
}

static bool
has(struct mqev_bytes bytes, char c)
{
	return bytes.len > 0 && memchr(bytes.data, c, bytes.len) != NULL;
}

static bool
text_ok(struct mqev_bytes text)
{
	return text.len > 0 && text.len <= UINT16_MAX && mqev_utf8_valid(text.data, text.len);
}

bool
mqev_topic_filter_has_wildcard(struct mqev_bytes filter)
{
	return has(filter, '+') || has(filter, '#');
}

#define EIGHT(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Whether all of eight bytes are plain. '+' and '#' differ in one bit. As long as no top bit is
 * set, taking 1 from each byte sets that of the first zero. */
static bool
plain_eight(const uint8_t *data)
{
	uint64_t word;
	uint64_t no_wildcard;

	memcpy(&word, data, sizeof(word));
	no_wildcard = (word | EIGHT('+' ^ '#')) ^ EIGHT('+');
	return ((word | (word - EIGHT(1)) | (no_wildcard - EIGHT(1))) & EIGHT(0x80)) == 0;
}

static bool
plain_few(const uint8_t *data, size_t len)
{
	while (len > 0 && *data > 0 && *data < 0x80 && *data != '+' && *data != '#') {
		data++;
		len--;
	}
	return len == 0;
}

/* The last eight bytes may overlap those before. */
bool
mqev_topic_name_plain(struct mqev_bytes name)
{
	const uint8_t *data = name.data;
	const uint8_t *last;

	if (name.len < sizeof(uint64_t))
		return plain_few(data, name.len);
	for (last = data + name.len - sizeof(uint64_t); data < last; data += sizeof(uint64_t)) {
		if (!plain_eight(data))
			return false;
	}
	return plain_eight(last);
}

bool
mqev_topic_name_ok(struct mqev_bytes name)
{
	if (name.len > 0 && name.len <= UINT16_MAX && mqev_topic_name_plain(name))
		return true;
	return text_ok(name) && !mqev_topic_filter_has_wildcard(name);
}

static bool
starts_with_share(struct mqev_bytes filter)
{
	return filter.len >= SHARE_LEN && memcmp(filter.data, share, SHARE_LEN) == 0;
}

bool
mqev_topic_filter_shared(struct mqev_bytes filter, struct mqev_bytes *inner)
{
	const uint8_t *group;
	const uint8_t *slash;

	if (!starts_with_share(filter))
		return false;
	group = filter.data + SHARE_LEN;
	slash = memchr(group, '/', filter.len - SHARE_LEN);
	if (slash == NULL || slash == group || slash + 1 == filter.data + filter.len)
		return false;
	if (inner != NULL) {
		inner->data = slash + 1;
		inner->len = (size_t)(filter.data + filter.len - inner->data);
	}
	return true;
}

/* A '+' or '#' stands alone in its level, a '#' also at the end. */
static bool
wildcards_fill_levels(struct mqev_bytes filter)
{
	size_t i;

	for (i = 0; i < filter.len; i++) {
		if (filter.data[i] != '+' && filter.data[i] != '#')
			continue;
		if (i > 0 && filter.data[i - 1] != '/')
			return false;
		if (i + 1 < filter.len && (filter.data[i] == '#' || filter.data[i + 1] != '/'))
			return false;
	}
	return true;
}

bool
mqev_topic_filter_ok(struct mqev_bytes filter)
{
	struct mqev_bytes group;
	struct mqev_bytes inner = filter;

	if (!text_ok(filter))
		return false;
	if (mqev_topic_filter_shared(filter, &inner)) {
		group.data = filter.data;
		group.len = filter.len - inner.len;
		return !mqev_topic_filter_has_wildcard(group) && wildcards_fill_levels(inner);
	}
	return !starts_with_share(filter) && wildcards_fill_levels(filter);
}

/* Moves the position from the end of a level behind its '/'; false when the text ended there. */
static bool
next_level(struct mqev_bytes text, size_t *at)
{
	return (*at)++ < text.len;
}

static size_t
level_end(struct mqev_bytes text, size_t at)
{
	const uint8_t *slash = at < text.len ? memchr(text.data + at, '/', text.len - at) : NULL;

	return slash != NULL ? (size_t)(slash - text.data) : text.len;
}

static bool
level_matches(struct mqev_bytes filter, size_t f, size_t f_end, struct mqev_bytes name, size_t n,
    size_t n_end)
{
	if (f_end - f == 1 && filter.data[f] == '+')
		return true;
	return f_end - f == n_end - n && memcmp(filter.data + f, name.data + n, f_end - f) == 0;
}

static bool
is_hash(struct mqev_bytes filter, size_t at)
{
	return at + 1 == filter.len && filter.data[at] == '#';
}

/* Level by level; "a/#" matches "a" too. */
static bool
levels_match(struct mqev_bytes filter, struct mqev_bytes name)
{
	size_t f = 0;
	size_t n = 0;
	bool more_filter;
	bool more_name;

	do {
		size_t f_end = level_end(filter, f);
		size_t n_end = level_end(name, n);

		if (is_hash(filter, f))
			return true;
		if (!level_matches(filter, f, f_end, name, n, n_end))
			return false;
		f = f_end;
		n = n_end;
		more_filter = next_level(filter, &f);
		more_name = next_level(name, &n);
	} while (more_filter && more_name);
	if (more_filter)
		return is_hash(filter, f);
	return !more_name;
}

bool
mqev_topic_match(struct mqev_bytes filter, struct mqev_bytes name)
{
	struct mqev_bytes inner = filter;

	mqev_topic_filter_shared(filter, &inner);
	if (name.data[0] == '$' && (inner.data[0] == '+' || inner.data[0] == '#'))
		return false;
	return levels_match(inner, name);
}

bool
mqev_topic_name_valid(const char *text)
{
	return text != NULL && mqev_topic_name_ok(bytes_of(text));
}

bool
mqev_topic_filter_valid(const char *text)
{
	return text != NULL && mqev_topic_filter_ok(bytes_of(text));
}

bool
mqev_topic_matches(const char *filter, const char *topic)
{
	if (!mqev_topic_filter_valid(filter) || !mqev_topic_name_valid(topic))
		return false;
	return mqev_topic_match(bytes_of(filter), bytes_of(topic));
}
