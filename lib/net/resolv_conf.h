/* Whether /etc/resolv.conf has changed since it was last looked at. Does not read it. */
#ifndef MQEV_NET_RESOLV_CONF_H
#define MQEV_NET_RESOLV_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define MQEV_RESOLV_CONF "/etc/resolv.conf"

struct mqev_resolv_conf {
	uint64_t looked_ms;
	struct stat seen;
};

/* As it is now, a missing file included. */
void mqev_resolv_conf_init(struct mqev_resolv_conf *conf);

/* True once per change; looks at the file at most once a second. */
bool mqev_resolv_conf_changed(struct mqev_resolv_conf *conf);

#endif
