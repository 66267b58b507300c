/* google - the access tokens that vendor_google.c issues and vendor_fcm.c asks for. */
#ifndef POSTRIDER_TESTS_SANDBOX_GOOGLE_H
#define POSTRIDER_TESTS_SANDBOX_GOOGLE_H

#include "tests/sandbox/accounts.h"

/* Issued here, not expired, not revoked. */
bool google_token_holds(const struct accounts *accounts, struct span token) MUST_CHECK;

#endif
