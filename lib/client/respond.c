/* mqev_respond(): the responder's side of a request. */
#include <string.h>

#include <mqev/rpc.h>

#include "client/options.h"
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

static int64_t
publish_to(struct mqev_client *c, const struct mqev_property *topic,
    const struct mqev_message *reply, mqev_result_cb *done, void *arg)
{
	struct mqev_message m = *reply;
	char *text = terminated(topic);
	int64_t result;

	if (text == NULL)
		return MQEV_ERR_NOMEM;
	m.topic = text;
	result = mqev_publish(c, &m, done, arg);
	mqev_free(text);
	return result;
}

int64_t
mqev_respond(struct mqev_client *c, const struct mqev_message *request,
    const struct mqev_message *reply, mqev_result_cb *done, void *arg)
{
	struct mqev_properties *properties;
	struct mqev_property topic;
	struct mqev_message m;
	int64_t result;
	int error;

	if (c == NULL || request == NULL || reply == NULL ||
	    mqev_properties_find(request->properties, MQEV_PROP_RESPONSE_TOPIC, &topic) != 0)
		return MQEV_ERR_INVALID;
	error = mqev_options_take(&m, sizeof(m), reply);
	if (error != 0)
		return error;
	properties = reply_properties(request, &m, &error);
	if (properties == NULL)
		return error;
	m.properties = properties;
	result = publish_to(c, &topic, &m, done, arg);
	mqev_properties_free(properties);
	return result;
}
