/* A store's life under the recording file layer, and the images that it leaves. */
#include "kill/power_run.h"

#include <mqev/sqlite.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kill/power_model.h"
#include "lib/power.h"
#include "lib/vfs.h"

#define LIVES 2 /* the store is closed and opened again between them */
#define TRANSACTIONS 30
#define POINTS (LIVES * (TRANSACTIONS + 2) + 1)

/* The store after a transaction. */
struct point {
	uint64_t digest;
	size_t begun;	/* from this moment on it may be found */
	size_t durable; /* from this one on nothing earlier may be */
};

struct life {
	uint64_t seed;
	char path[512];
	char image[512];
	struct tk_power *power;
	struct model model;
	struct point points[POINTS];
	size_t count;
	struct power_counts *counts;
};

static bool
complain(const struct life *life, const char *what, int error, const char *text)
{
	printf("seed %llu: %s: %s %s\n", (unsigned long long)life->seed, what,
	    error != 0 ? mqev_error_text(error) : "", text);
	return false;
}

static int
open_at(const char *path, const char *vfs, void **state)
{
	struct mqev_sqlite_options extra = {
	    .size = sizeof(extra), .vfs = vfs, .ballast_bytes = MQEV_SQLITE_NO_BALLAST};
	const struct mqev_backend_options options = {
	    .size = sizeof(options), .path = path, .extra = &extra};

	*state = NULL;
	return mqev_backend_sqlite()->open(&options, state);
}

/* --- the life ----------------------------------------------------------------------------------
 */

static void
note(struct life *life, size_t begun, size_t durable)
{
	life->points[life->count++] = (struct point){model_digest(&life->model), begun, durable};
}

static int
transaction(struct life *life, void *state)
{
	const struct mqev_backend *backend = mqev_backend_sqlite();
	struct model *m = &life->model;
	size_t begun = tk_power_moment(life->power);
	bool sync = model_draw(m, 10) < 5;
	uint64_t changes = 1 + model_draw(m, 8);
	int error = 0;

	for (uint64_t i = 0; i < changes && error == 0; i++)
		error = model_change(m, backend, state);
	if (error == 0)
		error = backend->commit(state, sync);
	note(life, begun, sync ? tk_power_moment(life->power) : SIZE_MAX);
	life->counts->commits++;
	life->counts->synced += sync;
	return error;
}

/* One that is given up leaves nothing, in the model neither. */
static int
transaction_given_up(struct life *life, void *state)
{
	struct model before = life->model;
	int error = model_change(&life->model, mqev_backend_sqlite(), state);

	mqev_backend_sqlite()->rollback(state);
	before.random = life->model.random;
	life->model = before;
	return error;
}

static int
compact(struct life *life, void *state)
{
	size_t before = tk_power_moment(life->power);
	int error = mqev_backend_sqlite()->compact(state);

	life->counts->folds += tk_power_moment(life->power) > before;
	return error;
}

static int
live(struct life *life, void *state)
{
	int error = 0;

	for (int i = 0; i < TRANSACTIONS && error == 0; i++) {
		if (model_draw(&life->model, 8) == 0)
			error = transaction_given_up(life, state);
		if (error == 0)
			error = transaction(life, state);
		if (error == 0)
			error = compact(life, state);
	}
	return error;
}

static bool
live_once(struct life *life)
{
	void *state;
	int error = open_at(life->path, TK_VFS_NAME, &state);

	if (error == 0)
		error = live(life, state);
	if (error != 0)
		complain(life, "living", error,
		    state != NULL ? mqev_backend_sqlite()->error_text(state) : "");
	mqev_backend_sqlite()->close(state);
	/* What was committed is synced by now. */
	note(life, tk_power_moment(life->power), tk_power_moment(life->power));
	return error == 0;
}

/* --- images ------------------------------------------------------------------------------------
 */

/* The oldest that may be found at that moment. */
static size_t
oldest(const struct life *life, size_t moment)
{
	size_t at = 0;

	for (size_t i = 0; i < life->count; i++) {
		if (life->points[i].durable <= moment)
			at = i;
	}
	return at;
}

static bool
is_one_of_them(struct life *life, size_t moment, uint64_t digest)
{
	size_t at = life->count;

	while (at > 0 &&
	       (life->points[at - 1].begun > moment || life->points[at - 1].digest != digest))
		at--;
	if (at == 0 || at - 1 < oldest(life, moment))
		return false;
	life->counts->behind += at < life->count && life->points[at].begun <= moment;
	return true;
}

/* A store that was found takes a change and has it when it is opened again. */
static bool
goes_on(struct life *life, void **state)
{
	const struct mqev_backend *backend = mqev_backend_sqlite();
	const struct mqev_store_client client = {
	    .client = 99, .name = "late", .client_id = "late-1"};
	const struct mqev_change change = {MQEV_CHANGE_CLIENT, NULL, &client};
	uint64_t before = 0;
	uint64_t after = 1;
	int error = backend->append(*state, &change, 1);

	if (error == 0)
		error = backend->commit(*state, true);
	if (error == 0)
		error = model_digest_of(backend, *state, &before);
	backend->close(*state);
	*state = NULL;
	if (error == 0)
		error = open_at(life->image, NULL, state);
	if (error == 0)
		error = model_digest_of(backend, *state, &after);
	life->counts->used++;
	return (error == 0 && before == after) || complain(life, "going on", error, "");
}

static bool
look_at(struct life *life, size_t moment, bool use)
{
	void *state;
	uint64_t digest = 0;
	bool good = false;
	int error = open_at(life->image, NULL, &state);

	if (error == 0)
		error = model_digest_of(mqev_backend_sqlite(), state, &digest);
	if (error != 0)
		complain(life, "an image does not open", error,
		    state != NULL ? mqev_backend_sqlite()->error_text(state) : "");
	else if (!is_one_of_them(life, moment, digest))
		complain(life, "an image is of no state that it may be of", 0, "");
	else
		good = !use || goes_on(life, &state);
	mqev_backend_sqlite()->close(state);
	return good;
}

static void
remove_shared_memory(const struct life *life)
{
	char name[600];

	snprintf(name, sizeof(name), "%s-shm", life->image);
	(void)unlink(name);
}

static bool
fail_once(struct life *life, size_t i)
{
	struct model *m = &life->model;
	size_t moment = (size_t)model_draw(m, tk_power_moment(life->power) + 1);
	uint64_t way = i % 10 < 2 ? i % 10 : 2 + model_draw(m, UINT32_MAX);

	life->counts->images++;
	life->counts->open += tk_power_image(life->power, moment, way, life->image);
	remove_shared_memory(life);
	if (look_at(life, moment, i % 8 == 0))
		return true;
	printf("  image %zu, at moment %zu of %zu, way %llu\n", i, moment,
	    tk_power_moment(life->power), (unsigned long long)way);
	return false;
}

static bool
run(struct life *life, size_t images)
{
	bool good = true;

	note(life, 0, 0);
	for (int i = 0; i < LIVES && good; i++)
		good = live_once(life);
	tk_vfs_record(NULL);
	for (size_t i = 0; i < images && good; i++)
		good = fail_once(life, i);
	return good;
}

static void
remove_files(const char *path)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", ".lock"};
	char name[600];

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		(void)unlink(name);
	}
}

bool
power_run(const char *folder, uint64_t seed, size_t images, struct power_counts *counts)
{
	struct life *life = calloc(1, sizeof(*life));
	bool good;

	if (life == NULL)
		return false;
	life->seed = seed;
	life->counts = counts;
	life->model.random = seed;
	life->model.large = seed % 3 == 0;
	snprintf(life->path, sizeof(life->path), "%s/store-%llu", folder, (unsigned long long)seed);
	snprintf(
	    life->image, sizeof(life->image), "%s/image-%llu", folder, (unsigned long long)seed);
	life->power = tk_power_new(life->path);
	tk_vfs_start();
	tk_vfs_record(life->power);
	good = run(life, images);
	counts->lives++;
	tk_power_free(life->power);
	remove_files(life->path);
	if (good)
		remove_files(life->image);
	free(life);
	return good;
}

void
power_print(const struct power_counts *counts)
{
	printf("power: %lu images of %lu lives (%lu commits, %lu synced, %lu folds of the log): "
	       "%lu operations by chance, %lu images behind the last commit, %lu went on\n",
	    counts->images, counts->lives, counts->commits, counts->synced, counts->folds,
	    counts->open, counts->behind, counts->used);
}
