/* fleet: many clients in one process and one thread, which subscribe and publish to one another;
 * counts what is lost or comes twice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <mqev/mqev.h>

#define QOS_LEVELS 3
#define PATIENCE_S 20 /* without progress */
#define PROGRESS_MS 200

struct app;

/* A client, and what it has received: one bit per QoS and sequence number. */
struct member {
	struct app *app;
	struct mqev_client *client;
	uint32_t index;
	uint32_t sent[QOS_LEVELS];
	unsigned char *seen[QOS_LEVELS];
};

enum phase { CONNECTING, PUBLISHING, LEAVING };

struct app {
	struct event_base *base;
	struct event *progress;
	struct member *members;
	uint32_t count;
	uint32_t per_qos; /* messages of each client at each QoS */
	uint32_t ready;
	uint32_t left;
	uint64_t expected;
	uint64_t received;
	uint64_t completed;
	uint64_t failed;
	uint64_t duplicates;
	uint64_t received_before;
	double started, connected, last_progress, finished;
	long rss_before, rss_connected;
	uint32_t *latencies_us;
	enum phase phase;
	long run;
	int show;
};

struct payload {
	uint32_t qos;
	uint32_t sequence;
	double sent_at;
};

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Resident bytes of this process. */
static long
resident(void)
{
	long size = 0, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%ld %ld", &size, &pages) != 2)
		pages = 0;
	fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

/* --- publishing --------------------------------------------------------------------------------
 */

static void published(struct mqev_client *client, const struct mqev_result *result, void *arg);

/* Every member writes to the next one; at each QoS one message is under way at a time. */
static void
publish_next(struct member *m, uint32_t qos)
{
	struct app *app = m->app;
	struct payload payload = {.qos = qos, .sequence = m->sent[qos], .sent_at = now()};
	char topic[64];

	if (m->sent[qos] == app->per_qos)
		return;
	m->sent[qos]++;
	snprintf(topic, sizeof(topic), "mqev-fleet/%ld/%u/%u", app->run,
	    (m->index + 1) % app->count, qos);
	if (mqev_publish(m->client,
		MQEV_MESSAGE(.topic = topic, .payload = &payload, .payload_len = sizeof(payload),
		    .qos = (int)qos),
		published, m) < 0)
		app->failed++;
}

static void
leave(struct app *app)
{
	app->phase = LEAVING;
	app->finished = now();
	app->left = app->count;
	for (uint32_t i = 0; i < app->count; i++)
		mqev_disconnect(app->members[i].client, NULL);
}

static void
leave_when_done(struct app *app)
{
	if (app->phase == PUBLISHING && app->received == app->expected &&
	    app->completed == app->expected)
		leave(app);
}

static void
published(struct mqev_client *client, const struct mqev_result *result, void *arg)
{
	struct member *m = arg;

	(void)client;
	m->app->completed++;
	if (result->error != 0)
		m->app->failed++;
	leave_when_done(m->app);
	if (m->app->phase != PUBLISHING)
		return;
	for (uint32_t qos = 0; qos < QOS_LEVELS; qos++) {
		if (m->sent[qos] < m->app->per_qos && (result->mid == 0) == (qos == 0))
			publish_next(m, qos);
	}
}

static void
receive(struct mqev_client *client, const struct mqev_message *message, void *userdata)
{
	struct member *m = userdata;
	struct app *app = m->app;
	struct payload payload;
	unsigned char *seen, bit;

	(void)client;
	if (message->payload_len != sizeof(payload))
		return;
	memcpy(&payload, message->payload, sizeof(payload));
	if (payload.qos >= QOS_LEVELS || payload.sequence >= app->per_qos)
		return;
	seen = &m->seen[payload.qos][payload.sequence / 8];
	bit = (unsigned char)(1u << payload.sequence % 8);
	if ((*seen & bit) != 0) {
		app->duplicates++;
		return;
	}
	*seen |= bit;
	app->latencies_us[app->received++] = (uint32_t)((now() - payload.sent_at) * 1e6);
	leave_when_done(app);
}

/* --- connecting --------------------------------------------------------------------------------
 */

static void
start_publishing(struct app *app)
{
	app->phase = PUBLISHING;
	app->connected = app->last_progress = now();
	app->rss_connected = resident();
	for (uint32_t i = 0; i < app->count; i++) {
		for (uint32_t qos = 0; qos < QOS_LEVELS; qos++)
			publish_next(&app->members[i], qos);
	}
}

static void
subscribed(struct mqev_client *client, const struct mqev_result *result, void *arg)
{
	struct member *m = arg;

	(void)client;
	if (result->error != 0) {
		fprintf(stderr, "\nsubscribing failed: %s\n", mqev_error_text(result->error));
		return;
	}
	m->app->last_progress = now();
	if (++m->app->ready == m->app->count)
		start_publishing(m->app);
}

static void
connect_failed(
    struct mqev_client *client, const struct mqev_connect_failure *failure, void *userdata)
{
	(void)client;
	(void)userdata;
	fprintf(stderr, "\n%s\n", failure->text);
}

static void
disconnected(struct mqev_client *client, const struct mqev_disconnection *end, void *userdata)
{
	struct member *m = userdata;

	(void)client;
	if (end->error != 0)
		fprintf(stderr, "\nclient %u: %s\n", m->index, end->text);
	if (m->app->phase == LEAVING && --m->app->left == 0)
		event_base_loopbreak(m->app->base);
}

static int
add_member(struct app *app, struct mqev_fleet *fleet, uint32_t index, const char *url)
{
	static const enum mqev_protocol protocols[] = {
	    MQEV_PROTOCOL_V31, MQEV_PROTOCOL_V311, MQEV_PROTOCOL_V5};
	struct member *m = &app->members[index];
	char filter[64];

	m->app = app;
	m->index = index;
	for (int qos = 0; qos < QOS_LEVELS; qos++) {
		m->seen[qos] = calloc(app->per_qos / 8 + 1, 1);
		if (m->seen[qos] == NULL)
			return -1;
	}
	m->client = mqev_client_new(fleet,
	    MQEV_OPTIONS(.protocol = protocols[index % 3], .userdata = m, .on_message = receive,
		.on_connect_fail = connect_failed, .on_disconnect = disconnected),
	    NULL);
	snprintf(filter, sizeof(filter), "mqev-fleet/%ld/%u/+", app->run, index);
	if (m->client == NULL || mqev_connect(m->client, url) != 0 ||
	    mqev_subscribe(m->client, MQEV_SUBSCRIPTION(.filter = filter, .qos = 2), 1, NULL,
		subscribed, m) < 0)
		return -1;
	return 0;
}

/* --- progress and result -----------------------------------------------------------------------
 */

static void
show_progress(evutil_socket_t fd, short what, void *arg)
{
	struct app *app = arg;
	double t = now();

	(void)fd;
	(void)what;
	if (app->received != app->received_before)
		app->last_progress = t;
	if (app->show && app->phase == CONNECTING)
		fprintf(stderr, "\r%u of %u clients ready ", app->ready, app->count);
	if (app->show && app->phase == PUBLISHING)
		fprintf(stderr, "\r%llu of %llu messages, %.0f/s   ",
		    (unsigned long long)app->received, (unsigned long long)app->expected,
		    (double)(app->received - app->received_before) * 1000 / PROGRESS_MS);
	app->received_before = app->received;
	if (t - app->last_progress > PATIENCE_S)
		event_base_loopbreak(app->base);
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double
percentile_ms(const struct app *app, double p)
{
	if (app->received == 0)
		return 0;
	return app->latencies_us[(uint64_t)((double)(app->received - 1) * p)] / 1000.0;
}

static int
report(struct app *app)
{
	uint64_t lost = app->expected - app->received;
	double connecting = app->connected - app->started;
	double publishing = (app->finished > 0 ? app->finished : now()) - app->connected;

	qsort(app->latencies_us, app->received, sizeof(*app->latencies_us), compare);
	fprintf(stderr, "\r%60s\r", "");
	if (app->ready < app->count) {
		printf("only %u of %u clients became ready\n", app->ready, app->count);
		return 1;
	}
	printf("clients, one process, one thread   %12u\n", app->count);
	printf("connects per second                %12.0f\n", app->count / connecting);
	printf("messages received                  %12llu\n", (unsigned long long)app->received);
	printf("messages per second                %12.0f\n", (double)app->received / publishing);
	printf("latency p50                        %12.2f ms\n", percentile_ms(app, 0.5));
	printf("latency p99                        %12.2f ms\n", percentile_ms(app, 0.99));
	printf("memory per connected client        %12ld bytes\n",
	    (app->rss_connected - app->rss_before) / (long)app->count);
	printf("lost                               %12llu\n", (unsigned long long)lost);
	printf("duplicated                         %12llu\n", (unsigned long long)app->duplicates);
	if (app->failed > 0)
		printf(
		    "publishes that failed              %12llu\n", (unsigned long long)app->failed);
	return lost > 0 || app->duplicates > 0 || app->failed > 0;
}

static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int
run(struct app *app, const char *url)
{
	const struct timeval period = {0, PROGRESS_MS * 1000};
	struct mqev_fleet *fleet = mqev_fleet_new(app->base, NULL);
	int status = 1;

	if (fleet == NULL)
		return 1;
	app->rss_before = resident();
	app->started = app->last_progress = now();
	app->progress = event_new(app->base, -1, EV_PERSIST, show_progress, app);
	event_add(app->progress, &period);
	for (uint32_t i = 0; i < app->count; i++) {
		if (add_member(app, fleet, i, url) != 0) {
			fprintf(stderr, "cannot make client %u for %s\n", i, url);
			goto out;
		}
	}
	event_base_dispatch(app->base);
	status = report(app);
out:
	app->phase = CONNECTING;
	event_free(app->progress);
	mqev_fleet_free(fleet);
	return status;
}

static void
free_members(struct app *app)
{
	for (uint32_t i = 0; app->members != NULL && i < app->count; i++) {
		for (int qos = 0; qos < QOS_LEVELS; qos++)
			free(app->members[i].seen[qos]);
	}
	free(app->members);
	free(app->latencies_us);
}

static int
usage(void)
{
	fprintf(stderr, "usage: fleet [-n CLIENTS] [-m MESSAGES_PER_CLIENT_AND_QOS] HOST PORT\n");
	return 2;
}

int
main(int argc, char **argv)
{
	struct app app = {.count = 1000, .per_qos = 20, .show = isatty(STDERR_FILENO)};
	char url[300];
	int i, status = 1;

	for (i = 1; i + 1 < argc && argv[i][0] == '-'; i += 2) {
		if (strcmp(argv[i], "-n") == 0)
			app.count = (uint32_t)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "-m") == 0)
			app.per_qos = (uint32_t)atoi(argv[i + 1]);
		else
			return usage();
	}
	if (argc - i != 2 || app.count == 0 || app.per_qos == 0)
		return usage();
	snprintf(url, sizeof(url), strchr(argv[i], ':') != NULL ? "mqtt://[%s]:%s" : "mqtt://%s:%s",
	    argv[i], argv[i + 1]);
	raise_descriptor_limit();
	app.run = (long)getpid();
	app.expected = (uint64_t)app.count * app.per_qos * QOS_LEVELS;
	app.members = calloc(app.count, sizeof(*app.members));
	app.latencies_us = calloc(app.expected, sizeof(*app.latencies_us));
	app.base = event_base_new();
	if (app.members != NULL && app.latencies_us != NULL && app.base != NULL)
		status = run(&app, url);
	free_members(&app);
	event_base_free(app.base);
	return status;
}
