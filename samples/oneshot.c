/* oneshot: publishes a message, or waits for some, in one call. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mqev/mqev.h>

static int
usage(void)
{
	fprintf(stderr, "usage: oneshot pub URL TOPIC TEXT\n"
			"       oneshot sub URL FILTER COUNT\n");
	return 2;
}

static int
publish(const char *url, const char *topic, const char *text)
{
	struct mqev_oneshot_report report;
	int error = mqev_publish_single(url,
	    MQEV_MESSAGE(.topic = topic, .payload = text, .payload_len = strlen(text), .qos = 1),
	    MQEV_ONESHOT(.report = &report));

	if (error != 0)
		fprintf(stderr, "%s: %s\n", mqev_error_text(error), report.text);
	return error != 0;
}

static int
subscribe(const char *url, const char *filter, size_t count)
{
	struct mqev_message **messages = calloc(count + 1, sizeof(*messages));
	struct mqev_oneshot_report report;
	int error = mqev_subscribe_simple(url, MQEV_SUBSCRIPTION(.filter = filter, .qos = 1), 1,
	    messages, count, MQEV_ONESHOT(.report = &report));

	for (size_t i = 0; i < report.done; i++) {
		printf("%s %.*s\n", messages[i]->topic, (int)messages[i]->payload_len,
		    (const char *)messages[i]->payload);
		mqev_message_free(messages[i]);
	}
	free(messages);
	if (error != 0)
		fprintf(stderr, "%s: %s\n", mqev_error_text(error), report.text);
	return error != 0;
}

int
main(int argc, char **argv)
{
	if (argc != 5)
		return usage();
	if (strcmp(argv[1], "pub") == 0)
		return publish(argv[2], argv[3], argv[4]);
	if (strcmp(argv[1], "sub") == 0)
		return subscribe(argv[2], argv[3], (size_t)atol(argv[4]));
	return usage();
}
