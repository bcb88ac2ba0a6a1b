/* loop_sd: a fleet inside sd-event's loop: an I/O source for its descriptor, which sets a timer
 * before each sleep. */
#include <stdint.h>
#include <sys/epoll.h>
#include <time.h>

#include <systemd/sd-event.h>

#include "loop_app.h"

struct fleet_source {
	struct loop_app app;
	sd_event_source *readable;
	sd_event_source *timer;
};

static int
dispatch(struct fleet_source *s)
{
	mqev_fleet_dispatch(s->app.fleet);
	return s->app.ended ? sd_event_exit(sd_event_source_get_event(s->readable), 0) : 0;
}

static int
on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source;
	(void)fd;
	(void)events;
	return dispatch(userdata);
}

static int
on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	return dispatch(userdata);
}

static int
before_sleep(sd_event_source *source, void *userdata)
{
	struct fleet_source *s = userdata;
	int timeout_ms = mqev_fleet_next_timeout_ms(s->app.fleet);

	(void)source;
	if (timeout_ms < 0)
		return sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
	sd_event_source_set_time_relative(s->timer, (uint64_t)timeout_ms * 1000);
	return sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

static bool
begin(struct fleet_source *s, sd_event *event)
{
	if (sd_event_add_io(
		event, &s->readable, mqev_fleet_fd(s->app.fleet), EPOLLIN, on_readable, s) < 0 ||
	    sd_event_add_time_relative(event, &s->timer, CLOCK_MONOTONIC, 0, 1000, on_time, s) < 0)
		return false;
	return sd_event_source_set_prepare(s->readable, before_sleep) >= 0;
}

int
main(int argc, char **argv)
{
	struct fleet_source s = {.readable = NULL};
	sd_event *event = NULL;

	if (!loop_app_begin(&s.app, argc, argv))
		return 2;
	if (sd_event_new(&event) < 0 || !begin(&s, event))
		return 1;
	sd_event_loop(event);
	sd_event_source_unref(s.readable);
	sd_event_source_unref(s.timer);
	sd_event_unref(event);
	return loop_app_end(&s.app);
}
