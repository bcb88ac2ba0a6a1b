/* Reading Variable Byte Integers, the one field that is not a few instructions. */
#include "core/buf.h"

uint32_t
mqev_read_varint(struct mqev_reader *r)
{
	uint32_t value = 0;
	unsigned shift;

	for (shift = 0; shift < 28; shift += 7) {
		uint8_t byte = mqev_read_u8(r);

		value |= (uint32_t)(byte & 0x7F) << shift;
		if ((byte & 0x80) != 0)
			continue;
		if (byte == 0 && shift > 0)
			break;
		return value;
	}
	mqev_reader_fail(r);
	return 0;
}
