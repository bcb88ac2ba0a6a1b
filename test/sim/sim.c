/*
 * The simulation as a program.
 *	sim [-n RUNS] [-s FIRST] [-j JOBS]	runs that many seeds from FIRST on; a seed that
 *fails is printed
 *	sim SEED				that one alone, with all that passes over the link
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/run.h"

static void
print_stats(const struct world_stats *s)
{
	printf(
	    "%lu runs: %lu connections (%lu cut, %lu resumed, %lu sessions lost), %lu operations, "
	    "%lu messages, %lu PUBLISHes sent again, %lu acknowledgements late, %lu bytes\n",
	    s->runs, s->connections, s->cut, s->resumed, s->lost, s->operations, s->messages,
	    s->dups, s->late, s->bytes);
}

/* Seeds first, first + step ... below end; how many failed. */
static unsigned
run_seeds(uint64_t first, uint64_t end, unsigned step, bool trace)
{
	struct world_stats stats = {.trace = trace};
	unsigned failures = 0;

	for (uint64_t seed = first; seed < end && failures < 10; seed += step) {
		const char *error = run_seed(seed, &stats);

		if (error == NULL)
			continue;
		printf("seed %llu: %s\n", (unsigned long long)seed, error);
		fflush(stdout);
		failures++;
	}
	print_stats(&stats);
	return failures;
}

static int
run_jobs(uint64_t first, uint64_t end, unsigned jobs)
{
	int failed = 0;
	int status;

	fflush(stdout);
	for (unsigned i = 0; i < jobs; i++) {
		if (fork() == 0)
			exit(run_seeds(first + i, end, jobs, false) > 0);
	}
	while (wait(&status) > 0)
		failed |= status != 0;
	return failed;
}

int
main(int argc, char **argv)
{
	unsigned long long runs = 2000;
	unsigned long long first = 1;
	unsigned jobs = 1;
	int option;

	while ((option = getopt(argc, argv, "n:s:j:")) != -1) {
		switch (option) {
		case 'n':
			runs = strtoull(optarg, NULL, 10);
			break;
		case 's':
			first = strtoull(optarg, NULL, 10);
			break;
		case 'j':
			jobs = (unsigned)strtoul(optarg, NULL, 10);
			break;
		default:
			fprintf(stderr, "usage: sim [-n RUNS] [-s FIRST] [-j JOBS] | SEED\n");
			return 2;
		}
	}
	if (optind < argc) {
		first = strtoull(argv[optind], NULL, 10);
		return run_seeds(first, first + 1, 1, true) > 0;
	}
	return run_jobs(first, first + runs, jobs > 0 ? jobs : 1);
}
