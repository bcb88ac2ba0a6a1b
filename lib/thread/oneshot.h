/* A blocking call in progress: its client, its end, and what the kinds of calls differ in. */
#ifndef MQEV_THREAD_ONESHOT_H
#define MQEV_THREAD_ONESHOT_H

#include <mqev/oneshot.h>

struct event;

struct mqev_job {
	/* At the first connection; the client is set. */
	void (*start)(struct mqev_job *job);
	mqev_message_cb *on_message; /* NULL: the application's own */

	struct mqev_options options; /* as the application gave them */
	struct mqev_oneshot how;
	struct mqev_fleet *fleet;
	struct mqev_client *client;
	struct event *deadline;
	int result;
	bool connected; /* once */
	bool finished;
	struct mqev_oneshot_report report;
};

/* Takes what the caller gave: 0, MQEV_ERR_INVALID, MQEV_ERR_UNSUPPORTED. The rest of the job is
 * zero. */
int mqev_job_begin(struct mqev_job *job, const struct mqev_oneshot *how);
/* Runs it to its end and fills the report; the call's result. */
int mqev_job_run(struct mqev_job *job, const char *url);
/* Fills the report of a call that does not run, and returns the error. */
int mqev_job_refuse(struct mqev_job *job, int error, const char *text);
/* In callbacks: the end, with 0 or the first error. */
void mqev_job_finish(struct mqev_job *job, int error, enum mqev_reason reason, const char *text);
/* In callbacks: the job of a client. */
struct mqev_job *mqev_job_of(const struct mqev_client *client);

#endif
