/* A server that answers a vclient, and judges it. */
#include "lib/vserver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/make.h"

void
vserver_init(struct vserver *vs, struct vclient *v)
{
	*vs = (struct vserver){.v = v, .session = tk_session_new()};
}

static void
judge(struct vserver *vs)
{
	const char *error = tk_stream_error(&vs->stream);

	/* Of a fault on this side the client may know later than the judge. */
	if (error != NULL && !vs->stream.server_broke && !vs->unsure && vs->error[0] == '\0')
		snprintf(vs->error, sizeof(vs->error), "%s", error);
}

static void
end_connection(struct vserver *vs)
{
	if (!vs->open)
		return;
	vserver_look(vs);
	/* Of what it never read the client cannot know that its session is another one; and the
	 * judge does not know what came after a fault on this side. */
	if (vs->stream.server_broke ||
	    (vs->stream.phase == TK_PHASE_CONNECTED && vs->v->s.server.receive_maximum == 0))
		vs->unsure = true;
	tk_stream_clear(&vs->stream);
	tk_buf_clear(&vs->answers);
	vs->open = false;
}

void
vserver_free(struct vserver *vs)
{
	if (vs->open)
		tk_stream_clear(&vs->stream);
	tk_session_free(vs->session);
	tk_buf_free(&vs->answers);
}

static void
owe(struct vserver *vs, struct tk_buf packet)
{
	tk_buf_put(&vs->answers, packet.data, packet.len);
	tk_buf_free(&packet);
}

static void
owe_codes(struct vserver *vs, const struct tk_packet *p)
{
	struct tk_buf codes = {0};

	for (size_t i = 0; i < p->n_filters; i++)
		tk_buf_put(&codes, "01 ", 3);
	tk_buf_put(&codes, "", 1);
	owe(vs, tk_make_suback(p->version, p->mid, (const char *)codes.data, NULL));
	tk_buf_free(&codes);
}

static void
owe_unsuback(struct vserver *vs, const struct tk_packet *p)
{
	struct tk_buf codes = {0};

	for (size_t i = 0; i < p->n_filters; i++)
		tk_buf_put(&codes, "00 ", 3);
	tk_buf_put(&codes, "", 1);
	owe(vs, tk_make_unsuback(p->version, p->mid, (const char *)codes.data, NULL));
	tk_buf_free(&codes);
}

static void
answer(struct vserver *vs, const struct tk_packet *p)
{
	switch (p->type) {
	case TK_CONNECT:
		vs->got_connect = true;
		break;
	case TK_PUBLISH:
		if (p->qos > 0)
			owe(vs, tk_make_ack(p->version, p->qos == 1 ? TK_PUBACK : TK_PUBREC, p->mid,
				    0, NULL));
		break;
	case TK_PUBREC:
		if (p->reason < 0x80)
			owe(vs, tk_make_ack(p->version, TK_PUBREL, p->mid, 0, NULL));
		break;
	case TK_PUBREL:
		owe(vs, tk_make_ack(p->version, TK_PUBCOMP, p->mid, 0, NULL));
		break;
	case TK_SUBSCRIBE:
		owe_codes(vs, p);
		break;
	case TK_UNSUBSCRIBE:
		owe_unsuback(vs, p);
		break;
	case TK_PINGREQ:
		owe(vs, tk_make_pingresp());
		break;
	default:
		break;
	}
}

void
vserver_look(struct vserver *vs)
{
	const struct vsink *sink = &vs->v->sink;
	size_t len = sink->data != NULL ? (size_t)(sink->base.at - sink->data) : 0;
	size_t size;

	if (!vs->open || len <= vs->told)
		return;
	tk_stream_from_client(&vs->stream, sink->data + vs->told, len - vs->told);
	vs->told = len;
	judge(vs);
	while (tk_frame(sink->data + vs->seen, len - vs->seen, &size) == 1) {
		struct tk_packet p;

		tk_packet_parse(
		    &p, (int)vs->v->s.version, TK_FROM_CLIENT, sink->data + vs->seen, size);
		if (p.fault.id[0] != '\0' && vs->error[0] == '\0')
			snprintf(vs->error, sizeof(vs->error), "[%s] %s", p.fault.id, p.fault.text);
		answer(vs, &p);
		tk_packet_clear(&p);
		vs->seen += size;
	}
	/* Without memory for its payload a packet ends in the middle, and the connection with it.
	 */
	if (vs->seen != len && vs->v->s.state == MQEV_SESSION_CONNECTED && vs->error[0] == '\0')
		snprintf(vs->error, sizeof(vs->error), "half a packet was written");
}

static void
send_bytes(struct vserver *vs, struct tk_buf bytes)
{
	if (!vs->v->no_record && !vs->v->only_events) {
		char *text = tk_dump(bytes.data, bytes.len, 200);

		vclient_flush_record(vs->v);
		vbuf_printf(&vs->v->record, "< %.400s\n", text);
		free(text);
	}
	tk_stream_from_server(&vs->stream, bytes.data, bytes.len);
	vclient_receive(vs->v, bytes.data, bytes.len);
	tk_buf_free(&bytes);
}

void
vserver_send(struct vserver *vs, const char *packets)
{
	vserver_look(vs);
	send_bytes(vs, tk_hex(packets));
	vserver_look(vs);
}

void
vserver_send_bytes(struct vserver *vs, const void *data, size_t len)
{
	vserver_look(vs);
	send_bytes(vs, tk_buf_copy(data, len));
	vserver_look(vs);
}

void
vserver_answer(struct vserver *vs)
{
	struct tk_buf now = vs->answers;

	vs->answers = (struct tk_buf){0};
	send_bytes(vs, now);
	vserver_look(vs);
}

void
vserver_run(struct vserver *vs)
{
	vserver_look(vs);
	for (int i = 0; vs->answers.len > 0 && i < 10000; i++)
		vserver_answer(vs);
}

void
vserver_open(struct vserver *vs)
{
	end_connection(vs);
	vs->seen = vs->told = 0;
	vs->got_connect = false;
	vs->open = true;
	tk_stream_init(&vs->stream, (int)vs->v->s.version, vs->session);
	vclient_connect(vs->v);
	vserver_look(vs);
}

void
vserver_connect(struct vserver *vs, bool session_present, const char *properties)
{
	enum mqev_version version = (enum mqev_version)vs->v->s.version;

	vserver_open(vs);
	if (!vs->got_connect)
		return;
	send_bytes(vs, tk_make_connack((int)version, session_present, 0,
			   version == MQEV_V5 ? properties : NULL));
	vserver_look(vs);
}

void
vserver_close(struct vserver *vs)
{
	end_connection(vs);
	vclient_close(vs->v);
}
