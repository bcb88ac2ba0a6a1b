/* The shared TLS object: references, reload, counters. */
#include <string.h>

#include <mqev/reason.h>

#include "core/mem.h"
#include "net/tls.h"

#define DEFAULT_CACHED_SERVERS 1024

static int
make_cache(struct mqev_tls *tls, struct mqev_tls_fault *fault)
{
	int32_t servers = tls->options.session_cache_endpoints;

	if (servers < 0)
		return 0;
	tls->cache = mqev_tls_cache_new(servers > 0 ? (size_t)servers : DEFAULT_CACHED_SERVERS);
	return tls->cache != NULL ? 0 : mqev_tls_fault(fault, MQEV_ERR_NOMEM, "out of memory");
}

static int
init(struct mqev_tls *tls, const struct mqev_tls_options *options, struct mqev_tls_fault *fault)
{
	if (mqev_tls_options_copy(&tls->options, options, fault) < 0 ||
	    mqev_tls_options_check(&tls->options, fault) < 0 || make_cache(tls, fault) < 0)
		return -1;
	tls->context = mqev_tls_context_new(&tls->options, fault);
	return tls->context != NULL ? 0 : -1;
}

struct mqev_tls *
mqev_tls_new(const struct mqev_tls_options *options, char *error_text, size_t error_size)
{
	struct mqev_tls_fault fault = {error_text, error_size, 0};
	struct mqev_tls *tls = mqev_calloc(1, sizeof(*tls));

	if (tls == NULL) {
		mqev_tls_fault(&fault, MQEV_ERR_NOMEM, "out of memory");
		return NULL;
	}
	tls->refs = 1;
	if (init(tls, options, &fault) == 0)
		return tls;
	mqev_tls_free(tls);
	return NULL;
}

struct mqev_tls *
mqev_tls_ref(struct mqev_tls *tls)
{
	tls->refs++;
	return tls;
}

void
mqev_tls_free(struct mqev_tls *tls)
{
	if (tls == NULL || --tls->refs > 0)
		return;
	mqev_tls_context_free(tls->context);
	mqev_tls_cache_free(tls->cache);
	mqev_tls_options_free(&tls->options);
	mqev_free(tls);
}

int
mqev_tls_reload(struct mqev_tls *tls, char *error_text, size_t error_size)
{
	struct mqev_tls_fault fault = {error_text, error_size, 0};
	struct mqev_tls_context *fresh;

	if (tls->options.ssl_ctx != NULL) {
		mqev_tls_fault(&fault, MQEV_ERR_UNSUPPORTED, "ssl_ctx: belongs to the application");
		return fault.code;
	}
	fresh = mqev_tls_context_new(&tls->options, &fault);
	if (fresh == NULL)
		return fault.code;
	mqev_tls_context_free(tls->context);
	tls->context = fresh;
	if (tls->cache != NULL)
		mqev_tls_cache_clear(tls->cache);
	tls->stats.reloads++;
	return 0;
}

int
mqev_tls_get_stats(const struct mqev_tls *tls, struct mqev_tls_stats *stats)
{
	struct mqev_tls_stats all = tls->stats;
	size_t size = stats->size;

	if (size < sizeof(size))
		return MQEV_ERR_INVALID;
	if (tls->cache != NULL)
		all.sessions = mqev_tls_cache_sessions(tls->cache);
	all.size = size;
	if (size > sizeof(all)) {
		memset((char *)stats + sizeof(all), 0, size - sizeof(all));
		size = sizeof(all);
	}
	memcpy(stats, &all, size);
	return 0;
}
