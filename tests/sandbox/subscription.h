/* subscription - a browser that allowed pushes. Its keys follow from its name, so that it outlives the sandbox and any
 * number of them costs nothing. */
#ifndef POSTRIDER_TESTS_SANDBOX_SUBSCRIPTION_H
#define POSTRIDER_TESTS_SANDBOX_SUBSCRIPTION_H

#include <jansson.h>

#include "tests/sandbox/crypto.h"

EVP_PKEY *subscription_key(struct span name) MUST_CHECK; /* to be released */
void subscription_add_auth(struct text *out, struct span name);

/* As PushSubscription.toJSON() in a browser: {"endpoint", "keys": {"p256dh", "auth"}}. */
json_t *subscription_describe(const char *origin, const char *name) MUST_CHECK;

#endif
