/* UTF-8 as MQTT wants it. */
#ifndef MQEV_CORE_UTF8_H
#define MQEV_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Well-formed, no surrogates, no U+0000 ([MQTT-1.5.4-1], [MQTT-1.5.4-2]). U+FEFF and the
 * discouraged code points pass.
 */
bool mqev_utf8_valid(const uint8_t *data, size_t len);

#endif
