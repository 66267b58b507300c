#include "tests/sandbox/crypto.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/digest.h"

enum { GCM_TAG_BYTES = 16, GCM_NONCE_BYTES = 12, COORDINATE_BYTES = 32 };

/* What cannot fail but for a broken library ends the sandbox. */
static void must(bool worked, const char *what)
{
	if (worked)
		return;
	fprintf(stderr, "postrider-sandbox: OpenSSL: %s\n", what);
	exit(1);
}

static const unsigned char *octets(struct span span)
{
	return (const unsigned char *)(span.bytes ? span.bytes : "");
}

EVP_PKEY *crypto_new_rsa(void)
{
	EVP_PKEY *key = EVP_RSA_gen(2048);

	must(key != NULL, "no RSA key");
	return key;
}

void crypto_free(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
	*key = NULL;
}

static EVP_PKEY *key_from(OSSL_PARAM_BLD *build, int selection)
{
	OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;

	if (!parameters || EVP_PKEY_fromdata_init(context) != 1 ||
	    EVP_PKEY_fromdata(context, &key, selection, parameters) != 1)
		key = NULL;
	ERR_clear_error();
	EVP_PKEY_CTX_free(context);
	OSSL_PARAM_free(parameters);
	OSSL_PARAM_BLD_free(build);
	return key;
}

EVP_PKEY *crypto_derive_p256(const char *words)
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *point = EC_POINT_new(group);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	unsigned char digest[DIGEST_SHA256_BYTES], bytes[CRYPTO_POINT_BYTES];
	BIGNUM *secret;
	EVP_PKEY *key;

	digest_sha256(words, strlen(words), digest);
	digest[0] &= 0x7f; /* below the curve's order */
	secret = BN_bin2bn(digest, sizeof(digest), NULL);
	must(EC_POINT_mul(group, point, secret, NULL, NULL, NULL) == 1, "no point");
	must(EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, bytes, sizeof(bytes), NULL) ==
		     sizeof(bytes),
	     "no octets");
	OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
	OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, bytes, sizeof(bytes));
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, secret);
	key = key_from(build, EVP_PKEY_KEYPAIR);
	must(key != NULL, "no P-256 key");
	BN_free(secret);
	EC_POINT_free(point);
	EC_GROUP_free(group);
	return key;
}

EVP_PKEY *crypto_read_point(struct span point)
{
	OSSL_PARAM_BLD *build;

	if (point.length != CRYPTO_POINT_BYTES || point.bytes[0] != 4)
		return NULL;
	build = OSSL_PARAM_BLD_new();
	OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
	OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point.bytes, point.length);
	return key_from(build, EVP_PKEY_PUBLIC_KEY);
}

static EVP_PKEY *read_pem(struct span pem, EVP_PKEY *(*read_key)(BIO *, EVP_PKEY **, pem_password_cb *, void *))
{
	BIO *bio = BIO_new_mem_buf(octets(pem), (int)pem.length);
	EVP_PKEY *key = read_key(bio, NULL, NULL, NULL);

	BIO_free(bio);
	ERR_clear_error();
	return key;
}

EVP_PKEY *crypto_read_private_pem(struct span pem)
{
	return read_pem(pem, PEM_read_bio_PrivateKey);
}

EVP_PKEY *crypto_read_public_pem(struct span pem)
{
	return read_pem(pem, PEM_read_bio_PUBKEY);
}

static void take_bio(struct text *out, BIO *bio)
{
	char *bytes;
	long length = BIO_get_mem_data(bio, &bytes);

	text_add_bytes(out, bytes, (size_t)length);
	BIO_free(bio);
}

void crypto_add_private_pem(struct text *out, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());

	must(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1, "no PKCS #8");
	take_bio(out, bio);
}

void crypto_add_public_pem(struct text *out, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());

	must(PEM_write_bio_PUBKEY(bio, key) == 1, "no SPKI");
	take_bio(out, bio);
}

void crypto_add_public_spki(struct text *out, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());

	must(i2d_PUBKEY_bio(bio, key) == 1, "no SPKI");
	take_bio(out, bio);
}

void crypto_add_public_point(struct text *out, EVP_PKEY *key)
{
	unsigned char bytes[CRYPTO_POINT_BYTES];
	size_t length = 0;

	must(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, bytes, sizeof(bytes), &length) == 1,
	     "no point");
	text_add_bytes(out, bytes, length);
}

bool crypto_verify(EVP_PKEY *key, struct span message, struct span signature)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool holds =
		EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestVerify(context, octets(signature), signature.length, octets(message), message.length) == 1;

	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return holds;
}

bool crypto_verify_es256(EVP_PKEY *key, struct span message, struct span signature)
{
	ECDSA_SIG *pair;
	unsigned char *der = NULL;
	int length;
	bool holds;

	if (signature.length != 2 * COORDINATE_BYTES)
		return false;
	pair = ECDSA_SIG_new();
	ECDSA_SIG_set0(pair, BN_bin2bn(octets(signature), COORDINATE_BYTES, NULL),
		       BN_bin2bn(octets(signature) + COORDINATE_BYTES, COORDINATE_BYTES, NULL));
	length = i2d_ECDSA_SIG(pair, &der);
	holds = length > 0 && crypto_verify(key, message, (struct span){(char *)der, (size_t)length});
	OPENSSL_free(der);
	ECDSA_SIG_free(pair);
	return holds;
}

void crypto_add_signature(struct text *out, EVP_PKEY *key, struct span message)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned char signature[512];
	size_t length = sizeof(signature);

	must(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
		     EVP_DigestSign(context, signature, &length, octets(message), message.length) == 1,
	     "no signature");
	text_add_bytes(out, signature, length);
	EVP_MD_CTX_free(context);
}

void crypto_add_hmac(struct text *out, const char *digest, struct span key, struct span message)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned length = 0;

	must(HMAC(EVP_get_digestbyname(digest), octets(key), (int)key.length, octets(message), message.length, bytes,
		  &length) != NULL,
	     "no HMAC");
	text_add_bytes(out, bytes, length);
}

bool crypto_agree(EVP_PKEY *own, EVP_PKEY *other, struct text *secret)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(own, NULL);
	unsigned char bytes[COORDINATE_BYTES];
	size_t length = sizeof(bytes);
	bool agreed = EVP_PKEY_derive_init(context) == 1 && EVP_PKEY_derive_set_peer(context, other) == 1 &&
		      EVP_PKEY_derive(context, bytes, &length) == 1;

	EVP_PKEY_CTX_free(context);
	ERR_clear_error();
	if (agreed)
		text_add_bytes(secret, bytes, length);
	return agreed;
}

static bool open_sealed(EVP_CIPHER_CTX *context, struct span key, struct span nonce, struct span sealed, char *plain)
{
	int length = (int)(sealed.length - GCM_TAG_BYTES), written = 0, rest = 0;
	unsigned char *out = (unsigned char *)plain;
	void *tag = (void *)(uintptr_t)(sealed.bytes + length);

	return EVP_DecryptInit_ex(context, EVP_aes_128_gcm(), NULL, octets(key), octets(nonce)) == 1 &&
	       EVP_DecryptUpdate(context, out, &written, octets(sealed), length) == 1 &&
	       EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, GCM_TAG_BYTES, tag) == 1 &&
	       EVP_DecryptFinal_ex(context, out + written, &rest) == 1;
}

bool crypto_open(struct span key, struct span nonce, struct span sealed, struct text *plain)
{
	EVP_CIPHER_CTX *context;
	char *bytes;
	bool opened;

	if (sealed.length < GCM_TAG_BYTES || nonce.length != GCM_NONCE_BYTES)
		return false;
	context = EVP_CIPHER_CTX_new();
	bytes = malloc(sealed.length);
	opened = bytes && open_sealed(context, key, nonce, sealed, bytes);
	if (opened)
		text_add_bytes(plain, bytes, sealed.length - GCM_TAG_BYTES);
	EVP_CIPHER_CTX_free(context);
	ERR_clear_error();
	free(bytes);
	return opened;
}

void crypto_add_base64url(struct text *out, struct span bytes)
{
	struct text base64;

	text_init(&base64, bytes.length * 2 + 8);
	digest_add_base64(&base64, bytes.bytes, bytes.length);
	for (size_t i = 0; i < base64.length && base64.bytes[i] != '='; i++) {
		char digit = base64.bytes[i];

		text_add_char(out, digit == '+' ? '-' : digit == '/' ? '_' : digit);
	}
	text_release(&base64);
}

bool crypto_base64url_decode(struct text *out, struct span base64)
{
	struct text padded;
	bool decoded = true;

	text_init(&padded, base64.length + 4);
	for (size_t i = 0; i < base64.length; i++) {
		char digit = base64.bytes[i];

		decoded = decoded && digit != '+' && digit != '/' && digit != '=';
		text_add_char(&padded, digit == '-' ? '+' : digit == '_' ? '/' : digit);
	}
	while (padded.length % 4 != 0)
		text_add_char(&padded, '=');
	decoded = decoded && digest_base64_decode(out, text_string(&padded), padded.length);
	text_release(&padded);
	return decoded;
}
