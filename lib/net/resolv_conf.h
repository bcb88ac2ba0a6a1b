/* Whether a file like /etc/resolv.conf has changed since it was last looked at. Does not read it.
 */
#ifndef MQEV_NET_RESOLV_CONF_H
#define MQEV_NET_RESOLV_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define MQEV_RESOLV_CONF "/etc/resolv.conf"

struct mqev_resolv_conf {
	const char *path;
	uint64_t looked_ms;
	struct stat seen;
};

/* As it is now, a missing file included. The path is lent. */
void mqev_resolv_conf_init(struct mqev_resolv_conf *conf, const char *path);

/* True once per change; looks at the file at most once a second. */
bool mqev_resolv_conf_changed(struct mqev_resolv_conf *conf);

/* The change could not be followed: it is told again. */
void mqev_resolv_conf_forget(struct mqev_resolv_conf *conf);

#endif
