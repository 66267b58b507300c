/* crypto - the keys and signatures of the vendors, over OpenSSL's EVP: the other side of what the drivers do, written
 * apart from it. Keys are EVP_PKEY, released with crypto_free().
 */
#ifndef POSTRIDER_TESTS_SANDBOX_CRYPTO_H
#define POSTRIDER_TESTS_SANDBOX_CRYPTO_H

#include <openssl/types.h>

#include "tests/sandbox/span.h"

#define CRYPTO_POINT_BYTES 65 /* an uncompressed point of P-256 */

EVP_PKEY *crypto_new_rsa(void) MUST_CHECK; /* 2048 bits; takes a tenth of a second or more */
/* The same words give the same P-256 key, in every run: what a vendor has issued outlives it. */
EVP_PKEY *crypto_derive_p256(const char *words) MUST_CHECK;
EVP_PKEY *crypto_read_private_pem(struct span pem) MUST_CHECK; /* NULL: it is none */
EVP_PKEY *crypto_read_public_pem(struct span pem) MUST_CHECK;
EVP_PKEY *crypto_read_point(struct span point) MUST_CHECK;
void crypto_free(EVP_PKEY **key);

void crypto_add_private_pem(struct text *out, EVP_PKEY *key);  /* PKCS #8 */
void crypto_add_public_pem(struct text *out, EVP_PKEY *key);   /* SPKI */
void crypto_add_public_spki(struct text *out, EVP_PKEY *key);  /* DER */
void crypto_add_public_point(struct text *out, EVP_PKEY *key); /* CRYPTO_POINT_BYTES */

/* SHA-256 and RSA PKCS #1 v1.5, or ECDSA with a DER signature. */
bool crypto_verify(EVP_PKEY *key, struct span message, struct span signature) MUST_CHECK;
/* ECDSA with the signature as r and s, 32 bytes each (RFC 7518 §3.4). */
bool crypto_verify_es256(EVP_PKEY *key, struct span message, struct span signature) MUST_CHECK;
void crypto_add_signature(struct text *out, EVP_PKEY *key, struct span message); /* DER */
void crypto_add_hmac(struct text *out, const char *digest, struct span key, struct span message);

/* 32 bytes: what both sides of P-256 agree on. */
bool crypto_agree(EVP_PKEY *own, EVP_PKEY *other, struct text *secret) MUST_CHECK;
/* AES-128-GCM; sealed ends with its tag of 16 bytes. False: not what was sealed. */
bool crypto_open(struct span key, struct span nonce, struct span sealed, struct text *plain) MUST_CHECK;

void crypto_add_base64url(struct text *out, struct span bytes); /* RFC 4648 §5, without padding */
bool crypto_base64url_decode(struct text *out, struct span base64) MUST_CHECK;

#endif
