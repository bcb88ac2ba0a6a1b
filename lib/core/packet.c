/* The names of the packet types; their rules on receipt are in decode.c, their layouts in encode.c.
 */
#include "core/packet.h"

static const char *const names[] = {
    [MQEV_PACKET_CONNECT] = "CONNECT",
    [MQEV_PACKET_CONNACK] = "CONNACK",
    [MQEV_PACKET_PUBLISH] = "PUBLISH",
    [MQEV_PACKET_PUBACK] = "PUBACK",
    [MQEV_PACKET_PUBREC] = "PUBREC",
    [MQEV_PACKET_PUBREL] = "PUBREL",
    [MQEV_PACKET_PUBCOMP] = "PUBCOMP",
    [MQEV_PACKET_SUBSCRIBE] = "SUBSCRIBE",
    [MQEV_PACKET_SUBACK] = "SUBACK",
    [MQEV_PACKET_UNSUBSCRIBE] = "UNSUBSCRIBE",
    [MQEV_PACKET_UNSUBACK] = "UNSUBACK",
    [MQEV_PACKET_PINGREQ] = "PINGREQ",
    [MQEV_PACKET_PINGRESP] = "PINGRESP",
    [MQEV_PACKET_DISCONNECT] = "DISCONNECT",
    [MQEV_PACKET_AUTH] = "AUTH",
    [MQEV_PACKET_WILL] = "Will",
};

const char *
mqev_packet_name(int type)
{
	if (type < MQEV_PACKET_CONNECT || type > MQEV_PACKET_WILL)
		return "unknown packet";
	return names[type];
}
