/* signature - did the holder of the key send this? Verification for callbacks, over OpenSSL; nothing is signed here.
 *
 * Two schemes that digest.h has no part in: HMAC-SHA1, which Twilio and Mailchimp Transactional still use (as a MAC it is
 * not broken, RFC 6194 §3.3), and ECDSA on P-256 with SHA-256, which SendGrid uses.
 */
#ifndef POSTRIDER_SHARED_SIGNATURE_H
#define POSTRIDER_SHARED_SIGNATURE_H

#include "shared/base.h"

#define SIGNATURE_SHA1_BYTES 20

void signature_hmac_sha1(const void *key, size_t key_length, const void *bytes, size_t length,
			 uint8_t digest[SIGNATURE_SHA1_BYTES]);

/* Is the text the base64 (RFC 4648 §4) of the digest? In constant time. A digest has at most 64 bytes. */
bool signature_is_base64_of(const char *base64, size_t length, const void *digest, size_t digest_length);

/* A public key on P-256, read once, used many times. Not thread-safe. */
struct signature_key;
/* From base64 of its SubjectPublicKeyInfo (RFC 5280 §4.1), without the lines of PEM. NULL when it is not one. */
struct signature_key *signature_key_new(const char *base64, size_t length) MUST_CHECK;
void signature_key_free(struct signature_key **key);
/* ECDSA with SHA-256 over head and then body; the signature is DER (RFC 3279 §2.2.3). */
bool signature_key_verifies(struct signature_key *key, const void *head, size_t head_length, const void *body,
			    size_t body_length, const void *signature, size_t signature_length);

#endif
