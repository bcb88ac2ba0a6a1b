/* Doubly linked rings: a member takes itself out without knowing whose it is. */
#ifndef MQEV_NET_LIST_H
#define MQEV_NET_LIST_H

#include <stdbool.h>

struct mqev_link {
	struct mqev_link *next, *prev;
};

static inline void
mqev_link_init(struct mqev_link *link)
{
	link->next = link->prev = link;
}

static inline bool
mqev_link_alone(const struct mqev_link *link)
{
	return link->next == link;
}

static inline void
mqev_link_remove(struct mqev_link *link)
{
	link->next->prev = link->prev;
	link->prev->next = link->next;
	mqev_link_init(link);
}

/* link must be alone; it becomes the last of the ring that begins at head. */
static inline void
mqev_link_append(struct mqev_link *head, struct mqev_link *link)
{
	link->prev = head->prev;
	link->next = head;
	head->prev->next = link;
	head->prev = link;
}

#endif
