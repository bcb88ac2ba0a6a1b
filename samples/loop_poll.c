/* loop_poll: a fleet inside a loop of poll(2), which waits for each of its descriptors. With
 * mqev_fleet_fd() there would be one only, as in the other samples of foreign loops. */
#include <poll.h>
#include <stdlib.h>

#include "loop_app.h"

#define MOST 64

struct table {
	struct pollfd at[MOST];
	nfds_t count;
};

static short
events_of(unsigned what)
{
	return (short)(((what & MQEV_WATCH_READ) != 0 ? POLLIN : 0) |
		       ((what & MQEV_WATCH_WRITE) != 0 ? POLLOUT : 0));
}

static void
changed(struct mqev_fleet *fleet, const struct mqev_watch *watch, void *userdata)
{
	struct table *table = userdata;
	nfds_t i = 0;

	(void)fleet;
	while (i < table->count && table->at[i].fd != watch->fd)
		i++;
	if (watch->what == 0) {
		table->at[i] = table->at[--table->count];
		return;
	}
	if (i == MOST)
		abort(); /* a program with so many has mqev_fleet_fd() */
	table->at[i] = (struct pollfd){.fd = watch->fd, .events = events_of(watch->what)};
	if (i == table->count)
		table->count++;
}

int
main(int argc, char **argv)
{
	struct table table = {.count = 0};
	struct loop_app app;

	if (!loop_app_begin(&app, argc, argv))
		return 2;
	if (mqev_fleet_set_watch(app.fleet, changed, &table) != 0)
		return 1;
	while (!app.ended) {
		int timeout_ms = mqev_fleet_next_timeout_ms(app.fleet);

		/* A program's own descriptors would stand here, too. */
		poll(table.at, table.count, timeout_ms);
		mqev_fleet_dispatch(app.fleet);
	}
	return loop_app_end(&app);
}
