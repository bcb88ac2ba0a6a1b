/* The makes of brokers that features are tried with: how each is started, what each speaks, and
 * what it declares not to have. */
#ifndef MAKES_H
#define MAKES_H

#include <stdbool.h>

#include "broker/scene.h"

/* A feature that a make has not, in versions from `from` on; `shows` is the test which shows it. */
struct lack {
	const char *feature;
	enum mqev_protocol from;
	const char *why;
	void (*shows)(void);
};

struct make {
	const char *name;
	const char *program;
	const char *version_mark; /* in its log, before its version */
	int (*start)(struct tk_server *s, struct tk_pki *pki);
	/* For a make whose listener has either TLS or not: a server of its own, on its first port.
	 */
	int (*start_tls)(struct tk_server *s, struct tk_pki *pki);
	int best_qos;
	bool late_dups; /* what it thinks to have sent before comes behind the others, as DUP */
	const struct lack *lacks; /* up to one without a feature */
};

extern const struct make makes[];
extern const int make_count;

/* NULL: the make has the feature. */
const struct lack *
make_lack(const struct make *make, const char *feature, enum mqev_protocol version);

/* "2.0.11"; from the log of the running server. */
void make_version(const struct make *make, const struct tk_server *s, char *text, size_t size);

/* Where the scene's broker takes TLS; `apart` holds its second server, if it needs one. */
int make_tls_port(struct tk_server *apart);
void make_tls_end(struct tk_server *apart);

#endif
