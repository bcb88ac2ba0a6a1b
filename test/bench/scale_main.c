/* bench_scale: many clients, and many fleets, in one process; mqev only. Its command line, and the
 * table of scenarios. test/bench/scale runs it beside null brokers. */
#include "bench/scale.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct {
	const char *name;
	int (*run)(const struct scale_options *o);
} scenarios[] = {
    {"parts", scale_parts},
    {"grow", scale_grow},
    {"mass", scale_mass},
    {"fair", scale_fair},
    {"threads", scale_threads},
};

static int
usage(void)
{
	fputs("usage: bench_scale --scenario NAME --ports PORT[,PORT...] [option value] ...\n"
	      "  --scenario   parts, grow, mass, fair or threads\n"
	      "  --ports      null brokers on 127.0.0.1, taken in turn\n"
	      "  --scheme     mqtt, mqtts, ws or wss (mqtt)\n"
	      "  --tls        the certificate file to trust\n"
	      "  --clients    how many (1)\n"
	      "  --threads    how many, each with a fleet (1)\n"
	      "  --keepalive  in seconds (60)\n"
	      "  --sources    the number of the first source address in 127.0.0.0/8 (0: none)\n"
	      "  --park       milliseconds until an idle link gives its bufferevent up (0: never)\n"
	      "  --seconds    how long to measure (1)\n"
	      "  --parent     end when the program that started this one does, whose process it is\n",
	    stderr);
	return 2;
}

static bool
read_ports(struct scale_options *o, const char *text)
{
	char *end = NULL;
	long port;

	do {
		port = strtol(text, &end, 10);
		if (end == text || port < 1 || port > 65535 || o->port_count == SCALE_PORTS_MAX)
			return false;
		o->ports[o->port_count++] = (int)port;
		text = end + 1;
	} while (*end == ',');
	return !*end;
}

static bool
read_count(unsigned *out, const char *text)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	*out = (unsigned)v;
	return *text && !*end && v <= 1000000;
}

/* It may have ended before it could be watched. */
static bool
end_with_parent(const char *pid)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == atol(pid);
}

static bool
read_option(struct scale_options *o, int name, const char *value)
{
	char *end = NULL;

	switch (name) {
	case 'S':
		o->scenario = value;
		return true;
	case 'p':
		return read_ports(o, value);
	case 'u':
		o->scheme = value;
		return true;
	case 't':
		o->cafile = value;
		return true;
	case 'c':
		return read_count(&o->clients, value) && o->clients;
	case 'T':
		return read_count(&o->threads, value) && o->threads;
	case 'k':
		return read_count(&o->keepalive_s, value);
	case 'b':
		return read_count(&o->first_source, value);
	case 'P':
		return read_count(&o->park_after_ms, value);
	case 'w':
		return end_with_parent(value);
	case 's':
		o->seconds = strtod(value, &end);
		return end != value && !*end && o->seconds > 0;
	default:
		return false;
	}
}

static const struct option long_options[] = {
    {"scenario", required_argument, NULL, 'S'},
    {"ports", required_argument, NULL, 'p'},
    {"scheme", required_argument, NULL, 'u'},
    {"tls", required_argument, NULL, 't'},
    {"clients", required_argument, NULL, 'c'},
    {"threads", required_argument, NULL, 'T'},
    {"keepalive", required_argument, NULL, 'k'},
    {"sources", required_argument, NULL, 'b'},
    {"park", required_argument, NULL, 'P'},
    {"seconds", required_argument, NULL, 's'},
    {"parent", required_argument, NULL, 'w'},
    {NULL, 0, NULL, 0},
};

static void
raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int
main(int argc, char **argv)
{
	struct scale_options o = {
	    .scheme = "mqtt", .clients = 1, .threads = 1, .keepalive_s = 60, .seconds = 1};
	size_t i;
	int c, r = -1;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		if (!read_option(&o, c, optarg))
			return usage();
	if (optind != argc || !o.scenario || !o.port_count)
		return usage();
	raise_descriptors();
	printf("{\"scenario\": \"%s\", \"scheme\": \"%s\", \"clients\": %u, \"park\": %u",
	    o.scenario, o.scheme, o.clients, o.park_after_ms);
	for (i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
		if (!strcmp(scenarios[i].name, o.scenario))
			r = scenarios[i].run(&o);
	puts("}");
	return r ? 1 : 0;
}
