/* SCRAM as a provider of enhanced authentication. The mechanism itself is GNU SASL's. */
#include <mqev/gsasl.h>

#include <gsasl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <mqev/reason.h>

#include "core/mem.h"

/* RFC 7677 wants no fewer; more would stand still in the event loop for too long. */
#define FEWEST_ITERATIONS 4096
#define MOST_ITERATIONS 100000
#define LONGEST_TEXT 1024

struct scram {
	struct mqev_auth auth; /* first: what the application is given */
	Gsasl *gsasl;
	char *username;
	char *password;
};

struct exchange {
	Gsasl_session *session;
	char *output;  /* GNU SASL's, lent until the next call */
	bool started;  /* the first challenge was taken */
	bool verified; /* the server's signature was right */
};

/* --- the exchange ------------------------------------------------------------------------------
 */

static int
error_of(int result)
{
	if (result == GSASL_OK || result == GSASL_NEEDS_MORE)
		return 0;
	return result == GSASL_MALLOC_ERROR ? MQEV_ERR_NOMEM : MQEV_ERR_AUTH;
}

/* The number of iterations of "r=...,s=...,i=4096"; 0 when there is none that can be read. */
static unsigned long
iterations_in(const char *challenge, size_t len)
{
	unsigned long n = 0;
	size_t at = 0;

	while (at + 3 <= len && memcmp(challenge + at, ",i=", 3) != 0)
		at++;
	for (at += 3; at < len && challenge[at] >= '0' && challenge[at] <= '9'; at++) {
		n = n * 10 + (unsigned long)(challenge[at] - '0');
		if (n > MOST_ITERATIONS)
			return n;
	}
	return n;
}

static bool
reasonable(const struct mqev_auth_data *in)
{
	unsigned long n = in->data != NULL ? iterations_in(in->data, in->len) : 0;

	return n >= FEWEST_ITERATIONS && n <= MOST_ITERATIONS;
}

static int
set_login(const struct scram *s, const struct exchange *e)
{
	int result = gsasl_property_set(e->session, GSASL_AUTHID, s->username);

	return result == GSASL_OK ? gsasl_property_set(e->session, GSASL_PASSWORD, s->password)
				  : result;
}

/* One message of the server, none at first, and what the client says to it. */
static int
advance(struct exchange *e, const struct mqev_auth_data *in, struct mqev_auth_data *out)
{
	size_t len = 0;
	int result;

	gsasl_free(e->output);
	e->output = NULL;
	result = gsasl_step(e->session, in->data, in->len, &e->output, &len);
	if (error_of(result) != 0)
		return error_of(result);
	e->verified = result == GSASL_OK;
	*out = (struct mqev_auth_data){len > 0 ? e->output : NULL, len};
	return 0;
}

static void
free_exchange(struct exchange *e)
{
	gsasl_free(e->output);
	if (e->session != NULL)
		gsasl_finish(e->session);
	mqev_free(e);
}

static int
start(const struct scram *s, struct exchange *e, struct mqev_auth_data *out)
{
	const struct mqev_auth_data nothing = {NULL, 0};
	int result = gsasl_client_start(s->gsasl, s->auth.method, &e->session);

	if (result == GSASL_OK)
		result = set_login(s, e);
	return result == GSASL_OK ? advance(e, &nothing, out) : error_of(result);
}

static int
begin(void *userdata, void **exchange, struct mqev_auth_data *out)
{
	struct exchange *e = mqev_calloc(1, sizeof(*e));
	int error;

	if (e == NULL)
		return MQEV_ERR_NOMEM;
	error = start(userdata, e, out);
	if (error == 0)
		*exchange = e;
	else
		free_exchange(e);
	return error;
}

static int
step(void *userdata, void *exchange, const struct mqev_auth_data *in, struct mqev_auth_data *out)
{
	struct exchange *e = exchange;

	(void)userdata;
	if (e->verified || (!e->started && !reasonable(in)))
		return MQEV_ERR_AUTH;
	e->started = true;
	return advance(e, in, out);
}

/* The signature comes with the success, or came as a challenge of its own before. */
static int
finish(void *userdata, void *exchange, const struct mqev_auth_data *in)
{
	struct exchange *e = exchange;
	struct mqev_auth_data out;
	int error;

	(void)userdata;
	if (e->verified)
		return 0;
	if (in->data == NULL || !e->started)
		return MQEV_ERR_AUTH;
	error = advance(e, in, &out);
	return error == 0 && !e->verified ? MQEV_ERR_AUTH : error;
}

static void
end(void *userdata, void *exchange)
{
	(void)userdata;
	free_exchange(exchange);
}

/* --- the provider ------------------------------------------------------------------------------
 */

static const char *
known_mechanism(const char *name)
{
	static const char *const names[] = {"SCRAM-SHA-1", "SCRAM-SHA-256"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0)
			return names[i];
	}
	return NULL;
}

/* What the mechanism could not use would only be found out when connecting. */
static int
check_text(const char *text, bool empty_ok)
{
	size_t len = strlen(text);
	char *prepared = NULL;
	int result;

	if (len == 0)
		return empty_ok ? 0 : MQEV_ERR_INVALID;
	if (len > LONGEST_TEXT)
		return MQEV_ERR_INVALID;
	result = gsasl_saslprep(text, GSASL_ALLOW_UNASSIGNED, &prepared, NULL);
	gsasl_free(prepared);
	if (result == GSASL_MALLOC_ERROR)
		return MQEV_ERR_NOMEM;
	return result == GSASL_OK ? 0 : MQEV_ERR_INVALID;
}

static int
check_arguments(const char *mechanism, const char *username, const char *password)
{
	int error;

	if (mechanism == NULL || username == NULL || password == NULL)
		return MQEV_ERR_INVALID;
	if (known_mechanism(mechanism) == NULL)
		return MQEV_ERR_UNSUPPORTED;
	error = check_text(username, false);
	return error != 0 ? error : check_text(password, true);
}

static int
open_gsasl(struct scram *s)
{
	int result = gsasl_init(&s->gsasl);

	if (result != GSASL_OK)
		return result == GSASL_MALLOC_ERROR ? MQEV_ERR_NOMEM : MQEV_ERR_UNSUPPORTED;
	return gsasl_client_support_p(s->gsasl, s->auth.method) ? 0 : MQEV_ERR_UNSUPPORTED;
}

static int
fill(struct scram *s, const char *mechanism, const char *username, const char *password)
{
	s->auth = (struct mqev_auth){
	    .size = sizeof(s->auth),
	    .method = known_mechanism(mechanism),
	    .begin = begin,
	    .step = step,
	    .finish = finish,
	    .end = end,
	    .userdata = s,
	};
	s->username = mqev_strdup(username);
	s->password = mqev_strdup(password);
	if (s->username == NULL || s->password == NULL)
		return MQEV_ERR_NOMEM;
	return open_gsasl(s);
}

const struct mqev_auth *
mqev_scram_new(const char *mechanism, const char *username, const char *password, int *error)
{
	struct scram *s = NULL;
	int result = check_arguments(mechanism, username, password);

	if (result == 0) {
		s = mqev_calloc(1, sizeof(*s));
		result = s != NULL ? fill(s, mechanism, username, password) : MQEV_ERR_NOMEM;
	}
	if (error != NULL)
		*error = result;
	if (result == 0)
		return &s->auth;
	if (s != NULL)
		mqev_scram_free(&s->auth);
	return NULL;
}

void
mqev_scram_free(const struct mqev_auth *auth)
{
	struct scram *s = (struct scram *)(uintptr_t)auth;

	if (s == NULL)
		return;
	if (s->gsasl != NULL)
		gsasl_done(s->gsasl);
	if (s->password != NULL)
		explicit_bzero(s->password, strlen(s->password));
	mqev_free(s->password);
	mqev_free(s->username);
	mqev_free(s);
}
