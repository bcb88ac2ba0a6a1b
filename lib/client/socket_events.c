/* on_socket_open and its kin: what happens to the link's descriptor, told in Paho's order. */
#include "client/client.h"
#include "client/link.h"

static void
tell(struct mqev_client *c, mqev_socket_cb *callback)
{
	const struct mqev_socket event = {.fd = c->told_fd};

	if (callback != NULL)
		callback(c, &event, c->userdata);
}

void
mqev_socket_opened(struct mqev_client *c)
{
	c->told_fd = (int)c->link->conn.fd;
	c->socket_told = true;
	c->writing_told = false;
	tell(c, c->config->on_socket_open);
}

static void
cease_writing(struct mqev_client *c)
{
	if (!c->writing_told)
		return;
	c->writing_told = false;
	tell(c, c->config->on_socket_unregister_write);
}

void
mqev_socket_closed(struct mqev_client *c)
{
	if (!c->socket_told)
		return;
	cease_writing(c);
	/* The application may have freed the client, which told the rest. */
	if (!c->socket_told)
		return;
	c->socket_told = false;
	tell(c, c->config->on_socket_close);
}

void
mqev_socket_note_writing(struct mqev_client *c)
{
	bool writing = c->link != NULL && mqev_link_unsent(c->link) > 0;

	if (!c->socket_told || writing == c->writing_told)
		return;
	if (!writing) {
		cease_writing(c);
		return;
	}
	c->writing_told = true;
	mqev_link_tell_when_empty(c->link);
	tell(c, c->config->on_socket_register_write);
}
