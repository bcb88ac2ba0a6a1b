/* The record of writes and syncs, and the files that a loss of power leaves. */
#include "power.h"

#include "bytes.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512

enum kind { CREATED, WROTE, TRUNCATED, SYNCED, DELETED };

struct op {
	enum kind kind;
	int file;
	bool synced; /* DELETED */
	int64_t at;  /* offset, or the size that it was cut to */
	size_t len;
	unsigned char *bytes;
};

struct tk_power {
	char path[512];
	struct op *ops;
	size_t count;
	size_t room;
};

static const char *const suffixes[] = {"", "-wal", "-journal"};
#define FILES (sizeof(suffixes) / sizeof(suffixes[0]))

/* --- the record --------------------------------------------------------------------------------
 */

struct tk_power *
tk_power_new(const char *path)
{
	struct tk_power *power = tk_calloc(1, sizeof(*power));

	snprintf(power->path, sizeof(power->path), "%s", path);
	return power;
}

void
tk_power_free(struct tk_power *power)
{
	for (size_t i = 0; power != NULL && i < power->count; i++)
		free(power->ops[i].bytes);
	free(power != NULL ? power->ops : NULL);
	free(power);
}

static int
number_of(const struct tk_power *power, const char *name)
{
	size_t len = strlen(power->path);

	if (name == NULL || strncmp(name, power->path, len) != 0)
		return -1;
	for (size_t i = 0; i < FILES; i++) {
		if (strcmp(name + len, suffixes[i]) == 0)
			return (int)i;
	}
	return -1;
}

static void
add(struct tk_power *power, const char *name, struct op op)
{
	op.file = number_of(power, name);
	if (op.file < 0) {
		free(op.bytes);
		return;
	}
	if (power->count == power->room) {
		power->room = power->room * 2 + 64;
		power->ops = realloc(power->ops, power->room * sizeof(*power->ops));
		if (power->ops == NULL)
			tk_die("out of memory");
	}
	power->ops[power->count++] = op;
}

void
tk_power_created(struct tk_power *power, const char *name)
{
	add(power, name, (struct op){.kind = CREATED});
}

void
tk_power_wrote(
    struct tk_power *power, const char *name, const void *bytes, size_t len, int64_t offset)
{
	struct op op = {.kind = WROTE, .at = offset, .len = len, .bytes = tk_calloc(1, len)};

	memcpy(op.bytes, bytes, len);
	add(power, name, op);
}

void
tk_power_truncated(struct tk_power *power, const char *name, int64_t size)
{
	add(power, name, (struct op){.kind = TRUNCATED, .at = size});
}

void
tk_power_synced(struct tk_power *power, const char *name)
{
	add(power, name, (struct op){.kind = SYNCED});
}

void
tk_power_deleted(struct tk_power *power, const char *name, bool synced)
{
	add(power, name, (struct op){.kind = DELETED, .synced = synced});
}

size_t
tk_power_moment(const struct tk_power *power)
{
	return power->count;
}

/* --- images ------------------------------------------------------------------------------------
 */

struct image {
	uint64_t seed;
	uint64_t random;
	size_t open; /* operations whose fate was decided by chance */
	bool there;
	unsigned char *bytes;
	size_t size;
	size_t room;
};

static uint64_t
draw(struct image *image)
{
	uint64_t x = image->random += UINT64_C(0x9E3779B97F4A7C15);

	x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
	return x ^ x >> 31;
}

/* Of what was not synced: all, nothing, or by the toss of a coin. */
static bool
happened(struct image *image)
{
	return image->seed > 1 ? (draw(image) & 1) != 0 : image->seed == 1;
}

static void
resize(struct image *image, size_t size)
{
	if (size > image->room) {
		image->room = size * 2;
		image->bytes = realloc(image->bytes, image->room);
		if (image->bytes == NULL)
			tk_die("out of memory");
	}
	if (size > image->size)
		memset(image->bytes + image->size, 0, size - image->size);
	image->size = size;
}

static void
put(struct image *image, size_t at, const unsigned char *bytes, size_t len)
{
	if (at + len > image->size)
		resize(image, at + len);
	memcpy(image->bytes + at, bytes, len);
}

/* Sector by sector of the disk. */
static void
put_torn(struct image *image, const struct op *op)
{
	size_t at = (size_t)op->at;
	size_t end = at + op->len;

	while (at < end) {
		size_t next = (at / SECTOR + 1) * SECTOR;

		next = next < end ? next : end;
		if (happened(image))
			put(image, at, op->bytes + (at - (size_t)op->at), next - at);
		at = next;
	}
}

/* An unsynced write is there, is not there, or is torn. */
static void
put_unsynced(struct image *image, const struct op *op)
{
	if (image->seed > 1 && draw(image) % 4 == 0)
		put_torn(image, op);
	else if (happened(image))
		put(image, (size_t)op->at, op->bytes, op->len);
}

static void
apply(struct image *image, const struct op *op, bool durable)
{
	image->open += !durable && op->kind != SYNCED;
	if (op->kind == WROTE && !durable) {
		put_unsynced(image, op);
		return;
	}
	if (op->kind == SYNCED || (!durable && !happened(image)))
		return;
	if (op->kind == WROTE)
		put(image, (size_t)op->at, op->bytes, op->len);
	else if (op->kind == TRUNCATED)
		resize(image, (size_t)op->at);
	else
		resize(image, 0);
	image->there = op->kind != DELETED;
}

/* The last sync of the file: what was done to its bytes before is durable. */
static size_t
file_sync(const struct tk_power *power, size_t moment, int file)
{
	while (moment > 0 &&
	       (power->ops[moment - 1].file != file || power->ops[moment - 1].kind != SYNCED))
		moment--;
	return moment;
}

static bool
is_first_sync(const struct tk_power *power, size_t at)
{
	const struct op *ops = power->ops;
	size_t i = at;

	if (ops[at].kind != SYNCED)
		return false;
	while (i > 0 && (ops[i - 1].file != ops[at].file || ops[i - 1].kind == WROTE ||
			    ops[i - 1].kind == TRUNCATED))
		i--;
	return i > 0 && ops[i - 1].kind == CREATED;
}

/* The last sync of the folder: what was made and deleted before is durable. SQLite syncs the folder
 * of a log or journal with its first sync, and after a delete when it says so. */
static size_t
folder_sync(const struct tk_power *power, size_t moment)
{
	while (moment > 0 && !is_first_sync(power, moment - 1) &&
	       !(power->ops[moment - 1].kind == DELETED && power->ops[moment - 1].synced))
		moment--;
	return moment;
}

static bool
write_all(const struct image *image, FILE *f)
{
	return image->size == 0 || fwrite(image->bytes, 1, image->size, f) == image->size;
}

static void
save(const struct image *image, const char *to, const char *suffix)
{
	char name[600];
	FILE *f;

	snprintf(name, sizeof(name), "%s%s", to, suffix);
	(void)unlink(name);
	if (!image->there)
		return;
	f = fopen(name, "wb");
	if (f == NULL || !write_all(image, f) || fclose(f) != 0)
		tk_die("cannot write %s", name);
	(void)chmod(name, 0600);
}

static bool
is_of_name(const struct op *op)
{
	return op->kind == CREATED || op->kind == DELETED;
}

/* A file that is not there grows out of what was written to it all the same: its name may have
 * reached the disk before what was noted of it. */
static void
make_file(const struct tk_power *power, struct image *image, size_t moment, int file)
{
	size_t bytes = file_sync(power, moment, file);
	size_t names = folder_sync(power, moment);

	image->there = file == 0;
	image->size = 0;
	for (size_t i = 0; i < moment; i++) {
		const struct op *op = &power->ops[i];

		if (op->file != file)
			continue;
		apply(image, op, i < (is_of_name(op) ? names : bytes));
		image->there |= op->kind == WROTE && image->size > 0;
	}
}

size_t
tk_power_image(const struct tk_power *power, size_t moment, uint64_t seed, const char *to)
{
	struct image image = {.seed = seed, .random = seed ^ (uint64_t)moment << 32};

	for (size_t i = 0; i < FILES; i++) {
		make_file(power, &image, moment, (int)i);
		save(&image, to, suffixes[i]);
	}
	free(image.bytes);
	return image.open;
}
