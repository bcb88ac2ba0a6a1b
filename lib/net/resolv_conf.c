/* Whether a file like /etc/resolv.conf has changed since it was last looked at. Does not read it.
 */
#include "net/resolv_conf.h"

#include <string.h>

#include "port/port.h"

#define INTERVAL_MS 1000

static void
look(const char *path, struct stat *st)
{
	if (stat(path, st) < 0)
		memset(st, 0, sizeof *st);
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

void
mqev_resolv_conf_init(struct mqev_resolv_conf *conf, const char *path)
{
	conf->path = path;
	conf->looked_ms = mqev_port_now_ms();
	look(path, &conf->seen);
}

bool
mqev_resolv_conf_changed(struct mqev_resolv_conf *conf)
{
	uint64_t now = mqev_port_now_ms();
	struct stat st;

	if (now - conf->looked_ms < INTERVAL_MS)
		return false;
	conf->looked_ms = now;
	look(conf->path, &st);
	if (same_file(&st, &conf->seen))
		return false;
	conf->seen = st;
	return true;
}

void
mqev_resolv_conf_forget(struct mqev_resolv_conf *conf)
{
	memset(&conf->seen, 0xff, sizeof conf->seen);
}
