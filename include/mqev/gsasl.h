/* SCRAM for MQTT 5's enhanced authentication, on GNU SASL: a library of its own, libmqev-gsasl. */
#ifndef MQEV_GSASL_H
#define MQEV_GSASL_H

#include <mqev/auth.h>
#include <mqev/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A provider for struct mqev_options' auth (RFC 5802, RFC 7677). mechanism: "SCRAM-SHA-1" or
 * "SCRAM-SHA-256", which is the Authentication Method too; username and password: UTF-8, copied.
 * The server's signature is verified, before the client counts as connected. Between 4,096 and
 * 100,000 iterations are computed for a server, in the loop's thread; one that asks for others is
 * refused. One provider may serve all clients of one thread. NULL: *error (may be NULL) says why:
 * MQEV_ERR_INVALID: an argument is NULL or not UTF-8, or the username is empty;
 * MQEV_ERR_UNSUPPORTED: another mechanism, or GNU SASL was built without it; MQEV_ERR_NOMEM.
 */
MQEV_EXPORT const struct mqev_auth *
mqev_scram_new(const char *mechanism, const char *username, const char *password, int *error);

/* Frees it, when no client uses it any more. NULL is ignored. */
MQEV_EXPORT void mqev_scram_free(const struct mqev_auth *auth);

#ifdef __cplusplus
}
#endif

#endif
