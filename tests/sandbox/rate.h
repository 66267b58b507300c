/* rate - how many messages a second a vendor takes before it answers 429; without an order, any number. */
#ifndef POSTRIDER_TESTS_SANDBOX_RATE_H
#define POSTRIDER_TESTS_SANDBOX_RATE_H

#include "tests/sandbox/sandbox.h"

struct vendor;

/* per_second 0: no limit any more. A second's worth may come at once. */
void rate_set(struct sandbox *sandbox, const struct vendor *vendor, double per_second);
/* False: over the limit. */
bool rate_take(struct sandbox *sandbox, const struct vendor *vendor);
void rate_clear(struct sandbox *sandbox);

#endif
