/* Kills, at length: kill [-n SEEDS] [-r KILLS] [-s FIRST] [-4]; -n seeds of all points, then -r
 * kills at random, in 5.0, or with -4 in 3.1.1. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kill/campaign.h"

#define KILLS_PER_RUN 8

int
main(int argc, char **argv)
{
	struct kill_counts counts = {0};
	unsigned long seeds = 10;
	unsigned long kills = 10000;
	uint64_t first = 1;
	int version = 5;
	bool good = true;
	int option;

	/* Who follows a long run reads it as it comes. */
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	while ((option = getopt(argc, argv, "n:r:s:4")) != -1) {
		if (option == 'n')
			seeds = strtoul(optarg, NULL, 10);
		else if (option == 'r')
			kills = strtoul(optarg, NULL, 10);
		else if (option == '4')
			version = 4;
		else if (option == 's')
			first = strtoull(optarg, NULL, 10);
		else
			return 2;
	}
	for (unsigned long i = 0; i < seeds && good; i++) {
		good = kill_all_points(first + i, 10000, &counts);
		kill_print(&counts);
	}
	counts = (struct kill_counts){0};
	for (uint64_t seed = first; good && counts.client_kills + counts.broker_kills < kills;
	     seed++) {
		good = kill_at_random(seed, version, KILLS_PER_RUN, &counts);
		if (seed % 50 == 0)
			kill_print(&counts);
	}
	if (kills > 0)
		kill_print(&counts);
	return good ? 0 : 1;
}
