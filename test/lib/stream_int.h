/* What the files of the judge share; no other file includes it. */
#ifndef TK_STREAM_INT_H
#define TK_STREAM_INT_H

#include "stream.h"

void tk_queue_push(struct tk_queue *q, unsigned id);
long tk_queue_find(const struct tk_queue *q, unsigned id); /* index or -1 */
void tk_queue_remove(struct tk_queue *q, size_t index);

/* A PUBREC for a PUBLISH that stands behind so many PUBRELs of its identifier, which are to be
 * answered first. */
#define TK_BEHIND(mid, pubrels) ((mid) | (unsigned)(pubrels) << 16)

void tk_limits_default(struct tk_limits *l);

/* One whole packet of the server. */
void tk_stream_server_packet(struct tk_stream *s, const struct tk_packet *p);

/* Whether an entry that is due could be sent under the limits of this connection. */
int tk_stream_sendable(const struct tk_stream *s, const struct tk_out *o);

/* The identifier's exchange is over by the server's last packet of it. */
void tk_stream_done(struct tk_stream *s, struct tk_out *o, unsigned code);

/* Packets of the client, legal by themselves. */
void tk_stream_on_publish(struct tk_stream *s, const struct tk_packet *p);
void tk_stream_on_puback(struct tk_stream *s, const struct tk_packet *p);
void tk_stream_on_pubrec(struct tk_stream *s, const struct tk_packet *p);
void tk_stream_on_pubrel(struct tk_stream *s, const struct tk_packet *p);
void tk_stream_on_pubcomp(struct tk_stream *s, const struct tk_packet *p);

#endif
