/* concurrency - how many requests to keep in flight at one account. Pure; time is handed in.
 *
 * A provider that answers at once is served best by a few connections, one that takes 100 ms by hundreds. The limit
 * follows the answers, a window (as many answers as the limit) at a time, by the window's mean latency
 * against the smallest mean of the last minute:
 *
 *   below 2x + 2 ms, and the limit was really in use   grow: at first by the window's answers, later by 1
 *   above 3x + 5 ms                                    shrink by a tenth
 *   not_sent or throttled                              shrink by a tenth, once in a window
 *
 * The mean and not the single answer: a provider with a few slow answers is not a crowded one. What was smallest
 * a minute ago may be true no more, and under load it cannot be seen; so once a minute the limit drops to the
 * lowest for a moment, the latency is taken anew, and the limit comes back.
 */
#ifndef POSTRIDER_WORKER_CONCURRENCY_H
#define POSTRIDER_WORKER_CONCURRENCY_H

#include "worker/outcome.h"

#define CONCURRENCY_LOWEST  8
#define CONCURRENCY_HIGHEST 500

struct concurrency {
	uint32_t lowest, highest, limit;
	bool fast_start;
	bool shrunk;            /* in this window */
	int64_t mean_us;        /* of the last window; 0: not known yet */
	int64_t smallest_us;    /* mean of the quickest window; 0: not known yet */
	int64_t measured_at_ms; /* when smallest_us was begun */
	bool probing;
	int64_t probe_until_ms;
	uint32_t answers; /* in this window */
	uint32_t most_in_flight;
	int64_t sum_us;
};

/* 0: the defaults. */
void concurrency_init(struct concurrency *concurrency, uint32_t lowest, uint32_t highest);

/* May this many be in flight? */
uint32_t concurrency_limit(const struct concurrency *concurrency);

/* in_flight: including the one that has just ended. duration_us counts only where an answer came. */
void concurrency_note(struct concurrency *concurrency, enum outcome_class class, int64_t duration_us,
		      uint32_t in_flight, int64_t now_ms);

#endif
