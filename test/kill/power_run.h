/* One store's life, and what is found of it after the power failed at random moments of it. */
#ifndef MQEV_TEST_POWER_RUN_H
#define MQEV_TEST_POWER_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct power_counts {
	unsigned long lives;
	unsigned long images;
	unsigned long commits; /* in all lives */
	unsigned long synced;  /* of them with sync */
	unsigned long folds;   /* checkpoints of the log into the file */
	unsigned long open;    /* operations whose fate was decided by chance, in all images */
	unsigned long
	    behind;	    /* images that hold less than was committed, but all that was synced */
	unsigned long used; /* images in which the store went on */
};

/* So many images of the life that seed makes, in folder; adds to counts. False: one of them breaks
 * the promise, which was printed with the seed. */
bool power_run(const char *folder, uint64_t seed, size_t images, struct power_counts *counts);

void power_print(const struct power_counts *counts);

#endif
