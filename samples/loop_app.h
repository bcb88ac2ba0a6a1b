/* What the samples of foreign loops have in common: a client that prints what comes, and when the
 * program is to end. */
#ifndef LOOP_APP_H
#define LOOP_APP_H

#include <stdbool.h>

#include <mqev/mqev.h>

struct loop_app {
	struct mqev_fleet *fleet; /* with a base of its own */
	struct mqev_client *client;
	const char *filter;
	long left;  /* messages until the end */
	bool ended; /* the loop is to end */
	int status; /* of the program */
};

/* From the command line: [-n MESSAGES] URL FILTER. False: it has said why. */
bool loop_app_begin(struct loop_app *app, int argc, char **argv);
/* The program's exit status. */
int loop_app_end(struct loop_app *app);

#endif
