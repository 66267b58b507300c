/* sealing - AES-GCM, and keys for it by HKDF-SHA256, over OpenSSL. */
#ifndef POSTRIDER_SHARED_SEALING_H
#define POSTRIDER_SHARED_SEALING_H

#include "shared/base.h"
#include "shared/text.h"

#define SEALING_NONCE_BYTES 12
#define SEALING_TAG_BYTES   16

/* RFC 5869: extract, then expand. size is at most 255 * 32. */
void sealing_hkdf(const void *salt, size_t salt_length, const void *secret, size_t secret_length, const void *info,
		  size_t info_length, uint8_t *out, size_t size);

/* NIST SP 800-38D. The key has 16 or 32 bytes; a nonce is never used twice with one. Appends what is sealed and behind
 * it the tag. `bound` is not sealed, but has to be the same when it is opened. */
void sealing_close(const uint8_t *key, size_t key_length, const uint8_t nonce[SEALING_NONCE_BYTES], const void *bound,
		   size_t bound_length, const void *bytes, size_t length, struct text *sealed);
/* Appends what was sealed; false, and out is as before, when key, nonce, bound or a byte is another one. */
bool sealing_open(const uint8_t *key, size_t key_length, const uint8_t nonce[SEALING_NONCE_BYTES], const void *bound,
		  size_t bound_length, const void *sealed, size_t length, struct text *out) MUST_CHECK;

/* Bytes that nobody can guess. */
void sealing_random(void *bytes, size_t length);

#endif
