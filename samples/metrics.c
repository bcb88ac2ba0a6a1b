/* metrics: some clients that report once a second that they live, and their figures for Prometheus
 * over HTTP, on a loopback port or a unix socket. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <mqev/mqev.h>

struct app {
	struct event_base *base;
	struct mqev_fleet *fleet;
	struct evhttp *http;
	const char *unix_path; /* NULL: a port of 127.0.0.1 */
	int port;
};

/* --- figures ---------------------------------------------------------------------------------- */

/* The text of a fleet's figures, straight into the answer. */
static int
add_figures(struct evbuffer *answer, const struct mqev_fleet *fleet)
{
	static const struct mqev_label labels[] = {{"program", "metrics sample"}};
	struct mqev_stats stats = {.size = sizeof(stats)};
	const struct mqev_stats_source source = {&stats, labels, 1};
	struct evbuffer_iovec room;
	size_t len;

	mqev_fleet_stats(fleet, &stats);
	len = mqev_stats_prometheus(&source, 1, NULL, 0);
	if (evbuffer_reserve_space(answer, (ev_ssize_t)len + 1, &room, 1) != 1)
		return -1;
	room.iov_len = mqev_stats_prometheus(&source, 1, room.iov_base, len + 1);
	return evbuffer_commit_space(answer, &room, 1);
}

static void
on_scrape(struct evhttp_request *request, void *arg)
{
	struct app *app = arg;
	struct evbuffer *answer = evbuffer_new();

	if (answer == NULL || add_figures(answer, app->fleet) != 0) {
		evhttp_send_error(request, 500, NULL);
	} else {
		evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
		    "text/plain; version=0.0.4; charset=utf-8");
		evhttp_send_reply(request, 200, "OK", answer);
	}
	if (answer != NULL)
		evbuffer_free(answer);
}

/* Only for the user who runs this. */
static struct evconnlistener *
listen_unix(struct event_base *base, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct evconnlistener *listener;
	mode_t mask;

	if (strlen(path) >= sizeof(address.sun_path))
		return NULL;
	strcpy(address.sun_path, path);
	unlink(path);
	mask = umask(077);
	listener = evconnlistener_new_bind(base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE, -1,
	    (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	return listener;
}

static int
serve(struct app *app)
{
	struct evconnlistener *listener;

	app->http = evhttp_new(app->base);
	evhttp_set_allowed_methods(app->http, EVHTTP_REQ_GET);
	evhttp_set_cb(app->http, "/metrics", on_scrape, app);
	if (app->unix_path == NULL)
		return evhttp_bind_socket(app->http, "127.0.0.1", (ev_uint16_t)app->port);
	listener = listen_unix(app->base, app->unix_path);
	if (listener == NULL)
		return -1;
	return evhttp_bind_listener(app->http, listener) != NULL ? 0 : -1;
}

/* --- clients ---------------------------------------------------------------------------------- */

static int
report_client(struct mqev_client *client, void *arg)
{
	char topic[64];

	(void)arg;
	snprintf(topic, sizeof(topic), "metrics/%s/alive", mqev_client_id(client));
	if (mqev_client_is_connected(client))
		mqev_publish(client,
		    MQEV_MESSAGE(.topic = topic, .payload = "1", .payload_len = 1, .qos = 1), NULL,
		    NULL);
	return 0;
}

static void
on_second(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	mqev_fleet_each(arg, report_client, NULL);
}

static int
make_clients(struct app *app, int count, const char *url)
{
	for (int i = 0; i < count; i++) {
		struct mqev_client *client;
		char id[32];

		snprintf(id, sizeof(id), "metrics-%d", i);
		client = mqev_client_new(app->fleet, MQEV_OPTIONS(.client_id = id), NULL);
		if (client == NULL)
			return -1;
		if (mqev_connect(client, url) != 0) {
			fprintf(stderr, "%s: %s\n", url, mqev_client_error_text(client));
			return -1;
		}
	}
	return 0;
}

/* --- the program ------------------------------------------------------------------------------ */

static void
stop(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	event_base_loopbreak(arg);
}

static void
run(struct app *app)
{
	const struct timeval second = {1, 0};
	struct event *timer = event_new(app->base, -1, EV_PERSIST, on_second, app->fleet);
	struct event *terminate = evsignal_new(app->base, SIGTERM, stop, app->base);
	struct event *interrupt = evsignal_new(app->base, SIGINT, stop, app->base);

	event_add(timer, &second);
	event_add(terminate, NULL);
	event_add(interrupt, NULL);
	if (app->unix_path != NULL)
		fprintf(stderr, "figures at /metrics of %s\n", app->unix_path);
	else
		fprintf(stderr, "figures at http://127.0.0.1:%d/metrics\n", app->port);
	event_base_dispatch(app->base);
	event_free(timer);
	event_free(terminate);
	event_free(interrupt);
}

static int
usage(void)
{
	fprintf(stderr, "usage: metrics [-n CLIENTS] [-p PORT | -u SOCKET] URL\n"
			"       metrics -n 100 -p 9464 mqtt://localhost\n");
	return 2;
}

int
main(int argc, char **argv)
{
	struct app app = {.port = 9464};
	int clients = 10, status = 1, option;

	while ((option = getopt(argc, argv, "n:p:u:")) != -1) {
		switch (option) {
		case 'n':
			clients = atoi(optarg);
			break;
		case 'p':
			app.port = atoi(optarg);
			break;
		case 'u':
			app.unix_path = optarg;
			break;
		default:
			return usage();
		}
	}
	if (argc - optind != 1)
		return usage();
	app.base = event_base_new();
	app.fleet = mqev_fleet_new(app.base, NULL);
	if (serve(&app) != 0)
		perror("metrics: cannot listen");
	else if (make_clients(&app, clients, argv[optind]) == 0) {
		run(&app);
		status = 0;
	}
	mqev_fleet_free(app.fleet);
	evhttp_free(app.http);
	event_base_free(app.base);
	if (app.unix_path != NULL)
		unlink(app.unix_path);
	return status;
}
