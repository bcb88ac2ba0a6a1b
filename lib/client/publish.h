/* What other files of the client need of publishing. */
#ifndef MQEV_CLIENT_PUBLISH_H
#define MQEV_CLIENT_PUBLISH_H

#include <mqev/message.h>

/* True when mqev_publish() would take the message (full size), the server's limits apart. */
bool mqev_message_sendable(const struct mqev_message *m);

#endif
