/* apns - the provider tokens that vendor_apns.c has seen: a new one is refused so soon after another. */
#ifndef POSTRIDER_TESTS_SANDBOX_APNS_H
#define POSTRIDER_TESTS_SANDBOX_APNS_H

#include "shared/base.h"

struct apns_tokens;

struct apns_tokens *apns_tokens_open(void) MUST_CHECK;
void apns_tokens_close(struct apns_tokens **tokens);

#endif
