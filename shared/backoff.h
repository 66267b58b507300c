/* backoff - how long to wait before try n. Pure: the random number is handed in.
 *
 * Full jitter: uniform between 0 and min(cap, base * 2^(failures - 1)), which spreads a fleet best
 * (reference: AWS Architecture Blog, "Exponential Backoff And Jitter").
 */
#ifndef POSTRIDER_SHARED_BACKOFF_H
#define POSTRIDER_SHARED_BACKOFF_H

#include "shared/base.h"

/* failures: how many in a row, 1 or more. random: any 64 random bits; more of it waits longer.
 * Returns ms, at least 1. */
int64_t backoff_full_jitter_ms(int64_t base_ms, int64_t cap_ms, unsigned failures, uint64_t random);

/* A random number from the kernel, for callers of the above. */
uint64_t backoff_random(void);

#endif
