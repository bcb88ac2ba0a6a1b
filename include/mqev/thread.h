/* Loops for fleets that own their event_base: in the caller's thread, in a thread of their own,
 * inside another event loop; and clients used from any thread. */
#ifndef MQEV_THREAD_H
#define MQEV_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mqev/client.h>
#include <mqev/export.h>
#include <mqev/fleet.h>
#include <mqev/message.h>
#include <mqev/queue.h>
#include <mqev/rpc.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A program that runs an event_base of its own needs none of the loops here: its clients live in
 * that base, and it uses this header only to reach them from other threads.
 *
 * The others are for a fleet made by mqev_fleet_new(NULL, ...), which owns its base. Exactly one
 * thread at a time, the loop's thread, uses the fleet and its clients: the one that runs one of
 * these loops, or, while none runs, the one that made the fleet. Other threads use struct
 * mqev_remote, below, and nothing else.
 *
 * mqev never calls evthread_use_pthreads(), and what a client does in its thread takes no lock and
 * no atomic.
 */

/* --- loops in the caller's thread --------------------------------------------------------------
 */

/*
 * Waits until something happens, at most timeout_ms milliseconds (negative: without limit; 0: not
 * at all), and does what there is to do, callbacks included. 1: there is more to come; 0: there is
 * nothing left to wait for, because no client is connected or wants to be (then it returns at
 * once). MQEV_ERR_STATE: the fleet's base is the application's, a background loop runs, or this is
 * a callback; MQEV_ERR_INVALID; MQEV_ERR_NOMEM.
 */
MQEV_EXPORT int mqev_loop(struct mqev_fleet *fleet, int timeout_ms);

/*
 * Loops, reconnecting whenever that is needed, until there is nothing left to wait for, or
 * mqev_loop_break() was called, or the fleet was freed in a callback: 0. Errors as for mqev_loop().
 */
MQEV_EXPORT int mqev_loop_forever(struct mqev_fleet *fleet);

/*
 * Makes mqev_loop_forever() or mqev_loop() return, and a background loop stop, after the callbacks
 * that are due. In the loop's thread, callbacks included; in another one when the fleet has a
 * remote or a loop has run, and while it is not freed. When no loop runs, the next one returns at
 * once.
 */
MQEV_EXPORT void mqev_loop_break(struct mqev_fleet *fleet);

/* --- the background thread ---------------------------------------------------------------------
 */

/*
 * Starts a thread that runs the fleet's loop until mqev_loop_stop(), with all signals blocked. From
 * now on it is the loop's thread: clients are made and set up before, or in a callback, and used
 * from elsewhere by mqev_remote_new(), which must have been called before. 0; MQEV_ERR_STATE: it
 * runs already, the base is the application's, or this is a callback; MQEV_ERR_SYSTEM: no thread
 * could be made; MQEV_ERR_INVALID; MQEV_ERR_NOMEM.
 */
MQEV_EXPORT int mqev_loop_start(struct mqev_fleet *fleet);

enum mqev_stop {
	/* After the callbacks that are due. Connections stay open, without anybody who serves them,
	 * and go on when the loop is started again, if the server has had the patience. */
	MQEV_STOP_NOW = 0,
	/* When every operation of clients that are connected, or want to be, is completed, and all
	 * output has been handed to the kernel. */
	MQEV_STOP_FLUSH
};

/*
 * Stops the background loop and waits until it has stopped: with MQEV_STOP_NOW at most timeout_ms
 * milliseconds; with MQEV_STOP_FLUSH the loop goes on for at most timeout_ms, and a second more is
 * waited for its end. No DISCONNECT is sent. Then the fleet is the caller's, and may be started
 * again, or freed.
 *
 * 0: stopped; 1: stopped, but not all was flushed in time; MQEV_ERR_TIMEOUT: a callback does not
 * return: the loop ends when it does, the fleet is not the caller's yet, call again;
 * MQEV_ERR_STATE: there is no background loop. From a callback of the loop itself: 0, and it stops
 * afterwards; another thread's mqev_loop_stop() then waits for that.
 */
MQEV_EXPORT int mqev_loop_stop(struct mqev_fleet *fleet, enum mqev_stop how, uint32_t timeout_ms);

/* --- inside another event loop -----------------------------------------------------------------
 */

/*
 * poll(2), GLib, libuv, sd-event and others: before the other loop sleeps it asks
 * mqev_fleet_next_timeout_ms() how long it may; when mqev_fleet_fd() is readable or that time is
 * over, mqev_fleet_dispatch() does everything that is due. The samples loop_poll.c, loop_glib.c,
 * loop_uv.c and loop_sd.c show it. All are called in the loop's thread and return MQEV_ERR_STATE
 * when the base is the application's or a background loop runs.
 */

/*
 * One descriptor for the whole fleet, whatever its clients do: readable when there is something to
 * do. It is the library's: only wait for it. MQEV_ERR_UNSUPPORTED: the system has no such
 * descriptor, use mqev_fleet_set_watch(); MQEV_ERR_NOMEM. The same as long as the fleet lives. The
 * first call costs up to one system call per open descriptor.
 */
MQEV_EXPORT int mqev_fleet_fd(struct mqev_fleet *fleet);

/*
 * Milliseconds until mqev_fleet_dispatch() must be called although nothing is readable; 0: now; -1:
 * not before then. Ask before each sleep: calls of the application and other threads change it. It
 * needs a walk over all of the fleet's events, about as many as there are connected clients. With
 * more than 64 of them it walks no more often than takes a thirtieth of the time, at least each 10
 * ms: meanwhile it says no more than that, so a sleep may end with nothing to do, and a timer that
 * was set since the last walk may be late by as much.
 */
MQEV_EXPORT int mqev_fleet_next_timeout_ms(struct mqev_fleet *fleet);

/* Does what is due, callbacks included, and waits for nothing. 1, 0 and errors as for mqev_loop().
 */
MQEV_EXPORT int mqev_fleet_dispatch(struct mqev_fleet *fleet);

/* What a descriptor is waited for. */
enum mqev_watch_for { MQEV_WATCH_READ = 1, MQEV_WATCH_WRITE = 2 };

/* For loops that want each descriptor by itself: those of connections, of attempts to connect, and
 * of the resolver. */
struct mqev_watch {
	int fd;
	unsigned what; /* of enum mqev_watch_for; 0: no longer. It may be closed then, and its
			  number belong to another descriptor, which is announced after it. */
};

/* Must not call the library. */
typedef void
mqev_watch_cb(struct mqev_fleet *fleet, const struct mqev_watch *watch, void *userdata);

/*
 * From now on changed (NULL: nobody) is told of every descriptor that is to be waited for, and of
 * every change; the present ones at once. It is called inside this function,
 * mqev_fleet_next_timeout_ms() and mqev_fleet_dispatch(), so that before each sleep all is known.
 * It costs a walk over the fleet's events and a system call per descriptor each time: with many
 * clients use mqev_fleet_fd(). 0; MQEV_ERR_STATE, MQEV_ERR_INVALID, MQEV_ERR_NOMEM.
 */
MQEV_EXPORT int
mqev_fleet_set_watch(struct mqev_fleet *fleet, mqev_watch_cb *changed, void *userdata);

/*
 * The same, client by client, as Paho has it. The descriptor of the connection, for a look or for
 * socket options; -1 while there is none, also while one is being made (mqev_fleet_set_watch()
 * knows those).
 */
MQEV_EXPORT int mqev_client_socket(const struct mqev_client *client);
/* What that descriptor is to be waited for now. Each costs a walk over the fleet's events. */
MQEV_EXPORT bool mqev_client_want_read(const struct mqev_client *client);
MQEV_EXPORT bool mqev_client_want_write(const struct mqev_client *client);
/* As mqev_fleet_next_timeout_ms(). */
MQEV_EXPORT int mqev_client_next_timeout_ms(struct mqev_client *client);
/*
 * The descriptor is readable, is writable, or time has passed (call the last one at least when
 * mqev_client_next_timeout_ms() says so): each does all that is due for the whole fleet. So nothing
 * stays behind that TLS has decrypted already. The client may have been freed by a callback when it
 * returns. 0; MQEV_ERR_STATE: as above, or the client neither has a connection nor wants one;
 * MQEV_ERR_INVALID; MQEV_ERR_NOMEM.
 */
MQEV_EXPORT int mqev_loop_read(struct mqev_client *client);
MQEV_EXPORT int mqev_loop_write(struct mqev_client *client);
MQEV_EXPORT int mqev_loop_misc(struct mqev_client *client);

/* --- other threads -----------------------------------------------------------------------------
 */

/*
 * A client as other threads use it, on any fleet: of one that owns its base, or on the
 * application's. Each of its functions may be called from any thread, and from callbacks. They copy
 * what they are given and hand it to the loop's thread, which calls the function of the same name
 * of client.h; all callbacks run there, without any lock held. Calls of one thread keep their
 * order.
 *
 * It is reference-counted and outlives the client: then its calls return MQEV_ERR_CANCELED. While
 * there is one, the loop of an application's own event_base does not end by itself.
 */
struct mqev_remote;

/* In the loop's thread: a reference to the client's remote. NULL: no memory, or no descriptor to
 * wake the loop with. */
MQEV_EXPORT struct mqev_remote *mqev_remote_new(struct mqev_client *client);
/* One more reference: the same pointer, NULL for NULL. Any thread that has one. */
MQEV_EXPORT struct mqev_remote *mqev_remote_ref(struct mqev_remote *remote);
/* Gives a reference back. NULL is ignored. */
MQEV_EXPORT void mqev_remote_free(struct mqev_remote *remote);

/*
 * Each returns a positive number when it was accepted, and then done (may be NULL) is called once,
 * in the loop's thread: result->op is the number, result->error what the function of client.h
 * returned or how the operation ended, and MQEV_ERR_CANCELED when the client was freed before. done
 * never runs before the call returned when it is made in the loop's thread; when made in another,
 * it may. The numbers are the remote's own: they begin with 1, and are others than those which
 * on_publish and its kin have.
 *
 * On a negative error nothing follows: MQEV_ERR_INVALID; MQEV_ERR_CANCELED: the client was freed;
 * MQEV_ERR_QUEUE_FULL: the loop has not yet taken over max_queued calls, or max_queued_bytes;
 * MQEV_ERR_UNSUPPORTED; MQEV_ERR_NOMEM. What only the loop's thread can know, as the limits of the
 * server, is told by done.
 */
MQEV_EXPORT int64_t mqev_remote_publish(struct mqev_remote *remote,
    const struct mqev_message *message, mqev_result_cb *done, void *arg);
MQEV_EXPORT int64_t mqev_remote_subscribe(struct mqev_remote *remote,
    const struct mqev_subscription *subscriptions, size_t count,
    const struct mqev_properties *properties, mqev_result_cb *done, void *arg);
MQEV_EXPORT int64_t mqev_remote_unsubscribe(struct mqev_remote *remote, const char *const *filters,
    size_t count, const struct mqev_properties *properties, mqev_result_cb *done, void *arg);
/* These two are done when mqev_connect() or mqev_disconnect() has returned. */
MQEV_EXPORT int64_t mqev_remote_connect(
    struct mqev_remote *remote, const char *url, mqev_result_cb *done, void *arg);
MQEV_EXPORT int64_t mqev_remote_disconnect(struct mqev_remote *remote,
    const struct mqev_disconnect_options *options, mqev_result_cb *done, void *arg);

/*
 * As mqev_cancel(), op being what a function here returned; that operation completes with
 * MQEV_ERR_CANCELED by its own done. done has 0; MQEV_ERR_STATE: it can no longer be canceled, or
 * it is a drain, which mqev_remote_disconnect() ends; MQEV_ERR_NOT_FOUND: no such operation, or it
 * is over, as one that lost the race with its acknowledgement is. It counts against no limit.
 */
MQEV_EXPORT int64_t mqev_remote_cancel(
    struct mqev_remote *remote, int64_t op, mqev_result_cb *done, void *arg);
/* As mqev_queue_clear(), of what was accepted from any thread before it, by this remote or in the
 * loop's thread. Each message completes by its own done. It counts against no limit. */
MQEV_EXPORT int64_t mqev_remote_queue_clear(
    struct mqev_remote *remote, enum mqev_queue_clear which, mqev_result_cb *done, void *arg);
/*
 * As mqev_drain(). What was posted before it is finished; what comes after it is told
 * MQEV_ERR_STATE by its done. deadline_ms counts from when the loop's thread takes the call over.
 * done has the report; when the drain could not be begun, a report that has nothing but that error.
 * For a whole fleet use mqev_remote_call().
 */
MQEV_EXPORT int64_t mqev_remote_drain(
    struct mqev_remote *remote, uint32_t deadline_ms, mqev_drain_cb *done, void *arg);
/*
 * As mqev_request(): on_reply takes the place of done, and reply->request is the number that this
 * returned. timeout_ms counts from when the loop's thread takes the call over. What the function of
 * rpc.h would have returned, as MQEV_ERR_UNSUPPORTED before 5.0, is reply->error.
 */
MQEV_EXPORT int64_t mqev_remote_request(struct mqev_remote *remote,
    const struct mqev_message *message, uint32_t timeout_ms, mqev_reply_cb *on_reply, void *arg);
/* As mqev_respond(): request is a copy (mqev_message_copy()) of what came in the loop's thread, and
 * may be freed when this has returned. */
MQEV_EXPORT int64_t mqev_remote_respond(struct mqev_remote *remote,
    const struct mqev_message *request, const struct mqev_message *reply, mqev_result_cb *done,
    void *arg);

/*
 * Runs call(client, arg) in the loop's thread, where every function may be called for the client;
 * once, with client NULL when it was freed before. For all that has no function here. Number and
 * errors as above.
 */
typedef void mqev_remote_cb(struct mqev_client *client, void *arg);
MQEV_EXPORT int64_t mqev_remote_call(struct mqev_remote *remote, mqev_remote_cb *call, void *arg);

/*
 * Whether an operation of the remote, of any kind, is over, its completion included. 1: it is done;
 * 0: not yet; negative: it ended with that error. MQEV_ERR_NOT_FOUND: there was no such operation,
 * or it was followed by so many failures (256) that it is not known any more whether it was one of
 * them.
 */
MQEV_EXPORT int mqev_is_published(struct mqev_remote *remote, int64_t op);

/*
 * Waits for that, at most timeout_ms milliseconds; any number of threads may wait for one
 * operation, also without a limit to their number. Returns what mqev_is_published() does: so 0 says
 * that the time is over. MQEV_ERR_STATE when nobody would ever finish it (and mqev_is_published()
 * still says 0): the call is made in the loop's thread, or the loop was stopped (by
 * mqev_loop_stop(), or mqev_loop_forever() has returned, or the fleet is gone), before the call or
 * during it.
 */
MQEV_EXPORT int mqev_wait_published(struct mqev_remote *remote, int64_t op, uint32_t timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
