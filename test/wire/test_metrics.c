/* The text for Prometheus: judged line by line as a reader would, and served by the sample. */
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <unistd.h>

#include "lib/auto.h"
#include "wire/client_kit.h"

static char *
text_of(const struct mqev_stats_source *sources, size_t count)
{
	size_t len = mqev_stats_prometheus(sources, count, NULL, 0);
	char *text = malloc(len + 1);

	ck_assert_uint_eq(mqev_stats_prometheus(sources, count, text, len + 1), len);
	ck_assert_uint_eq(strlen(text), len);
	return text;
}

/* The value behind a line's beginning, which must be there once. */
static const char *
value_of(const char *text, const char *sample)
{
	static char value[64];
	char wanted[256];
	const char *at;

	snprintf(wanted, sizeof(wanted), "\n%s ", sample);
	at = strstr(text, wanted);
	ck_assert_msg(at != NULL, "no %s in\n%s", sample, text);
	ck_assert_msg(strstr(at + 1, wanted) == NULL, "two of %s", sample);
	snprintf(value, sizeof(value), "%s", at + strlen(wanted));
	value[strcspn(value, "\n")] = '\0';
	return value;
}

#define VALUE(text, sample, value) ck_assert_str_eq(value_of(text, sample), value)

/* --- a strict reader -------------------------------------------------------------------------- */

static const char *
skip_name(const char *at)
{
	ck_assert(isalpha((unsigned char)*at) || *at == '_');
	while (isalnum((unsigned char)*at) || *at == '_')
		at++;
	return at;
}

static const char *
skip_label(const char *at)
{
	at = skip_name(at);
	ck_assert_int_eq(*at++, '=');
	ck_assert_int_eq(*at++, '"');
	for (; *at != '"'; at++) {
		ck_assert_int_ne(*at, '\n');
		if (*at == '\\') {
			at++;
			ck_assert(*at == '\\' || *at == '"' || *at == 'n');
		}
	}
	return at + 1;
}

static const char *
skip_labels(const char *at)
{
	if (*at != '{')
		return at;
	do {
		at = skip_label(at + 1);
	} while (*at == ',');
	ck_assert_int_eq(*at, '}');
	return at + 1;
}

/* A sample of the metric that is being told of. */
static void
judge_sample(const char *line, const char *metric)
{
	const char *end = skip_name(line);
	char *after;

	ck_assert_msg(strncmp(line, metric, strlen(metric)) == 0, "%s in %s", line, metric);
	line = skip_labels(end);
	ck_assert_int_eq(*line++, ' ');
	ck_assert(isdigit((unsigned char)*line));
	strtod(line, &after);
	ck_assert_int_eq(*after, '\0');
}

static int
judge(const char *text)
{
	char *copy = strdup(text), *save = NULL;
	char metric[100] = "", type[20] = "";
	int samples = 0;

	ck_assert_int_eq(text[strlen(text) - 1], '\n');
	for (char *line = strtok_r(copy, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "# HELP ", 7) == 0) {
			ck_assert_int_eq(sscanf(line, "# HELP %99s", metric), 1);
			type[0] = '\0';
		} else if (strncmp(line, "# TYPE ", 7) == 0) {
			char named[100];

			ck_assert_int_eq(sscanf(line, "# TYPE %99s %19s", named, type), 2);
			ck_assert_str_eq(named, metric);
			ck_assert_int_eq(
			    strcmp(type, "counter") == 0, strstr(metric, "_total") != NULL);
		} else {
			ck_assert_str_ne(type, "");
			judge_sample(line, metric);
			samples++;
		}
	}
	free(copy);
	return samples;
}

/* --- the text --------------------------------------------------------------------------------- */

static void
fill(struct mqev_stats *s)
{
	*s = (struct mqev_stats){.size = sizeof(*s), .bytes_in = UINT64_MAX, .queued_bytes = 1234};
	s->messages_in_qos[2] = 5;
	s->states[MQEV_CLIENT_CONNECTED] = 3;
	s->drops_by[MQEV_DROP_EXPIRED] = 7;
	s->drops_by[MQEV_DROP_MADE_ROOM] = 21;
	s->drops_by[MQEV_DROP_OFFLINE_QOS0] = 22;
	s->parked = 23;
	s->ends_by[MQEV_END_KEEPALIVE] = 8;
	s->connect_failures_by[MQEV_STAGE_TLS] = 9;
	s->ack_ms.buckets[0] = 2;
	s->ack_ms.buckets[4] = 3;
	s->ack_ms.buckets[MQEV_HISTOGRAM_BUCKETS - 1] = 1;
	s->ack_ms.count = 6;
	s->ack_ms.sum = 12034567;
	s->loop_lag_longest_us = 1500042;
}

START_TEST(text_of_figures)
{
	struct mqev_stats s;
	const struct mqev_stats_source source = {&s, NULL, 0};
	char *text;

	fill(&s);
	text = text_of(&source, 1);
	ck_assert_int_gt(judge(text), 100);
	VALUE(text, "mqev_received_bytes_total", "18446744073709551615");
	VALUE(text, "mqev_queued_bytes", "1234");
	VALUE(text, "mqev_messages_received_total{qos=\"2\"}", "5");
	VALUE(text, "mqev_clients{state=\"connected\"}", "3");
	VALUE(text, "mqev_messages_dropped_total{cause=\"expired\"}", "7");
	VALUE(text, "mqev_messages_dropped_total{cause=\"made_room\"}", "21");
	VALUE(text, "mqev_messages_dropped_total{cause=\"offline_qos0\"}", "22");
	VALUE(text, "mqev_parked_connections", "23");
	VALUE(text, "mqev_connections_ended_total{cause=\"keepalive\"}", "8");
	VALUE(text, "mqev_connect_failures_total{stage=\"tls\"}", "9");
	VALUE(text, "mqev_ack_latency_seconds_bucket{le=\"0.001\"}", "2");
	VALUE(text, "mqev_ack_latency_seconds_bucket{le=\"0.008\"}", "2");
	VALUE(text, "mqev_ack_latency_seconds_bucket{le=\"0.016\"}", "5");
	VALUE(text, "mqev_ack_latency_seconds_bucket{le=\"4194.304\"}", "5");
	VALUE(text, "mqev_ack_latency_seconds_bucket{le=\"+Inf\"}", "6");
	VALUE(text, "mqev_ack_latency_seconds_sum", "12034.567");
	VALUE(text, "mqev_ack_latency_seconds_count", "6");
	VALUE(text, "mqev_loop_lag_seconds_bucket{le=\"0.000001\"}", "0");
	VALUE(text, "mqev_loop_lag_longest_seconds", "1.500042");
	free(text);
}
END_TEST

/* Several fleets: each figure once, with a sample for each. */
START_TEST(labels)
{
	static const struct mqev_label first[] = {{"fleet", "a\\b\"c\nd"}, {"_x9", ""}};
	static const struct mqev_label second[] = {{"fleet", "z\xc3\xbcrich"}};
	struct mqev_stats s;
	const struct mqev_stats_source sources[] = {{&s, first, 2}, {&s, second, 1}};
	char *text;

	fill(&s);
	text = text_of(sources, 2);
	judge(text);
	VALUE(text, "mqev_queued_bytes{fleet=\"a\\\\b\\\"c\\nd\",_x9=\"\"}", "1234");
	VALUE(text, "mqev_queued_bytes{fleet=\"z\xc3\xbcrich\"}", "1234");
	VALUE(text, "mqev_messages_received_total{fleet=\"z\xc3\xbcrich\",qos=\"2\"}", "5");
	ck_assert_ptr_null(
	    strstr(strstr(text, "# HELP mqev_queued_bytes ") + 1, "# HELP mqev_queued_bytes "));
	free(text);
}
END_TEST

static const struct mqev_label bad_labels[] = {{NULL, "x"}, {"a", NULL}, {"", "x"}, {"1a", "x"},
    {"a-b", "x"}, {"__a", "x"}, {"le", "x"}, {"qos", "x"}, {"state", "x"}, {"a\xc3\xbc", "x"},
    {"a", "\xff"}};

START_TEST(bad_label)
{
	struct mqev_stats s;
	const struct mqev_label label[] = {{"good", "x"}, bad_labels[_i]};
	const struct mqev_stats_source source = {&s, label, 2};
	char text[8] = "before";

	fill(&s);
	ck_assert_uint_eq(mqev_stats_prometheus(&source, 1, text, sizeof(text)), 0);
	ck_assert_str_eq(text, "");
	ck_assert_uint_eq(mqev_stats_prometheus(&source, 1, NULL, 0), 0);
}
END_TEST

/* Any size: as much as fits, a NUL, nothing behind it. */
START_TEST(small_buffers)
{
	struct mqev_stats s;
	const struct mqev_stats_source source = {&s, NULL, 0};
	char *whole;
	size_t len;

	fill(&s);
	whole = text_of(&source, 1);
	len = strlen(whole);
	for (size_t size = 1; size < len + 2; size += size < 200 ? 1 : 97) {
		char *buf = malloc(size);
		size_t kept = size - 1 < len ? size - 1 : len;

		ck_assert_uint_eq(mqev_stats_prometheus(&source, 1, buf, size), len);
		ck_assert_int_eq(strncmp(buf, whole, kept), 0);
		ck_assert_int_eq(buf[kept], '\0');
		free(buf);
	}
	free(whole);
}
END_TEST

/* A program that was built against a shorter struct. */
START_TEST(older_struct)
{
	struct mqev_stats s;
	const struct mqev_stats_source source = {&s, NULL, 0};
	char *text;

	fill(&s);
	s.size = offsetof(struct mqev_stats, ping_ms);
	text = text_of(&source, 1);
	VALUE(text, "mqev_ack_latency_seconds_count", "6");
	ck_assert_ptr_null(strstr(text, "mqev_ping_round_trip_seconds_count"));
	judge(text);
	free(text);
}
END_TEST

/* --- the sample ------------------------------------------------------------------------------- */

static char *
read_all(int fd)
{
	size_t len = 0, room = 1 << 20;
	char *text = malloc(room);

	for (;;) {
		ssize_t n = recv(fd, text + len, room - len - 1, MSG_DONTWAIT);

		if (n == 0)
			break;
		if (n > 0)
			len += (size_t)n;
		else
			kit_run(5); /* the broker lives on this loop */
		ck_assert_uint_lt(len, room - 1);
	}
	text[len] = '\0';
	close(fd);
	return text;
}

static char *
scrape(const struct sockaddr *address, socklen_t len)
{
	static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
	int fd = socket(address->sa_family, SOCK_STREAM, 0);

	ck_assert_int_eq(connect(fd, address, len), 0);
	ck_assert_int_eq(write(fd, request, sizeof(request) - 1), (int)sizeof(request) - 1);
	return read_all(fd);
}

static void
run_sample(const char *option, const char *where, const struct sockaddr *address, socklen_t len)
{
	struct tk_auto *broker = tk_auto_new(kit.base, NULL);
	const char *const argv[] = {"-n", "3", option, where, tk_auto_url(broker), NULL};
	char program[1024];
	const struct tk_server_spec spec = {
	    .program = program, .argv = argv, .ready_log = "figures at"};
	struct tk_server sample;
	char *answer;

	snprintf(program, sizeof(program), "%s/samples/metrics", getenv("MQEV_BUILDDIR"));
	ck_assert_int_eq(tk_server_start(&sample, &spec), 0);
	while (tk_auto_stats(broker)->received < 6)
		kit_run(20);
	answer = scrape(address, len);
	ck_assert_ptr_nonnull(strstr(answer, " 200 OK"));
	ck_assert_ptr_nonnull(strstr(answer, "Content-Type: text/plain; version=0.0.4"));
	ck_assert_int_gt(judge(strstr(answer, "# HELP")), 100);
	VALUE(answer, "mqev_clients{program=\"metrics sample\",state=\"connected\"}", "3");
	VALUE(answer, "mqev_connects_total{program=\"metrics sample\"}", "3");
	ck_assert_int_ge(atoi(value_of(answer,
			     "mqev_messages_sent_total{program=\"metrics sample\",qos=\"1\"}")),
	    6);
	free(answer);
	ck_assert_int_eq(tk_server_kill(&sample, SIGTERM), 0);
	ck_assert_int_eq(sample.exit_status, 0);
	tk_server_stop(&sample);
	tk_auto_free(broker);
	kit_run(1);
}

START_TEST(sample_on_loopback)
{
	int port = tk_free_port();
	const struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char text[16];

	snprintf(text, sizeof(text), "%d", port);
	run_sample("-p", text, (const struct sockaddr *)&address, sizeof(address));
}
END_TEST

START_TEST(sample_on_a_unix_socket)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char *dir = tk_tmpdir();

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/figures", dir);
	run_sample("-u", address.sun_path, (const struct sockaddr *)&address, sizeof(address));
	ck_assert_int_ne(access(address.sun_path, F_OK), 0);
	tk_rmtree(dir);
	free(dir);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("metrics");
	TCase *tc = kit_case(s, "text");

	tcase_add_test(tc, text_of_figures);
	tcase_add_test(tc, labels);
	tcase_add_loop_test(tc, bad_label, 0, (int)(sizeof(bad_labels) / sizeof(bad_labels[0])));
	tcase_add_test(tc, small_buffers);
	tcase_add_test(tc, older_struct);
	tc = kit_case(s, "sample");
	tcase_add_test(tc, sample_on_loopback);
	tcase_add_test(tc, sample_on_a_unix_socket);
	return tk_main(s);
}
