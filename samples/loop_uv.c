/* loop_uv: a fleet inside libuv's loop: its descriptor is polled, and before each sleep a timer is
 * set. */
#include <uv.h>

#include "loop_app.h"

struct fleet_handle {
	struct loop_app app;
	uv_poll_t readable;
	uv_timer_t timer;
	uv_prepare_t before_sleep;
};

static void
dispatch(struct fleet_handle *h)
{
	mqev_fleet_dispatch(h->app.fleet);
	if (h->app.ended)
		uv_stop(h->readable.loop);
}

static void
on_readable(uv_poll_t *handle, int status, int events)
{
	(void)status;
	(void)events;
	dispatch(handle->data);
}

static void
on_time(uv_timer_t *handle)
{
	dispatch(handle->data);
}

static void
on_before_sleep(uv_prepare_t *handle)
{
	struct fleet_handle *h = handle->data;
	int timeout_ms = mqev_fleet_next_timeout_ms(h->app.fleet);

	uv_timer_stop(&h->timer);
	if (timeout_ms < 0)
		return;
	/* The loop's clock stands still while callbacks run. */
	uv_update_time(handle->loop);
	uv_timer_start(&h->timer, on_time, (uint64_t)timeout_ms, 0);
}

static void
begin(struct fleet_handle *h, uv_loop_t *loop)
{
	uv_poll_init(loop, &h->readable, mqev_fleet_fd(h->app.fleet));
	uv_timer_init(loop, &h->timer);
	uv_prepare_init(loop, &h->before_sleep);
	h->readable.data = h->timer.data = h->before_sleep.data = h;
	uv_poll_start(&h->readable, UV_READABLE, on_readable);
	uv_prepare_start(&h->before_sleep, on_before_sleep);
}

static void
end(struct fleet_handle *h, uv_loop_t *loop)
{
	uv_close((uv_handle_t *)&h->readable, NULL);
	uv_close((uv_handle_t *)&h->timer, NULL);
	uv_close((uv_handle_t *)&h->before_sleep, NULL);
	uv_run(loop, UV_RUN_DEFAULT);
	uv_loop_close(loop);
}

int
main(int argc, char **argv)
{
	struct fleet_handle h;
	uv_loop_t loop;

	if (!loop_app_begin(&h.app, argc, argv))
		return 2;
	uv_loop_init(&loop);
	begin(&h, &loop);
	uv_run(&loop, UV_RUN_DEFAULT);
	end(&h, &loop);
	return loop_app_end(&h.app);
}
