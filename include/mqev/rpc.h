/* Request and response over MQTT 5: calls with a deadline, and answering them. */
#ifndef MQEV_RPC_H
#define MQEV_RPC_H

#include <stddef.h>
#include <stdint.h>

#include <mqev/client.h>
#include <mqev/export.h>
#include <mqev/message.h>
#include <mqev/reason.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a request ended. */
struct mqev_reply {
	uint64_t request;		    /* what mqev_request() returned */
	int error;			    /* 0: message is the reply; else enum mqev_error */
	enum mqev_reason reason;	    /* MQEV_ERR_REFUSED: of the server's acknowledgement */
	const struct mqev_message *message; /* lent for the callback; NULL on an error */
};

typedef void mqev_reply_cb(struct mqev_client *client, const struct mqev_reply *reply, void *arg);

/*
 * Publishes a request and waits for the one reply to it. The library adds Response Topic and
 * Correlation Data to the message's properties, which may have neither. Replies come to a topic of
 * the client's own, to which it is subscribed with the first request: "<Response
 * Information>/<random>" when the server gave one (options.request_response_information), else
 * "mqev/reply/<random>". No request is sent before that subscription was acknowledged.
 *
 * Returns the request's number (positive, among those of the client's operations, never reused);
 * then on_reply (may be NULL) is called exactly once, after this call returned: with the reply;
 * MQEV_ERR_TIMEOUT when none came within timeout_ms milliseconds (0: 30,000), counted from this
 * call; MQEV_ERR_CANCELED; or why the request could not be published or the reply topic not be
 * subscribed, as a completion of mqev_publish() or mqev_subscribe() says it. A request that is not
 * sent yet when it ends is withdrawn. A QoS 0 request whose connection is lost ends with
 * MQEV_ERR_LOST if it had not left; one that had left waits on.
 *
 * On a negative error nothing follows: MQEV_ERR_INVALID (as mqev_publish(), and for one of those
 * two properties); MQEV_ERR_UNSUPPORTED: before 5.0; MQEV_ERR_QUEUE_FULL: requests without a reply
 * count against max_queued; MQEV_ERR_STATE; limits of the connected server as in mqev_publish();
 * MQEV_ERR_NOMEM.
 */
MQEV_EXPORT int64_t mqev_request(struct mqev_client *client, const struct mqev_message *message,
    uint32_t timeout_ms, mqev_reply_cb *on_reply, void *arg);

/*
 * Gives a request up: its on_reply follows from the event loop with MQEV_ERR_CANCELED. A reply
 * that comes all the same is dropped. 0; MQEV_ERR_NOT_FOUND: no such request, or it has ended;
 * MQEV_ERR_INVALID.
 */
MQEV_EXPORT int mqev_request_cancel(struct mqev_client *client, uint64_t request);

/*
 * Requests that have not ended; and messages to the reply topic that answered none (late, double,
 * foreign), which were dropped.
 */
MQEV_EXPORT size_t mqev_request_count(const struct mqev_client *client);
MQEV_EXPORT uint64_t mqev_request_stray_replies(const struct mqev_client *client);

/*
 * Answers a request, in its callback or later with a copy of it: publishes reply to the Response
 * Topic of request, with its Correlation Data ([MQTT-4.10]). reply->topic is not looked at. done
 * and the result as mqev_publish(); MQEV_ERR_INVALID also when request has no Response Topic, or
 * reply has Correlation Data of its own.
 */
MQEV_EXPORT int64_t mqev_respond(struct mqev_client *client, const struct mqev_message *request,
    const struct mqev_message *reply, mqev_result_cb *done, void *arg);

#ifdef __cplusplus
}
#endif

#endif
