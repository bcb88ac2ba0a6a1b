/* The history checker of the kill campaign. */
#include "kill/history.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fate {
	bool tried;
	bool accepted;
	int receipts;
	int completions; /* in all processes */
	bool completed;	 /* in this one */
	int effects;
	uint64_t token;
	bool had; /* the effect, in this process */
};

struct history {
	const struct kill_plan *plan;
	struct kill_counts *counts;
	struct fate *out; /* from 1 */
	struct fate *in;
	int last_out[3]; /* by QoS */
	int last_in[3];
	bool in_use;
	bool good;
};

static void
broken(struct history *h, const char *fmt, ...)
{
	va_list ap;

	h->good = false;
	printf("BROKEN: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

static bool
known(struct history *h, int i, int count)
{
	if (i >= 1 && i <= count)
		return true;
	broken(h, "there is no message %d", i);
	return false;
}

/* --- what the broker noted ---------------------------------------------------------------------
 */

static void
on_receipt(struct history *h, int qos, int dup, int i)
{
	struct fate *f = &h->out[i];

	if (qos != kill_qos(h->plan, i))
		broken(h, "message %d came with QoS %d", i, qos);
	if (f->receipts++ > 0) {
		if (qos == 2)
			broken(h, "message %d, QoS 2, came twice to the broker", i);
		if (!dup)
			broken(h, "message %d came again without DUP", i);
		h->counts->repeats++;
		return;
	}
	if (i < h->last_out[qos])
		broken(h, "message %d came to the broker behind %d", i, h->last_out[qos]);
	h->last_out[qos] = i;
}

static void
broker_line(struct history *h, const char *line)
{
	int qos;
	unsigned mid;
	int dup;
	int i;

	if (sscanf(line, "R %d %u %d %d", &qos, &mid, &dup, &i) == 4 && known(h, i, h->plan->out))
		on_receipt(h, qos, dup, i);
	if (line[0] == 'B' && h->in_use)
		broken(h, "a session in use was begun anew");
	h->in_use |= line[0] == 'U';
}

/* --- what the client noted ---------------------------------------------------------------------
 */

static void
on_completion(struct history *h, int i, int error)
{
	struct fate *f = &h->out[i];

	if (error != 0)
		broken(h, "message %d completed with %d", i, error);
	if (f->completed)
		broken(h, "message %d completed twice", i);
	f->completed = true;
	h->counts->late += f->completions++ > 0;
}

static void
on_effect(struct history *h, int qos, uint64_t token, int i)
{
	struct fate *f = &h->in[i];

	if (qos != kill_qos(h->plan, i))
		broken(h, "message %d was delivered with QoS %d", i, qos);
	if (qos == 2 && f->effects > 0 && f->token != token)
		broken(h, "message %d, QoS 2, was delivered with two tokens", i);
	if (qos == 2 && token == 0)
		broken(h, "message %d has no token", i);
	if (qos == 2 && f->had)
		broken(h, "message %d, QoS 2, was delivered twice by one process", i);
	if (f->effects == 0 && i < h->last_in[qos])
		broken(h, "message %d was delivered behind %d", i, h->last_in[qos]);
	h->last_in[qos] = i > h->last_in[qos] ? i : h->last_in[qos];
	h->counts->again += f->effects++ > 0;
	f->token = token;
	f->had = true;
}

static void
begin_process(struct history *h)
{
	for (int i = 1; i <= h->plan->out; i++)
		h->out[i].completed = false;
	for (int i = 1; i <= h->plan->in; i++)
		h->in[i].had = false;
}

static void
client_line(struct history *h, const char *line)
{
	unsigned long long token;
	int qos;
	int error;
	int i;

	if (line[0] == 'N')
		begin_process(h);
	if (sscanf(line, "T %d", &i) == 1 && known(h, i, h->plan->out))
		h->out[i].tried = true;
	if (sscanf(line, "A %d", &i) == 1 && known(h, i, h->plan->out))
		h->out[i].accepted = true;
	if (sscanf(line, "C %d %d", &i, &error) == 2 && known(h, i, h->plan->out))
		on_completion(h, i, error);
	if (sscanf(line, "M %d %llu %d", &qos, &token, &i) == 3 && known(h, i, h->plan->in))
		on_effect(h, qos, token, i);
}

/* --- the whole ---------------------------------------------------------------------------------
 */

static void
read_notes(struct history *h, const char *name, void (*line_of)(struct history *, const char *))
{
	char path[300];
	char line[100];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", h->plan->folder, name);
	f = fopen(path, "r");
	if (f == NULL)
		broken(h, "there is no %s", path);
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		line_of(h, line);
	if (f != NULL)
		fclose(f);
}

static void
look_at_ends(struct history *h)
{
	for (int i = 1; i <= h->plan->out; i++) {
		const struct fate *f = &h->out[i];

		if (f->accepted && f->receipts == 0)
			broken(h, "message %d was accepted and is lost", i);
		if (f->completions > 0 && f->receipts == 0)
			broken(h, "message %d completed and is lost", i);
		if (f->accepted && f->completions == 0)
			broken(h, "message %d was accepted and never completed", i);
		h->counts->accepted += f->accepted;
		h->counts->received += f->receipts > 0;
	}
	for (int i = 1; i <= h->plan->in; i++) {
		if (h->in[i].effects == 0)
			broken(h, "message %d was acknowledged and never delivered", i);
		h->counts->effects += h->in[i].effects > 0;
	}
	/* The tokens of two messages differ. */
	for (int i = 1; i <= h->plan->in; i++) {
		for (int j = 1; j < i; j++) {
			if (h->in[i].token != 0 && h->in[i].token == h->in[j].token)
				broken(h, "messages %d and %d have the same token", j, i);
		}
	}
}

bool
kill_check(const struct kill_plan *plan, struct kill_counts *counts)
{
	struct history h = {.plan = plan,
	    .counts = counts,
	    .out = calloc((size_t)plan->out + 1, sizeof(*h.out)),
	    .in = calloc((size_t)plan->in + 1, sizeof(*h.in)),
	    .good = true};

	if (h.out == NULL || h.in == NULL)
		abort();
	read_notes(&h, "broker", broker_line);
	read_notes(&h, "client", client_line);
	look_at_ends(&h);
	free(h.out);
	free(h.in);
	return h.good;
}
