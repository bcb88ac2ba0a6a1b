/* A DNS message as the answer to a question for SRV records; the order of what it names. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "net/srv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mqev_srvs *srvs;
	uint32_t ttl_s;
	size_t i;
	int rc = mqev_srv_parse(data, size, &srvs, &ttl_s);

	REQUIRE((rc == 0) == (srvs != NULL));
	if (rc != 0)
		return 0;
	REQUIRE(srvs->count <= MQEV_SRVS_MAX);
	mqev_srvs_sort(srvs);
	for (i = 0; i < srvs->count; i++) {
		REQUIRE(srvs->at[i].port != 0 && srvs->at[i].host[0] != '\0');
		REQUIRE(memchr(srvs->at[i].host, '\0', sizeof srvs->at[i].host) != NULL);
		REQUIRE(i == 0 || srvs->at[i - 1].priority <= srvs->at[i].priority);
	}
	mqev_free(srvs);
	return 0;
}
