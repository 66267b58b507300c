#include "shared/signature.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "shared/digest.h"
#include "shared/memory.h"

#define SPKI_BYTES_MAX   1024
#define DIGEST_BYTES_MAX 64

struct signature_key {
	EVP_PKEY *key;
	EVP_MD_CTX *context;
};

/* HMAC over memory fails only when OpenSSL itself is broken or without memory. */
void signature_hmac_sha1(const void *key, size_t key_length, const void *bytes, size_t length,
			 uint8_t digest[SIGNATURE_SHA1_BYTES])
{
	size_t written = 0;

	if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA1", NULL, key_length > 0 ? key : "", key_length,
		      length > 0 ? bytes : (const unsigned char *)"", length, digest, SIGNATURE_SHA1_BYTES,
		      &written) != NULL &&
	    written == SIGNATURE_SHA1_BYTES)
		return;
	fputs("postrider: OpenSSL cannot compute HMAC-SHA1\n", stderr);
	exit(EX_SOFTWARE);
}

bool signature_is_base64_of(const char *base64, size_t length, const void *digest, size_t digest_length)
{
	struct text expected;
	bool equal;

	text_init(&expected, 4 * DIGEST_BYTES_MAX);
	digest_add_base64(&expected, digest, digest_length);
	/* How long a signature is, is no secret. */
	equal = text_ok(&expected) && length == expected.length && length > 0 &&
		digest_equal(expected.bytes, base64, length);
	text_release(&expected);
	return equal;
}

static EVP_PKEY *read_spki(const char *base64, size_t length)
{
	const unsigned char *at;
	EVP_PKEY *key = NULL;
	struct text spki;

	text_init(&spki, SPKI_BYTES_MAX);
	if (digest_base64_decode(&spki, base64, length) && spki.length > 0) {
		at = (const unsigned char *)spki.bytes;
		key = d2i_PUBKEY(NULL, &at, (long)spki.length);
		if (key != NULL && at != (const unsigned char *)spki.bytes + spki.length) {
			EVP_PKEY_free(key);
			key = NULL;
		}
	}
	text_release(&spki);
	ERR_clear_error();
	return key;
}

static bool is_on_p256(const EVP_PKEY *key)
{
	char group[32];
	size_t length = 0;

	return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof(group), &length) == 1 &&
	       strcmp(group, "prime256v1") == 0;
}

struct signature_key *signature_key_new(const char *base64, size_t length)
{
	EVP_PKEY *key = read_spki(base64, length);
	struct signature_key *found;

	if (key == NULL)
		return NULL;
	if (!is_on_p256(key)) {
		EVP_PKEY_free(key);
		return NULL;
	}
	found = memory_new(sizeof(*found));
	found->key = key;
	found->context = EVP_MD_CTX_new();
	if (found->context == NULL)
		abort();
	return found;
}

void signature_key_free(struct signature_key **key)
{
	if (*key == NULL)
		return;
	EVP_MD_CTX_free((*key)->context);
	EVP_PKEY_free((*key)->key);
	free(*key);
	*key = NULL;
}

bool signature_key_verifies(struct signature_key *key, const void *head, size_t head_length, const void *body,
			    size_t body_length, const void *signature, size_t signature_length)
{
	bool valid = EVP_DigestVerifyInit_ex(key->context, NULL, "SHA256", NULL, NULL, key->key, NULL) == 1 &&
		     EVP_DigestVerifyUpdate(key->context, head, head_length) == 1 &&
		     EVP_DigestVerifyUpdate(key->context, body, body_length) == 1 &&
		     EVP_DigestVerifyFinal(key->context, signature, signature_length) == 1;

	/* A signature that is no DER leaves a complaint behind that nobody would read. */
	ERR_clear_error();
	return valid;
}
