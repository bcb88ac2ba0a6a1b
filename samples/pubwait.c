/* pubwait: publishes each line of its input and waits until the server has it, while a thread in
 * the background runs the loop. */
#include <stdio.h>
#include <string.h>

#include <mqev/mqev.h>

#define WAIT_MS 10000

static void
failed(struct mqev_client *client, const struct mqev_connect_failure *failure, void *userdata)
{
	(void)client;
	(void)userdata;
	fprintf(stderr, "%s\n", failure->text);
}

static int
publish(struct mqev_remote *remote, const char *topic, const char *line)
{
	int64_t op = mqev_remote_publish(remote,
	    MQEV_MESSAGE(.topic = topic, .payload = line, .payload_len = strlen(line), .qos = 1),
	    NULL, NULL);
	int answer = op > 0 ? mqev_wait_published(remote, op, WAIT_MS) : (int)op;

	if (answer == 1)
		return 0;
	fprintf(stderr, "%s: %s\n", line, answer == 0 ? "no answer yet" : mqev_error_text(answer));
	return 1;
}

static int
publish_lines(struct mqev_remote *remote, const char *topic)
{
	char line[4096];
	int failures = 0;

	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		failures += publish(remote, topic, line);
	}
	return failures > 0;
}

static int
run(struct mqev_fleet *fleet, const char *url, const char *topic)
{
	struct mqev_client *client =
	    mqev_client_new(fleet, MQEV_OPTIONS(.on_connect_fail = failed), NULL);
	struct mqev_remote *remote = mqev_remote_new(client);
	int status = 1;

	if (remote == NULL || mqev_connect(client, url) != 0 || mqev_loop_start(fleet) != 0) {
		fprintf(stderr, "%s cannot be used\n", url);
	} else {
		status = publish_lines(remote, topic);
		/* The DISCONNECT leaves before the loop stops. */
		mqev_remote_disconnect(remote, NULL, NULL, NULL);
		mqev_loop_stop(fleet, MQEV_STOP_FLUSH, WAIT_MS);
	}
	mqev_remote_free(remote);
	return status;
}

int
main(int argc, char **argv)
{
	struct mqev_fleet *fleet;
	int status;

	if (argc != 3) {
		fprintf(stderr, "usage: pubwait URL TOPIC <LINES\n");
		return 2;
	}
	fleet = mqev_fleet_new(NULL, NULL);
	status = run(fleet, argv[1], argv[2]);
	mqev_fleet_free(fleet);
	return status;
}
