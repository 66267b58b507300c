/* private_key - a key of ours: what it signs, agrees upon and derives. RSA or NIST P-256, over OpenSSL.
 *
 * It comes from PEM (PKCS #8, or the older SEC 1 and PKCS #1), or from the 32 bytes of a P-256 scalar as Web Push
 * tools write them. Nothing of it is ever put into an error. Not thread-safe.
 */
#ifndef POSTRIDER_SHARED_PRIVATE_KEY_H
#define POSTRIDER_SHARED_PRIVATE_KEY_H

#include "shared/error.h"
#include "shared/text.h"

#define PRIVATE_KEY_SCALAR_BYTES 32
#define PRIVATE_KEY_POINT_BYTES  65 /* 0x04, x, y: SEC 1 §2.3.3, uncompressed */
#define PRIVATE_KEY_SHARED_BYTES 32

enum private_key_kind {
	PRIVATE_KEY_RSA, /* at least 2048 bits */
	PRIVATE_KEY_P256,
};

struct private_key;

/* NULL and ERROR_INVALID when it is no such key; the sentence does not quote it. */
struct private_key *private_key_from_pem(const char *pem, size_t length, struct error *err) MUST_CHECK;
/* NULL when the scalar is 0 or not below the curve's order. */
struct private_key *private_key_from_scalar(const uint8_t scalar[PRIVATE_KEY_SCALAR_BYTES]) MUST_CHECK;
void private_key_free(struct private_key **key);
enum private_key_kind private_key_kind(const struct private_key *key);

/* RFC 7518: RSASSA-PKCS1-v1_5 with SHA-256 (§3.3, RS256), or ECDSA with SHA-256 as r and s, 32 bytes each (§3.4,
 * ES256; OpenSSL's own DER is not that). ECDSA gives other bytes each time. */
void private_key_sign(struct private_key *key, const void *bytes, size_t length, struct text *signature);

/* P-256 only. */
void private_key_public_point(const struct private_key *key, uint8_t point[PRIVATE_KEY_POINT_BYTES]);
/* ECDH: the shared x. False when the other's point is not on the curve. */
bool private_key_agree(const struct private_key *key, const uint8_t point[PRIVATE_KEY_POINT_BYTES],
		       uint8_t shared[PRIVATE_KEY_SHARED_BYTES]) MUST_CHECK;
/* 32 secret bytes that only the holder of the key can make, other ones for each label: HKDF-SHA256 of the scalar. */
void private_key_derive(const struct private_key *key, const char *label, uint8_t derived[32]);

#endif
