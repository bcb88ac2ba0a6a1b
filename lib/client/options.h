/* Structs that applications fill: taken by their size, so that programs built against older or
 * newer headers work. */
#ifndef MQEV_CLIENT_OPTIONS_H
#define MQEV_CLIENT_OPTIONS_H

#include <stddef.h>

/*
 * Copies a struct whose first member is its size into dst, which is dst_size bytes of this
 * library's version of it; what the caller's is shorter becomes zero. MQEV_ERR_INVALID: size 0;
 * MQEV_ERR_UNSUPPORTED: the caller set a member that this library does not know.
 */
int mqev_options_take(void *dst, size_t dst_size, const void *src);

#endif
