#include "shared/digest.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "shared/memory.h"

/* Looking an algorithm up by name costs more than hashing a small message; so it is done once. */
static pthread_once_t fetched = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;
static EVP_MAC *hmac_algorithm;

/* SHA-256 over memory fails only when OpenSSL itself is broken or without memory. */
static void must(bool worked)
{
	if (worked)
		return;
	fputs("postrider: OpenSSL cannot compute SHA-256\n", stderr);
	exit(EX_SOFTWARE);
}

static void fetch(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	hmac_algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
	must(sha256 && hmac_algorithm);
}

void digest_sha256(const void *bytes, size_t length, uint8_t digest[DIGEST_SHA256_BYTES])
{
	pthread_once(&fetched, fetch);
	must(EVP_Digest(bytes, length, digest, NULL, sha256, NULL) == 1);
}

struct digest_hmac {
	EVP_MAC_CTX *context;
};

struct digest_hmac *digest_hmac_new(const void *key, size_t length)
{
	pthread_once(&fetched, fetch);
	struct digest_hmac *hmac = memory_new(sizeof(*hmac));
	hmac->context = EVP_MAC_CTX_new(hmac_algorithm);
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
		OSSL_PARAM_construct_end(),
	};
	/* A NULL key would mean "the one from before". */
	const unsigned char *given = length ? key : (const unsigned char *)"";
	must(hmac->context && EVP_MAC_init(hmac->context, given, length, parameters) == 1);
	return hmac;
}

void digest_hmac_free(struct digest_hmac **hmac)
{
	if (!*hmac)
		return;
	EVP_MAC_CTX_free((*hmac)->context);
	free(*hmac);
	*hmac = NULL;
}

void digest_hmac_start(struct digest_hmac *hmac)
{
	must(EVP_MAC_init(hmac->context, NULL, 0, NULL) == 1);
}

void digest_hmac_add(struct digest_hmac *hmac, const void *bytes, size_t length)
{
	must(EVP_MAC_update(hmac->context, bytes, length) == 1);
}

void digest_hmac_finish(struct digest_hmac *hmac, uint8_t digest[DIGEST_SHA256_BYTES])
{
	size_t length;
	must(EVP_MAC_final(hmac->context, digest, &length, DIGEST_SHA256_BYTES) == 1);
}

static const char base64_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void digest_add_base64(struct text *out, const void *bytes, size_t length)
{
	const uint8_t *b = bytes;
	while (length > 0) {
		size_t taken = length < 3 ? length : 3;
		uint32_t group = (uint32_t)b[0] << 16 | (taken > 1 ? (uint32_t)b[1] << 8 : 0) | (taken > 2 ? b[2] : 0);
		text_add_bytes(out,
			       (char[]){base64_letters[group >> 18], base64_letters[group >> 12 & 63],
					taken > 1 ? base64_letters[group >> 6 & 63] : '=',
					taken > 2 ? base64_letters[group & 63] : '='},
			       4);
		b += taken;
		length -= taken;
	}
}

void digest_add_hex(struct text *out, const void *bytes, size_t length)
{
	static const char letters[] = "0123456789abcdef";
	const uint8_t *b = bytes;
	for (size_t i = 0; i < length; i++)
		text_add_bytes(out, (char[]){letters[b[i] >> 4], letters[b[i] & 15]}, 2);
}

/* 0 to 63; 64 for a foreign character. */
static unsigned base64_value(char letter)
{
	if (letter >= 'A' && letter <= 'Z')
		return (unsigned)(letter - 'A');
	if (letter >= 'a' && letter <= 'z')
		return (unsigned)(letter - 'a') + 26;
	if (letter >= '0' && letter <= '9')
		return (unsigned)(letter - '0') + 52;
	return letter == '+' ? 62 : letter == '/' ? 63 : 64;
}

/* Four letters into up to three bytes; 0 when they are none. Only one spelling is accepted: the bits that padding
 * leaves unused are zero, or two different texts would mean the same bytes. */
static size_t decode_group(const char letters[4], bool is_last, uint8_t bytes[3])
{
	size_t padding = !is_last || letters[3] != '=' ? 0 : letters[2] != '=' ? 1 : 2;
	uint32_t group = 0;
	for (size_t i = 0; i < 4; i++) {
		unsigned value = i < 4 - padding ? base64_value(letters[i]) : 0;
		if (value > 63)
			return 0;
		group = group << 6 | value;
	}
	if (group & ((1U << (8 * padding)) - 1))
		return 0;
	bytes[0] = (uint8_t)(group >> 16);
	bytes[1] = (uint8_t)(group >> 8);
	bytes[2] = (uint8_t)group;
	return 3 - padding;
}

static bool decode_groups(struct text *out, const char *base64, size_t length)
{
	for (size_t at = 0; at < length; at += 4) {
		uint8_t bytes[3];
		size_t count = decode_group(base64 + at, at + 4 == length, bytes);
		if (count == 0)
			return false;
		text_add_bytes(out, bytes, count);
	}
	return text_ok(out);
}

bool digest_base64_decode(struct text *out, const char *base64, size_t length)
{
	size_t before = out->length;
	if (length % 4 == 0 && decode_groups(out, base64, length))
		return true;
	if (out->length > before) {
		out->length = before;
		out->bytes[before] = '\0';
	}
	return false;
}

bool digest_equal(const void *a, const void *b, size_t length)
{
	return CRYPTO_memcmp(a, b, length) == 0;
}
