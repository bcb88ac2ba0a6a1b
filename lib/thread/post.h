/* What the files of a remote's calls share: making posts, and those that hold a message. */
#ifndef MQEV_THREAD_POST_H
#define MQEV_THREAD_POST_H

#include <mqev/thread.h>

#include "thread/remote.h"

/* The struct begins with the post; size is that of the struct. NULL: no memory. */
void *
mqev_post_new(size_t size, const struct mqev_post_kind *kind, mqev_result_cb *done, void *arg);
/* For kinds that have nothing to drop or to free. */
void mqev_post_nothing(struct mqev_post *post);

struct mqev_message_post {
	struct mqev_post post;
	struct mqev_message *message; /* a copy; its payload is the caller's when release is set */
};

/* Posts p (NULL: MQEV_ERR_NOMEM) with a copy of a message that was checked. As mqev_remote_post().
 */
int64_t mqev_post_message(
    struct mqev_remote *remote, struct mqev_message_post *p, const struct mqev_message *m);
/* The functions of its kind. */
void mqev_post_drop_message(struct mqev_post *post);
void mqev_post_free_message(struct mqev_post *post);

#endif
