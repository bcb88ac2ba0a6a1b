/* What is to be told of a connection's end, from when it is known until it is told. */
#ifndef MQEV_CLIENT_LAST_WORDS_H
#define MQEV_CLIENT_LAST_WORDS_H

#include <stdbool.h>

struct mqev_client;
struct mqev_net_error;
struct mqev_properties;

/* Each copies; without memory the end is told without it. */
/* Of the server's last packet. */
void
mqev_last_words_keep_properties(struct mqev_client *c, const struct mqev_properties *properties);
/* Why the link failed; the first that says so counts. */
void mqev_last_words_keep_cause(struct mqev_client *c, const struct mqev_net_error *cause);

/* Takes what was kept. *properties is the caller's then, NULL: none. False: no cause was kept. */
bool mqev_last_words_take(
    struct mqev_client *c, struct mqev_properties **properties, struct mqev_net_error *cause);
void mqev_last_words_drop(struct mqev_client *c);

#endif
