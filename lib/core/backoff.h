/*
 * How long to wait before the next attempt to connect. Pure arithmetic: the caller owns timer
 * and randomness.
 */
#ifndef MQEV_CORE_BACKOFF_H
#define MQEV_CORE_BACKOFF_H

#include <stdint.h>

#include <mqev/connect.h>

/*
 * The wait before retry number n (0 is the first): d = min(max_ms, min_ms * 2^(n+1)), jittered by
 * random (uniform 32 bits), as enum mqev_jitter has it. Never under min_ms, never over max_ms;
 * max_ms below min_ms counts as min_ms. Without jitter d = min(max_ms, min_ms * 2^n), as Paho: 1,
 * 2, 4 ...
 */
uint32_t mqev_backoff_ms(
    uint32_t n, uint32_t min_ms, uint32_t max_ms, enum mqev_jitter jitter, uint32_t random);

#endif
