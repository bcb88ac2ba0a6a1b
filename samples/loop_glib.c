/* loop_glib: a fleet as a source of GLib's main loop. */
#include <glib-unix.h>
#include <glib.h>

#include "loop_app.h"

struct fleet_source {
	GSource source;
	gpointer tag; /* of the fleet's descriptor */
	struct loop_app *app;
	GMainLoop *loop;
};

static gboolean
prepare(GSource *source, gint *timeout_ms)
{
	struct fleet_source *s = (struct fleet_source *)source;

	*timeout_ms = mqev_fleet_next_timeout_ms(s->app->fleet);
	return *timeout_ms == 0;
}

static gboolean
check(GSource *source)
{
	struct fleet_source *s = (struct fleet_source *)source;

	return g_source_query_unix_fd(source, s->tag) != 0 ||
	       mqev_fleet_next_timeout_ms(s->app->fleet) == 0;
}

static gboolean
dispatch(GSource *source, GSourceFunc callback, gpointer userdata)
{
	struct fleet_source *s = (struct fleet_source *)source;

	(void)callback;
	(void)userdata;
	mqev_fleet_dispatch(s->app->fleet);
	if (s->app->ended)
		g_main_loop_quit(s->loop);
	return G_SOURCE_CONTINUE;
}

static GSourceFuncs functions = {.prepare = prepare, .check = check, .dispatch = dispatch};

static GSource *
source_new(struct loop_app *app, GMainLoop *loop)
{
	GSource *source = g_source_new(&functions, sizeof(struct fleet_source));
	struct fleet_source *s = (struct fleet_source *)source;

	s->app = app;
	s->loop = loop;
	s->tag = g_source_add_unix_fd(source, mqev_fleet_fd(app->fleet), G_IO_IN);
	g_source_attach(source, NULL);
	return source;
}

int
main(int argc, char **argv)
{
	struct loop_app app;
	GMainLoop *loop;
	GSource *source;

	if (!loop_app_begin(&app, argc, argv))
		return 2;
	loop = g_main_loop_new(NULL, FALSE);
	source = source_new(&app, loop);
	g_main_loop_run(loop);
	g_source_destroy(source);
	g_source_unref(source);
	g_main_loop_unref(loop);
	return loop_app_end(&app);
}
