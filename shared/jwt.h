/* jwt - signs JSON Web Tokens in the compact form of RFC 7515 §3.1: RS256 with an RSA key, ES256 with one of P-256.
 *
 * It signs and never verifies; so no token can choose its own algorithm.
 */
#ifndef POSTRIDER_SHARED_JWT_H
#define POSTRIDER_SHARED_JWT_H

#include "shared/private_key.h"
#include "shared/text.h"

/* Appends header.claims.signature. key_id becomes the header's "kid"; NULL: none. claims is a JSON object. */
void jwt_sign(struct private_key *key, const char *key_id, const char *claims, struct text *out);

#endif
