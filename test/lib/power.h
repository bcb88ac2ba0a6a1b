/*
 * What was written to the files of a store and when it was synced, and from that the files as they
 * may be found after a loss of power at any moment: all that was synced, and of the rest any part.
 */
#ifndef TK_POWER_H
#define TK_POWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tk_power;

/* The files at path, and at path with "-wal" and "-journal"; other names are not looked at. */
struct tk_power *tk_power_new(const char *path);
void tk_power_free(struct tk_power *power);

/* What the file layer tells; each with the name of the file. */
void tk_power_created(struct tk_power *power, const char *name);
void tk_power_wrote(
    struct tk_power *power, const char *name, const void *bytes, size_t len, int64_t offset);
void tk_power_truncated(struct tk_power *power, const char *name, int64_t size);
void tk_power_synced(struct tk_power *power, const char *name);
void tk_power_deleted(struct tk_power *power, const char *name, bool synced);

/* How many of those there were: a moment, for the test to note what it was promised until then. */
size_t tk_power_moment(const struct tk_power *power);

/*
 * Makes the files at to as they may be when the power fails at that moment. What was not synced is
 * there or not, a write also in part, by sectors of 512 bytes; seed decides, from 0 (nothing of it
 * is there) and 1 (all of it) on. The number of operations whose fate was open.
 */
size_t tk_power_image(const struct tk_power *power, size_t moment, uint64_t seed, const char *to);

#endif
