#include "shared/sealing.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "shared/memory.h"

/* Looking an algorithm up by name costs more than using it once; so it is done once. */
static pthread_once_t fetched = PTHREAD_ONCE_INIT;
static EVP_KDF *hkdf;
static EVP_CIPHER *aes_128, *aes_256;

/* Over memory these fail only when OpenSSL itself is broken or without memory. */
static void must(bool worked)
{
	if (worked)
		return;
	fputs("postrider: OpenSSL cannot compute HKDF or AES-GCM\n", stderr);
	exit(EX_SOFTWARE);
}

static void fetch(void)
{
	hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	aes_128 = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
	aes_256 = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	must(hkdf != NULL && aes_128 != NULL && aes_256 != NULL);
}

/* OpenSSL's parameters are not const, but these are only read. */
static OSSL_PARAM octets(const char *name, const void *bytes, size_t length)
{
	return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)bytes, length);
}

void sealing_hkdf(const void *salt, size_t salt_length, const void *secret, size_t secret_length, const void *info,
		  size_t info_length, uint8_t *out, size_t size)
{
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char[]){"SHA256"}, 0),
		octets(OSSL_KDF_PARAM_KEY, secret, secret_length),
		octets(OSSL_KDF_PARAM_INFO, info, info_length),
		octets(OSSL_KDF_PARAM_SALT, salt, salt_length),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF_CTX *context;

	pthread_once(&fetched, fetch);
	context = EVP_KDF_CTX_new(hkdf);
	must(context != NULL && EVP_KDF_derive(context, out, size, parameters) == 1);
	EVP_KDF_CTX_free(context);
}

static const EVP_CIPHER *cipher_of(size_t key_length)
{
	pthread_once(&fetched, fetch);
	must(key_length == 16 || key_length == 32);
	return key_length == 16 ? aes_128 : aes_256;
}

void sealing_close(const uint8_t *key, size_t key_length, const uint8_t nonce[SEALING_NONCE_BYTES], const void *bound,
		   size_t bound_length, const void *bytes, size_t length, struct text *sealed)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	uint8_t *out = memory_new(length + SEALING_TAG_BYTES);
	int written = 0, more = 0;

	must(context != NULL && EVP_EncryptInit_ex2(context, cipher_of(key_length), key, nonce, NULL) == 1 &&
	     (bound_length == 0 || EVP_EncryptUpdate(context, NULL, &more, bound, (int)bound_length) == 1) &&
	     (length == 0 || EVP_EncryptUpdate(context, out, &written, bytes, (int)length) == 1) &&
	     EVP_EncryptFinal_ex(context, out + written, &more) == 1 &&
	     EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, SEALING_TAG_BYTES, out + length) == 1);
	EVP_CIPHER_CTX_free(context);
	text_add_bytes(sealed, out, length + SEALING_TAG_BYTES);
	free(out);
}

bool sealing_open(const uint8_t *key, size_t key_length, const uint8_t nonce[SEALING_NONCE_BYTES], const void *bound,
		  size_t bound_length, const void *sealed, size_t length, struct text *out)
{
	EVP_CIPHER_CTX *context;
	uint8_t *opened, tag[SEALING_TAG_BYTES];
	int written = 0, more = 0;
	bool genuine;

	if (length < SEALING_TAG_BYTES || length > INT32_MAX)
		return false;
	length -= SEALING_TAG_BYTES;
	memcpy(tag, (const uint8_t *)sealed + length, sizeof(tag));
	context = EVP_CIPHER_CTX_new();
	opened = memory_new(length + 1);
	must(context != NULL && EVP_DecryptInit_ex2(context, cipher_of(key_length), key, nonce, NULL) == 1 &&
	     EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, SEALING_TAG_BYTES, tag) == 1 &&
	     (bound_length == 0 || EVP_DecryptUpdate(context, NULL, &more, bound, (int)bound_length) == 1) &&
	     (length == 0 || EVP_DecryptUpdate(context, opened, &written, sealed, (int)length) == 1));
	genuine = EVP_DecryptFinal_ex(context, opened + written, &more) == 1;
	ERR_clear_error();
	EVP_CIPHER_CTX_free(context);
	if (genuine)
		text_add_bytes(out, opened, length);
	explicit_bzero(opened, length);
	free(opened);
	return genuine && text_ok(out);
}

void sealing_random(void *bytes, size_t length)
{
	must(RAND_bytes(bytes, (int)length) == 1);
}
