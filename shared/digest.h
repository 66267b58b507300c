/* digest - HMAC, SHA-256, base64 and hex, over OpenSSL. */
#ifndef POSTRIDER_SHARED_DIGEST_H
#define POSTRIDER_SHARED_DIGEST_H

#include "shared/base.h"
#include "shared/text.h"

#define DIGEST_SHA256_BYTES 32

void digest_sha256(const void *bytes, size_t length, uint8_t digest[DIGEST_SHA256_BYTES]);

/* A key prepared once, used many times. Not thread-safe. */
struct digest_hmac;
struct digest_hmac *digest_hmac_new(const void *key, size_t length) MUST_CHECK; /* SHA-256 */
void digest_hmac_free(struct digest_hmac **hmac);
void digest_hmac_start(struct digest_hmac *hmac);
void digest_hmac_add(struct digest_hmac *hmac, const void *bytes, size_t length);
void digest_hmac_finish(struct digest_hmac *hmac, uint8_t digest[DIGEST_SHA256_BYTES]);

void digest_add_base64(struct text *out, const void *bytes, size_t length); /* RFC 4648 §4, padded */
void digest_add_hex(struct text *out, const void *bytes, size_t length);    /* lower case */
/* Strict RFC 4648 §4. Appends to out; false on a foreign character, bad padding or overflow. */
bool digest_base64_decode(struct text *out, const char *base64, size_t length) MUST_CHECK;
/* In constant time. */
bool digest_equal(const void *a, const void *b, size_t length);

#endif
