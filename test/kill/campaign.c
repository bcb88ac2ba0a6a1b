/* Processes of the kill campaign. */
#include "kill/campaign.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kill/broker.h"
#include "kill/client.h"
#include "lib/loop.h"

/* Messages each way; under load more. */
#define FEW 6
#define LOAD 150

struct run {
	struct kill_plan *plan;
	struct kill_counts *counts;
	int listener;
	pid_t client;
	pid_t broker;
	int kills; /* that are still to come */
	uint64_t random;
	long long next_ms;
	bool done;
	bool good;
};

/* --- notes -------------------------------------------------------------------------------------
 */

int
kill_open_notes(const struct kill_plan *plan, const char *name)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", plan->folder, name);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		abort();
	return fd;
}

void
kill_note(int fd, bool sync, const char *fmt, ...)
{
	char line[100];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (write(fd, line, (size_t)len) != len || (sync && fdatasync(fd) != 0))
		abort();
}

/* --- processes ---------------------------------------------------------------------------------
 */

static int
listen_in(const char *folder)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s/socket", folder);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 8) != 0)
		abort();
	return fd;
}

static void
start_broker(struct run *r, bool plan_counts)
{
	struct kill_plan plan = *r->plan;

	plan.point = plan_counts ? plan.point : KILL_NEVER;
	fflush(stdout);
	r->broker = fork();
	if (r->broker == 0)
		kill_broker(&plan, r->listener);
}

static void
start_client(struct run *r, bool plan_counts)
{
	struct kill_plan plan = *r->plan;

	plan.point = plan_counts ? plan.point : KILL_NEVER;
	fflush(stdout);
	r->client = fork();
	if (r->client == 0) {
		close(r->listener);
		kill_client(&plan);
	}
}

static bool
was_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void
on_end(struct run *r, pid_t pid, int status)
{
	if (pid == r->broker && was_killed(status)) {
		r->counts->broker_kills++;
		start_broker(r, false);
	} else if (pid == r->client && was_killed(status)) {
		r->counts->client_kills++;
		start_client(r, false);
	} else {
		r->done = true;
		r->good = pid == r->client && status == 0;
		if (!r->good)
			printf("%s ended with status %x\n", pid == r->client ? "client" : "broker",
			    (unsigned)status);
	}
}

/* --- kills at random ---------------------------------------------------------------------------
 */

static uint64_t
draw(struct run *r, uint64_t below)
{
	uint64_t x = r->random += UINT64_C(0x9E3779B97F4A7C15);

	x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
	return (x ^ x >> 31) % below;
}

static void
kill_one(struct run *r)
{
	if (r->kills == 0 || tk_now_ms() < r->next_ms)
		return;
	r->kills--;
	r->next_ms = tk_now_ms() + 1 + (long long)draw(r, 40);
	kill(draw(r, 4) == 0 ? r->broker : r->client, SIGKILL);
}

static void
attend(struct run *r)
{
	while (!r->done) {
		int status;
		pid_t pid = waitpid(-1, &status, r->kills > 0 ? WNOHANG : 0);

		if (pid > 0)
			on_end(r, pid, status);
		else
			usleep(500);
		if (!r->done)
			kill_one(r);
	}
	/* One of the two is there still. */
	kill(r->good ? r->broker : r->client, SIGKILL);
	if (!r->good)
		kill(r->broker, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

/* Under another name, which the kit does not remove. */
static void
keep_folder(struct kill_plan *plan)
{
	char kept[sizeof(plan->folder)];

	snprintf(kept, sizeof(kept), "%.240s.failed", plan->folder);
	if (rename(plan->folder, kept) == 0)
		memcpy(plan->folder, kept, sizeof(kept));
}

/* --- syncs -------------------------------------------------------------------------------------
 */

static struct kill_syncs *
share_syncs(void)
{
	void *shared = mmap(NULL, sizeof(struct kill_syncs), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		abort();
	return shared;
}

/* As many syncs as commits that something waited for; with P1 nothing waits for the disk. */
static bool
check_syncs(const struct kill_plan *plan, struct kill_counts *counts)
{
	const struct kill_syncs *s = plan->syncs;
	bool good = s->wrong == 0 && s->syncs == s->gated && (plan->power || s->gated == 0);

	counts->commits += s->commits;
	counts->gated += s->gated;
	counts->syncs += s->syncs;
	if (!good)
		printf("BROKEN: %lu syncs for %lu gated commits, %lu commits had another number\n",
		    s->syncs, s->gated, s->wrong);
	return good;
}

/* --- runs --------------------------------------------------------------------------------------
 */

static const char *const names[KILL_POINTS] = {
    [KILL_NEVER] = "nowhere",
    [KILL_BEFORE_APPEND] = "before-append",
    [KILL_BEFORE_COMMIT] = "before-commit",
    [KILL_AFTER_COMMIT] = "after-commit",
    [KILL_AT_DURABLE] = "at-durable",
    [KILL_AT_COMPLETION] = "at-completion",
    [KILL_BEFORE_EFFECT] = "before-effect",
    [KILL_AFTER_EFFECT] = "after-effect",
    [KILL_BEFORE_ANSWER] = "before-answer",
    [KILL_AFTER_ANSWER] = "after-answer",
    [KILL_BROKER_BEFORE_SYNC] = "broker-before-sync",
    [KILL_BROKER_AFTER_SYNC] = "broker-after-sync",
    [KILL_BROKER_AFTER_ANSWER] = "broker-after-answer",
};

static void
print_plan(const struct kill_plan *plan, int kills)
{
	printf("seed %llu, version %d, P%d, %s %ld, %d random kills: see %s\n",
	    (unsigned long long)plan->seed, plan->version, plan->power ? 2 : 1, names[plan->point],
	    plan->nth, kills, plan->folder);
}

bool
kill_run(struct kill_plan *plan, int kills, struct kill_counts *counts)
{
	char *folder = tk_tmpdir();
	struct run r = {.plan = plan, .counts = counts, .kills = kills, .random = plan->seed};

	snprintf(plan->folder, sizeof(plan->folder), "%s", folder);
	plan->syncs = share_syncs();
	r.listener = listen_in(folder);
	r.next_ms = tk_now_ms() + 1 + (long long)draw(&r, 40);
	start_broker(&r, true);
	start_client(&r, true);
	attend(&r);
	close(r.listener);
	counts->runs++;
	r.good = kill_check(plan, counts) && r.good;
	r.good = check_syncs(plan, counts) && r.good;
	munmap(plan->syncs, sizeof(*plan->syncs));
	if (r.good) {
		tk_rmtree(folder);
	} else {
		keep_folder(plan);
		print_plan(plan, kills);
	}
	free(folder);
	return r.good;
}

bool
kill_each(struct kill_plan *plan, long most, struct kill_counts *counts)
{
	unsigned long kills;
	bool good = true;

	plan->nth = 0;
	do {
		kills = counts->client_kills + counts->broker_kills;
		plan->nth++;
		good = kill_run(plan, 0, counts);
	} while (good && plan->nth < most && counts->client_kills + counts->broker_kills > kills);
	return good;
}

bool
kill_all_points(uint64_t seed, long most, struct kill_counts *counts)
{
	bool good = true;

	for (int i = 0; i < (KILL_POINTS - 1) * 4 && good; i++) {
		struct kill_plan plan = {.seed = seed,
		    .version = i % 2 == 0 ? 4 : 5,
		    .power = i / 2 % 2 == 0,
		    .out = FEW,
		    .in = FEW,
		    .point = (enum kill_point)(1 + i / 4)};

		good = kill_each(&plan, most, counts);
	}
	return good;
}

bool
kill_at_random(uint64_t seed, int version, int kills, struct kill_counts *counts)
{
	struct kill_plan plan = {
	    .seed = seed, .version = version, .power = seed / 2 % 2 == 0, .out = LOAD, .in = LOAD};

	return kill_run(&plan, kills, counts);
}

void
kill_print(const struct kill_counts *c)
{
	printf(
	    "kill: %lu runs, client killed %lu times, broker %lu times: %lu accepted, %lu "
	    "received (%lu repeats with DUP), %lu delivered (%lu again with the same token or at "
	    "QoS 1), %lu completions told again; %lu commits, %lu of them gated, %lu syncs\n",
	    c->runs, c->client_kills, c->broker_kills, c->accepted, c->received, c->repeats,
	    c->effects, c->again, c->late, c->commits, c->gated, c->syncs);
}
