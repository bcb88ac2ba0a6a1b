/* Which reason code and return code may stand in which packet, by sender. */
#ifndef TK_STRICT_CODES_H
#define TK_STRICT_CODES_H

#include "strict.h"

/* Notes a fault in `p` when the code may not be sent in this packet by this sender. */
void tk_check_reason(struct tk_packet *p, unsigned code);

#endif
