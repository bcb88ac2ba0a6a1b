/* A store full of messages: filling it, and what it takes a new process to have them all again, and
 * to send them. */
#include "bench/store_rig.h"

#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

/* Of each client, between two turns of the loop. */
#define FILL_STEP 10

/* Filling ------------------------------------------------------------------------------------- */

/* Round by round, so that the messages of all clients lie among one another. */
static int
fill_step(struct rig *r)
{
	unsigned i, k;

	for (k = 0; k < FILL_STEP; k++)
		for (i = 0; i < r->made; i++)
			if (r->clients[i].left && rig_publish(&r->clients[i]))
				return -1;
	return rig_turn(r);
}

int
rig_fill(struct rig *r)
{
	uint64_t all = (uint64_t)r->o.clients * r->o.messages;

	if (rig_open_loop(r) || rig_open_store(r) || rig_make_clients(r))
		return -1;
	while (r->clients[0].left)
		if (fill_step(r))
			return -1;
	if (rig_wait(r, "fill", &r->durable, all))
		return -1;
	printf("{\"filled\": %" PRIu64 "}\n", all);
	return rig_close(r);
}

/* Opening ------------------------------------------------------------------------------------- */

struct moment {
	int64_t ns;
	int64_t resident;
	int64_t heap;
};

static struct moment
now(void)
{
	struct mallinfo2 m = mallinfo2();

	return (struct moment){.ns = clock_monotonic_ns(),
	    .resident = resident_bytes(),
	    .heap = (int64_t)(m.uordblks + m.hblkhd)};
}

static double
per_message(const struct rig *r, int64_t bytes)
{
	return r->pending ? (double)bytes / (double)r->pending : 0;
}

/* The highest that the process ever had. */
static int64_t
peak_resident(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	long long kib = -1;

	while (f && kib < 0 && fgets(line, sizeof line, f))
		if (sscanf(line, "VmHWM: %lld kB", &kib) != 1)
			kib = -1;
	if (f)
		fclose(f);
	return kib < 0 ? -1 : kib * 1024;
}

static void
report_ready(const struct rig *r, const struct moment m[3])
{
	printf("{\"pending\": %" PRIu64
	       ", \"open_s\": %.3f, \"clients_s\": %.3f, \"ready_s\": %.3f,"
	       " \"resident_per_message\": %.1f, \"heap_per_message\": %.1f,"
	       " \"peak_per_message\": %.1f",
	    r->pending, (double)(m[1].ns - m[0].ns) / 1e9, (double)(m[2].ns - m[1].ns) / 1e9,
	    (double)(m[2].ns - m[0].ns) / 1e9, per_message(r, m[2].resident - m[0].resident),
	    per_message(r, m[2].heap - m[0].heap), per_message(r, peak_resident() - m[0].resident));
}

/* Without a port the messages stay where they are. */
static int
send_all(struct rig *r)
{
	int64_t begin = clock_monotonic_ns();

	if (!r->o.port)
		return 0;
	if (rig_connect_all(r) || rig_wait(r, "send", &r->completed, r->pending))
		return -1;
	printf(", \"sent\": %" PRIu64 ", \"send_s\": %.3f, \"peak_sending_per_message\": %.1f",
	    r->completed, (double)(clock_monotonic_ns() - begin) / 1e9,
	    per_message(r, peak_resident()));
	return 0;
}

/* The system has the file in memory no longer. */
static int
cool(const struct rig *r)
{
	int fd, error;

	if (!r->o.cold)
		return 0;
	fd = open(r->o.path, O_RDWR | O_CLOEXEC);
	error = fd < 0 || fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (error)
		perror(r->o.path);
	if (fd >= 0)
		close(fd);
	return error ? -1 : 0;
}

int
rig_restart(struct rig *r)
{
	struct moment m[3];

	if (rig_open_loop(r) || cool(r))
		return -1;
	m[0] = now();
	if (rig_open_store(r))
		return -1;
	m[1] = now();
	if (rig_make_clients(r))
		return -1;
	m[2] = now();
	report_ready(r, m);
	if (send_all(r))
		return -1;
	puts("}");
	return rig_close(r);
}
