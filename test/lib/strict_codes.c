/* The table of reason codes of version 5 and the few return codes of 3.1 and 3.1.1. */
#include "strict_codes.h"

#define IN(type) (1u << (type))
#define CA IN(TK_CONNACK)
#define PA IN(TK_PUBACK)
#define PC IN(TK_PUBREC)
#define PL IN(TK_PUBREL)
#define PP IN(TK_PUBCOMP)
#define SA IN(TK_SUBACK)
#define UA IN(TK_UNSUBACK)
#define D IN(TK_DISCONNECT)
#define AU IN(TK_AUTH)

struct code_rule {
	unsigned code;
	unsigned from[2]; /* packets in which a client and a server may send it */
};

static const struct code_rule codes[] = {
    {0x00, {PA | PC | PL | PP | D, CA | PA | PC | PL | PP | SA | UA | D | AU}},
    {0x01, {0, SA}},
    {0x02, {0, SA}},
    {0x04, {D, 0}},
    {0x10, {0, PA | PC}},
    {0x11, {0, UA}},
    {0x18, {AU, AU}},
    {0x19, {AU, 0}},
    {0x80, {PA | PC | D, CA | PA | PC | SA | UA | D}},
    {0x81, {D, CA | D}},
    {0x82, {D, CA | D}},
    {0x83, {PA | PC | D, CA | PA | PC | SA | UA | D}},
    {0x84, {0, CA}},
    {0x85, {0, CA}},
    {0x86, {0, CA}},
    {0x87, {PA | PC, CA | PA | PC | SA | UA | D}},
    {0x88, {0, CA}},
    {0x89, {0, CA | D}},
    {0x8a, {0, CA}},
    {0x8b, {0, D}},
    {0x8c, {0, CA | D}},
    {0x8d, {0, D}},
    {0x8e, {0, D}},
    {0x8f, {0, SA | UA | D}},
    {0x90, {PA | PC | D, CA | PA | PC | D}},
    {0x91, {PA | PC, PA | PC | SA | UA}},
    {0x92, {PL | PP, PL | PP}},
    {0x93, {D, D}},
    {0x94, {D, D}},
    {0x95, {D, CA | D}},
    {0x96, {D, D}},
    {0x97, {PA | PC | D, CA | PA | PC | SA | D}},
    {0x98, {D, D}},
    {0x99, {PA | PC | D, CA | PA | PC | D}},
    {0x9a, {0, CA | D}},
    {0x9b, {0, CA | D}},
    {0x9c, {0, CA | D}},
    {0x9d, {0, CA | D}},
    {0x9e, {0, SA | D}},
    {0x9f, {0, CA | D}},
    {0xa0, {0, D}},
    {0xa1, {0, SA | D}},
    {0xa2, {0, SA | D}},
};

static const char *const reason_rules[16] = {
    [TK_CONNACK] = "3.2.2-8",
    [TK_PUBACK] = "3.4.2-1",
    [TK_PUBREC] = "3.5.2-1",
    [TK_PUBREL] = "3.6.2-1",
    [TK_PUBCOMP] = "3.7.2-1",
    [TK_SUBACK] = "3.9.3-2",
    [TK_UNSUBACK] = "3.11.3-2",
    [TK_DISCONNECT] = "3.14.2-1",
    [TK_AUTH] = "3.15.2-1",
};

static int
allowed_v5(const struct tk_packet *p, unsigned code)
{
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].code == code)
			return (codes[i].from[p->from] & IN(p->type)) != 0;
	return 0;
}

static int
allowed_v3(const struct tk_packet *p, unsigned code)
{
	if (p->type == TK_CONNACK)
		return code <= 5;
	return code <= 2 || (code == 0x80 && p->version == TK_V311);
}

void
tk_check_reason(struct tk_packet *p, unsigned code)
{
	int fine = p->version >= TK_V5 ? allowed_v5(p, code) : allowed_v3(p, code);

	if (!fine)
		tk_fault_set(&p->fault, p->version, reason_rules[p->type],
		    p->type == TK_CONNACK ? "3.2.2-6" : "3.9.3-2", "%s with code %02X",
		    tk_type_name(p->type), code);
}
