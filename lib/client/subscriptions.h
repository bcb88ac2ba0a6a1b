/* What a client is subscribed to: whose callback gets a message, and what to subscribe to again. */
#ifndef MQEV_CLIENT_SUBSCRIPTIONS_H
#define MQEV_CLIENT_SUBSCRIPTIONS_H

#include <mqev/client.h>

#include "core/buf.h"

struct mqev_topic_tree;

struct mqev_subscriptions {
	struct mqev_topic_tree *tree;	 /* of struct mqev_entry */
	struct mqev_topic_tree *filters; /* the same for callbacks without a subscription; NULL:
					    none was made */
	uint32_t callbacks;		 /* entries of both that have one */
	uint32_t last_id;		 /* the Subscription Identifier that was chosen last */
};

enum mqev_entry_state {
	MQEV_ENTRY_RESERVED, /* -> PENDING; or gone when the call fails */
	MQEV_ENTRY_PENDING,  /* a SUBSCRIBE is queued or in flight -> ACTIVE, gone */
	MQEV_ENTRY_ACTIVE    /* the server has it -> PENDING, gone */
};

struct mqev_entry {
	mqev_message_cb *on_message; /* NULL: the client's */
	void *userdata;
	uint64_t number;	  /* of the operation that subscribed last */
	uint32_t subscription_id; /* under which the server sends its messages; 0: none of ours */
	uint32_t refs;		  /* the table's, and one for each dispatch in progress */
	uint16_t filter_len;
	uint8_t options; /* as in the packet */
	uint8_t state;	 /* enum mqev_entry_state */
	bool removed;
	uint8_t filter[];
};

/* Makes sure that there is an entry for the filter; false when memory runs out. */
bool mqev_subscriptions_reserve(struct mqev_client *c, struct mqev_bytes filter);
/* Takes an entry back that was only reserved. */
void mqev_subscriptions_unreserve(struct mqev_client *c, struct mqev_bytes filter);
/* Fills the reserved entry: operation number has it. */
void mqev_subscriptions_set(struct mqev_client *c, const struct mqev_subscription *subscription,
    uint8_t options, uint64_t number, uint32_t subscription_id);
void mqev_subscriptions_remove(struct mqev_client *c, struct mqev_bytes filter);
/* The client's, made when there is none; NULL: no memory. */
struct mqev_subscriptions *mqev_subscriptions_of(struct mqev_client *c);
struct mqev_entry *mqev_entry_new(struct mqev_bytes filter);
void mqev_entry_unref(struct mqev_entry *entry);

/* enum mqev_op_flag of what the filter asks of the server. */
uint8_t mqev_filter_flags(struct mqev_bytes filter);

#endif
