/* Taking structs from applications of other versions. What their members mean is checked elsewhere.
 */
#include "client/options.h"

#include <string.h>

#include <mqev/reason.h>

static int
unknown_members_are_zero(const unsigned char *from, const unsigned char *to)
{
	for (; from < to; from++) {
		if (*from != 0)
			return 0;
	}
	return 1;
}

int
mqev_options_take(void *dst, size_t dst_size, const void *src)
{
	const unsigned char *bytes = src;
	size_t size;

	memcpy(&size, src, sizeof(size));
	if (size < sizeof(size))
		return MQEV_ERR_INVALID;
	if (size > dst_size && !unknown_members_are_zero(bytes + dst_size, bytes + size))
		return MQEV_ERR_UNSUPPORTED;
	memset(dst, 0, dst_size);
	memcpy(dst, src, size < dst_size ? size : dst_size);
	memcpy(dst, &dst_size, sizeof(dst_size));
	return 0;
}
