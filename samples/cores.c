/* cores: several threads, each with a fleet of its own, one per core. Nothing is shared between
 * them, so nothing is locked. Each client publishes to itself. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mqev/mqev.h>

struct settings {
	const char *url;
	long threads;
	long clients;  /* per thread */
	long messages; /* per client */
};

struct core {
	const struct settings *settings;
	pthread_t thread;
	int number;
	long received;
	long failures;
};

struct member {
	struct core *core;
	char topic[64];
	long published;
	long left;
};

static void
give_up(struct mqev_client *client, struct core *core)
{
	core->failures++;
	mqev_disconnect(client, NULL);
}

/* All are acknowledged and all have come back: the message may come before its acknowledgement. */
static void
leave_when_done(struct mqev_client *client, const struct member *m)
{
	if (m->left == 0 && m->published == m->core->settings->messages)
		mqev_disconnect(client, NULL);
}

static void
published(struct mqev_client *client, const struct mqev_result *result, void *arg)
{
	struct member *m = arg;

	if (result->error != 0)
		give_up(client, m->core);
	else if (++m->published < m->core->settings->messages)
		mqev_publish(client,
		    MQEV_MESSAGE(.topic = m->topic, .payload = "x", .payload_len = 1, .qos = 1),
		    published, m);
	else
		leave_when_done(client, m);
}

static void
subscribed(struct mqev_client *client, const struct mqev_result *result, void *arg)
{
	struct member *m = arg;

	if (result->error != 0 ||
	    mqev_publish(client,
		MQEV_MESSAGE(.topic = m->topic, .payload = "x", .payload_len = 1, .qos = 1),
		published, m) < 0)
		give_up(client, m->core);
}

static void
received(struct mqev_client *client, const struct mqev_message *message, void *userdata)
{
	struct member *m = userdata;

	(void)message;
	m->core->received++;
	m->left--;
	leave_when_done(client, m);
}

static void
failed(struct mqev_client *client, const struct mqev_connect_failure *failure, void *userdata)
{
	struct member *m = userdata;

	fprintf(stderr, "%s\n", failure->text);
	give_up(client, m->core);
}

static bool
add_member(struct mqev_fleet *fleet, struct core *core, struct member *m, int number)
{
	struct mqev_client *client;

	m->core = core;
	m->left = core->settings->messages;
	snprintf(
	    m->topic, sizeof(m->topic), "cores/%ld/%d/%d", (long)getpid(), core->number, number);
	client = mqev_client_new(fleet,
	    MQEV_OPTIONS(.on_connect_fail = failed, .on_message = received, .userdata = m), NULL);
	return client != NULL && mqev_connect(client, core->settings->url) == 0 &&
	       mqev_subscribe(client, MQEV_SUBSCRIPTION(.filter = m->topic, .qos = 1), 1, NULL,
		   subscribed, m) > 0;
}

/* One core: its loop ends when all of its clients have disconnected. */
static void *
run(void *arg)
{
	struct core *core = arg;
	struct mqev_fleet *fleet = mqev_fleet_new(NULL, NULL);
	struct member *members = calloc((size_t)core->settings->clients, sizeof(*members));

	for (int i = 0; fleet != NULL && members != NULL && i < core->settings->clients; i++)
		core->failures += !add_member(fleet, core, &members[i], i);
	if (fleet == NULL || members == NULL || mqev_loop_forever(fleet) != 0)
		core->failures++;
	mqev_fleet_free(fleet);
	free(members);
	return NULL;
}

static int
run_all(const struct settings *settings)
{
	struct core *cores = calloc((size_t)settings->threads, sizeof(*cores));
	long failures = 0;

	for (int i = 0; i < settings->threads; i++) {
		cores[i].settings = settings;
		cores[i].number = i;
		if (pthread_create(&cores[i].thread, NULL, run, &cores[i]) != 0)
			abort();
	}
	for (int i = 0; i < settings->threads; i++) {
		pthread_join(cores[i].thread, NULL);
		printf("core %d: %ld messages, %ld failures\n", i, cores[i].received,
		    cores[i].failures);
		failures += cores[i].failures;
	}
	free(cores);
	return failures > 0;
}

int
main(int argc, char **argv)
{
	struct settings settings = {
	    .threads = sysconf(_SC_NPROCESSORS_ONLN), .clients = 10, .messages = 100};
	int i = 1;

	for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
		long n = atol(argv[i + 1]);

		if (strcmp(argv[i], "-t") == 0)
			settings.threads = n;
		else if (strcmp(argv[i], "-c") == 0)
			settings.clients = n;
		else if (strcmp(argv[i], "-m") == 0)
			settings.messages = n;
	}
	if (argc - i != 1 || settings.threads < 1 || settings.clients < 1 ||
	    settings.messages < 1) {
		fprintf(
		    stderr, "usage: cores [-t THREADS] [-c CLIENTS-EACH] [-m MESSAGES-EACH] URL\n");
		return 2;
	}
	settings.url = argv[i];
	return run_all(&settings);
}
