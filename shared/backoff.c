#include "shared/backoff.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sysexits.h>

#define STOCK 32 /* numbers fetched at once; the kernel gives up to 256 bytes in one piece */

int64_t backoff_full_jitter_ms(int64_t base_ms, int64_t cap_ms, unsigned failures, uint64_t random)
{
	int64_t ceiling_ms = base_ms > 0 ? base_ms : 1;
	for (unsigned i = 1; i < failures && ceiling_ms < cap_ms; i++) {
		if (__builtin_mul_overflow(ceiling_ms, 2, &ceiling_ms))
			ceiling_ms = INT64_MAX;
	}
	if (ceiling_ms > cap_ms)
		ceiling_ms = cap_ms > 0 ? cap_ms : 1;
	/* The high half of the product: even over the whole range, and grows with random. */
	return 1 + (int64_t)((unsigned __int128)random * (uint64_t)ceiling_ms >> 64);
}

uint64_t backoff_random(void)
{
	static _Thread_local uint64_t stock[STOCK];
	static _Thread_local size_t left;

	while (left == 0) {
		if (getrandom(stock, sizeof(stock), 0) == (ssize_t)sizeof(stock)) {
			left = STOCK;
		} else if (errno != EINTR) {
			perror("postrider: the kernel gives no random numbers");
			exit(EX_OSERR);
		}
	}
	return stock[--left];
}
