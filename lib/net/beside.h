/* Reading beside a bufferevent that a layer lies on: when that is allowed, and how the end that is
 * met there is told. */
#ifndef MQEV_NET_BESIDE_H
#define MQEV_NET_BESIDE_H

#include <stdbool.h>
#include <sys/types.h>

struct bufferevent;

/*
 * Whether the bufferevent of a socket would read by itself now. It does not when it was told not to,
 * when it has met an end, whose event may still be on its way, and when OpenSSL has to write before
 * it can go on: then nobody else may read either.
 */
bool mqev_beside_may_read(const struct bufferevent *bev);

/* The end was met beside it: it stops, and its event callback will be called as if it had met the
 * end itself, with error as the socket's error. what: BEV_EVENT_EOF or BEV_EVENT_ERROR. */
void mqev_beside_tell_end(struct bufferevent *bev, short what, int error);

/* What a read function returns that has nothing: -1, and errno says EAGAIN. */
ssize_t mqev_beside_nothing(void);

#endif
