/* Loss of power, at length: power [-n IMAGES] [-s SEED] [SEED]; a seed alone is run again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kill/power_run.h"
#include "lib/loop.h"

#define PER_LIFE 100

int
main(int argc, char **argv)
{
	struct power_counts counts = {0};
	unsigned long images = 10000;
	uint64_t seed = 1;
	char *folder = tk_tmpdir();
	bool good = true;
	int option;

	while ((option = getopt(argc, argv, "n:s:")) != -1) {
		if (option == 'n')
			images = strtoul(optarg, NULL, 10);
		else if (option == 's')
			seed = strtoull(optarg, NULL, 10);
		else
			return 2;
	}
	if (optind < argc) {
		seed = strtoull(argv[optind], NULL, 10);
		images = PER_LIFE;
	}
	for (; counts.images < images && good; seed++)
		good = power_run(folder, seed, PER_LIFE, &counts);
	power_print(&counts);
	if (good)
		tk_rmtree(folder);
	free(folder);
	return good ? 0 : 1;
}
