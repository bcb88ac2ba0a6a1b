/* Asks for memory before libevent does. */
#include "net/headroom.h"

#include "core/mem.h"

#define HEADROOM_BYTES 8192

bool
mqev_net_headroom(void)
{
	void *probe = mqev_malloc(HEADROOM_BYTES);

	mqev_free(probe);
	return probe != NULL;
}
