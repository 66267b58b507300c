#include "tests/sandbox/rate.h"

#include <stdlib.h>
#include <uthash.h>

#include "shared/clock.h"
#include "shared/memory.h"

struct rate {
	const struct vendor *vendor;
	double per_second, tokens;
	int64_t filled_us;
	UT_hash_handle hh;
};

static struct rate *find(const struct sandbox *sandbox, const struct vendor *vendor)
{
	struct rate *rate = NULL;

	HASH_FIND_PTR(sandbox->rates, &vendor, rate);
	return rate;
}

void rate_set(struct sandbox *sandbox, const struct vendor *vendor, double per_second)
{
	struct rate *rate = find(sandbox, vendor);

	if (!rate) {
		rate = memory_new(sizeof(*rate));
		rate->vendor = vendor;
		HASH_ADD_PTR(sandbox->rates, vendor, rate);
	}
	rate->per_second = rate->tokens = per_second;
	rate->filled_us = clock_now_us();
}

bool rate_take(struct sandbox *sandbox, const struct vendor *vendor)
{
	struct rate *rate = sandbox->rates ? find(sandbox, vendor) : NULL;
	int64_t now_us;

	if (!rate || rate->per_second <= 0)
		return true;
	now_us = clock_now_us();
	rate->tokens += (double)(now_us - rate->filled_us) / 1e6 * rate->per_second;
	rate->filled_us = now_us;
	if (rate->tokens > rate->per_second)
		rate->tokens = rate->per_second > 1 ? rate->per_second : 1;
	if (rate->tokens < 1)
		return false;
	rate->tokens -= 1;
	return true;
}

void rate_clear(struct sandbox *sandbox)
{
	struct rate *rate, *next;

	HASH_ITER(hh, sandbox->rates, rate, next) {
		HASH_DEL(sandbox->rates, rate);
		free(rate);
	}
}
