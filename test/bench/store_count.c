/* Counting what the writer commits: each call goes on to the back end behind. */
#include "bench/store_count.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct counting {
	struct store_count *count;
	void *inner;
	struct commit_row row;
	int64_t begun_ns; /* 0: no transaction */
};

static int64_t
now_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int
count_open(const struct mqev_backend_options *options, void **state)
{
	struct mqev_backend_options inner = *options;
	struct counting *c = calloc(1, sizeof *c);
	int error;

	if (!c)
		return MQEV_ERR_NOMEM;
	c->count = options->extra;
	inner.extra = c->count->inner_extra;
	error = c->count->inner->open(&inner, &c->inner);
	*state = c;
	return error;
}

static int
count_load(void *state, uint32_t client, const struct mqev_backend_visitor *visitor, void *arg)
{
	struct counting *c = state;

	return c->count->inner->load(c->inner, client, visitor, arg);
}

static int
count_read(void *state, uint64_t seq, mqev_backend_bytes_cb *bytes, void *arg)
{
	struct counting *c = state;

	return c->count->inner->read(c->inner, seq, bytes, arg);
}

static void
note_change(struct commit_row *row, enum mqev_change_kind kind)
{
	if (kind == MQEV_CHANGE_PUT)
		row->puts++;
	else if (kind == MQEV_CHANGE_REMOVE)
		row->removes++;
	else
		row->clients++;
}

static int
count_append(void *state, const struct mqev_change *changes, size_t n)
{
	struct counting *c = state;
	size_t i;

	if (!c->begun_ns)
		c->begun_ns = now_of(CLOCK_MONOTONIC);
	for (i = 0; i < n; i++) {
		note_change(&c->row, changes[i].kind);
		if (changes[i].kind == MQEV_CHANGE_PUT)
			c->count->bytes += changes[i].record->bytes_len;
	}
	return c->count->inner->append(c->inner, changes, n);
}

static void
note_commit(struct counting *c, bool sync)
{
	struct store_count *count = c->count;

	if (count->len == count->capacity) {
		size_t capacity = count->capacity ? count->capacity * 2 : 4096;
		struct commit_row *rows = realloc(count->rows, capacity * sizeof *rows);

		if (!rows)
			abort();
		count->rows = rows;
		count->capacity = capacity;
	}
	c->row.sync = sync;
	count->rows[count->len++] = c->row;
	count->cpu_ns = now_of(CLOCK_THREAD_CPUTIME_ID);
	count->busy_ns += now_of(CLOCK_MONOTONIC) - c->begun_ns;
}

static void
begin_anew(struct counting *c)
{
	c->row = (struct commit_row){0};
	c->begun_ns = 0;
}

static int
count_commit(void *state, bool sync)
{
	struct counting *c = state;
	int error = c->count->inner->commit(c->inner, sync);

	if (!error && c->begun_ns)
		note_commit(c, sync);
	begin_anew(c);
	return error;
}

static void
count_rollback(void *state)
{
	struct counting *c = state;

	c->count->inner->rollback(c->inner);
	begin_anew(c);
}

static int
count_compact(void *state)
{
	struct counting *c = state;

	return c->count->inner->compact(c->inner);
}

static const char *
count_error_text(const void *state)
{
	const struct counting *c = state;

	return c->count->inner->error_text(c->inner);
}

static void
count_close(void *state)
{
	struct counting *c = state;

	if (!c)
		return;
	c->count->inner->close(c->inner);
	free(c);
}

const struct mqev_backend *
store_count_backend(void)
{
	static const struct mqev_backend counting = {
	    .size = sizeof counting,
	    .name = "counting",
	    .open = count_open,
	    .load = count_load,
	    .read = count_read,
	    .append = count_append,
	    .commit = count_commit,
	    .rollback = count_rollback,
	    .compact = count_compact,
	    .error_text = count_error_text,
	    .close = count_close,
	};

	return &counting;
}

bool
store_count_write(const struct store_count *count, const char *path)
{
	FILE *f = fopen(path, "w");
	size_t i;

	if (!f)
		return false;
	for (i = 0; i < count->len; i++)
		fprintf(f, "%u %u %u %u\n", count->rows[i].puts, count->rows[i].removes,
		    count->rows[i].clients, count->rows[i].sync);
	return fclose(f) == 0;
}
