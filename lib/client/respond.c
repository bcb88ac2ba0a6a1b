/* mqev_respond(): the responder's side of a request. */
#include <string.h>

#include "client/options.h"
#include "client/rpc.h"
#include "core/mem.h"

/* The reply's properties with the request's Correlation Data; NULL when there is an error. */
static struct mqev_properties *
reply_properties(const struct mqev_message *request, const struct mqev_message *reply, int *error)
{
	struct mqev_properties *properties = mqev_properties_copy(reply->properties);
	struct mqev_property correlation;

	*error = properties != NULL ? 0 : MQEV_ERR_NOMEM;
	if (*error == 0 && mqev_properties_find(
			       request->properties, MQEV_PROP_CORRELATION_DATA, &correlation) == 0)
		*error = mqev_properties_add(properties, &correlation);
	if (*error == 0)
		return properties;
	mqev_properties_free(properties);
	return NULL;
}

static char *
terminated(const struct mqev_property *text)
{
	char *copy = mqev_malloc(text->value_len + 1);

	if (copy == NULL)
		return NULL;
	memcpy(copy, text->value, text->value_len);
	copy[text->value_len] = '\0';
	return copy;
}

static int
find_response_topic(const struct mqev_message *request, struct mqev_property *topic)
{
	return mqev_properties_find(request->properties, MQEV_PROP_RESPONSE_TOPIC, topic);
}

int
mqev_response_make(struct mqev_response *response, const struct mqev_message *request,
    const struct mqev_message *reply)
{
	struct mqev_message *m = &response->message;
	struct mqev_property topic;
	int error;

	if (request == NULL || reply == NULL || find_response_topic(request, &topic) != 0)
		return MQEV_ERR_INVALID;
	error = mqev_options_take(m, sizeof(*m), reply);
	if (error != 0)
		return error;
	response->properties = reply_properties(request, m, &error);
	if (response->properties == NULL)
		return error;
	response->topic = terminated(&topic);
	m->topic = response->topic;
	m->properties = response->properties;
	if (response->topic != NULL)
		return 0;
	mqev_properties_free(response->properties);
	return MQEV_ERR_NOMEM;
}

void
mqev_response_clear(struct mqev_response *response)
{
	mqev_properties_free(response->properties);
	mqev_free(response->topic);
}

int64_t
mqev_respond(struct mqev_client *c, const struct mqev_message *request,
    const struct mqev_message *reply, mqev_result_cb *done, void *arg)
{
	struct mqev_response response;
	int64_t result;
	int error;

	if (c == NULL)
		return MQEV_ERR_INVALID;
	error = mqev_response_make(&response, request, reply);
	if (error != 0)
		return error;
	result = mqev_publish(c, &response.message, done, arg);
	mqev_response_clear(&response);
	return result;
}
