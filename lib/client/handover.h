/* Sessions that are handed over between processes. */
#ifndef MQEV_CLIENT_HANDOVER_H
#define MQEV_CLIENT_HANDOVER_H

struct mqev_fleet;

/* The fleet is being freed: those under way end with MQEV_ERR_CANCELED. */
void mqev_handover_cancel_all(struct mqev_fleet *fleet);

#endif
