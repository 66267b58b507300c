/* jwt - a signed token in its compact form (RFC 7515 §7.1): taken apart here, believed only after jwt_is_signed_by(). */
#ifndef POSTRIDER_TESTS_SANDBOX_JWT_H
#define POSTRIDER_TESTS_SANDBOX_JWT_H

#include <jansson.h>

#include "tests/sandbox/crypto.h"

struct jwt {
	json_t *header, *claims;
	struct span signed_part; /* borrowed from the token */
	struct text signature;
};

/* False: it is none. To be released either way. */
bool jwt_read(struct jwt *jwt, struct span token) MUST_CHECK;
void jwt_release(struct jwt *jwt);
/* "RS256" or "ES256", as the header must say. */
bool jwt_is_signed_by(const struct jwt *jwt, EVP_PKEY *key, const char *algorithm) MUST_CHECK;
/* "" when it is not there or no text. */
const char *jwt_text(const json_t *part, const char *name);
/* -1 when it is not there or no whole number. */
int64_t jwt_number(const json_t *part, const char *name);

#endif
