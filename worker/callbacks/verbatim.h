/* verbatim - what of a callback is kept, and by what it is recognised when it is repeated. Pure.
 *
 * The body is kept byte by byte, the target as it was called, and the headers without what says nothing about the body
 * and must not lie about: credentials, cookies, what proxies add, what belongs to the connection.
 *
 * A vendor that repeats a callback signs it anew with a new time, so the fingerprint is made of the account, the target, the body,
 * Content-Type and webhook-id only.
 */
#ifndef POSTRIDER_WORKER_CALLBACKS_VERBATIM_H
#define POSTRIDER_WORKER_CALLBACKS_VERBATIM_H

#include "shared/digest.h"
#include "worker/providers/provider.h"

/* Appends the "Name: value\r\n" lines that are kept. */
void verbatim_add_headers(struct text *out, struct slice headers);
void verbatim_fingerprint(int32_t provider_account_id, const char *target, struct slice headers, struct slice body,
			  uint8_t digest[DIGEST_SHA256_BYTES]);

#endif
