#include "shared/private_key.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "shared/memory.h"
#include "shared/sealing.h"

#define RSA_BITS_MIN 2048
#define CURVE        "prime256v1"

struct private_key {
	EVP_PKEY *pkey;
	enum private_key_kind kind;
};

/* With a key that was accepted, these fail only when OpenSSL itself is broken or without memory. */
static void must(bool worked)
{
	if (worked)
		return;
	fputs("postrider: OpenSSL cannot use a private key that it has accepted\n", stderr);
	exit(EX_SOFTWARE);
}

static struct private_key *key_new(EVP_PKEY *pkey, enum private_key_kind kind)
{
	struct private_key *key = memory_new(sizeof(*key));

	key->pkey = pkey;
	key->kind = kind;
	return key;
}

static bool is_p256(const EVP_PKEY *pkey)
{
	char group[40] = "";

	return EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) == 1 && strcmp(group, CURVE) == 0;
}

/* A key with a password is not asked for one: there is nobody to ask. */
static int no_password(char *buffer, int size, int writing, void *context)
{
	(void)buffer, (void)size, (void)writing, (void)context;
	return -1;
}

struct private_key *private_key_from_pem(const char *pem, size_t length, struct error *err)
{
	BIO *bio = BIO_new_mem_buf(pem, length < INT32_MAX ? (int)length : 0);
	EVP_PKEY *pkey = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	if (pkey != NULL && EVP_PKEY_is_a(pkey, "RSA") && EVP_PKEY_get_bits(pkey) >= RSA_BITS_MIN)
		return key_new(pkey, PRIVATE_KEY_RSA);
	if (pkey != NULL && EVP_PKEY_is_a(pkey, "EC") && is_p256(pkey))
		return key_new(pkey, PRIVATE_KEY_P256);
	error_set(err, ERROR_INVALID,
		  pkey == NULL ? "It is no private key in PEM without a password."
			       : "It is neither an RSA key of at least 2048 bits nor one of the curve P-256.");
	EVP_PKEY_free(pkey);
	return NULL;
}

/* The point that belongs to the scalar; false when the scalar is none. */
static bool point_of(const BIGNUM *scalar, uint8_t point[PRIVATE_KEY_POINT_BYTES])
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *product = group != NULL ? EC_POINT_new(group) : NULL;
	bool usable = product != NULL && !BN_is_zero(scalar) && BN_cmp(scalar, EC_GROUP_get0_order(group)) < 0 &&
		      EC_POINT_mul(group, product, scalar, NULL, NULL, NULL) == 1 &&
		      EC_POINT_point2oct(group, product, POINT_CONVERSION_UNCOMPRESSED, point, PRIVATE_KEY_POINT_BYTES,
					 NULL) == PRIVATE_KEY_POINT_BYTES;

	EC_POINT_free(product);
	EC_GROUP_free(group);
	return usable;
}

/* A P-256 key of its public point and, where there is one, its scalar. */
static EVP_PKEY *assemble(const uint8_t point[PRIVATE_KEY_POINT_BYTES], const BIGNUM *scalar)
{
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM *parameters;
	EVP_PKEY *pkey = NULL;

	must(builder != NULL && context != NULL &&
	     OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, CURVE, 0) == 1 &&
	     OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, PRIVATE_KEY_POINT_BYTES) == 1 &&
	     (scalar == NULL || OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, scalar) == 1));
	parameters = OSSL_PARAM_BLD_to_param(builder);
	must(parameters != NULL && EVP_PKEY_fromdata_init(context) == 1);
	if (EVP_PKEY_fromdata(context, &pkey, scalar != NULL ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, parameters) != 1)
		pkey = NULL;
	ERR_clear_error();
	OSSL_PARAM_free(parameters);
	OSSL_PARAM_BLD_free(builder);
	EVP_PKEY_CTX_free(context);
	return pkey;
}

struct private_key *private_key_from_scalar(const uint8_t scalar[PRIVATE_KEY_SCALAR_BYTES])
{
	uint8_t point[PRIVATE_KEY_POINT_BYTES];
	BIGNUM *number = BN_secure_new();
	EVP_PKEY *pkey = NULL;

	must(number != NULL && BN_bin2bn(scalar, PRIVATE_KEY_SCALAR_BYTES, number) != NULL);
	BN_set_flags(number, BN_FLG_CONSTTIME);
	if (point_of(number, point))
		pkey = assemble(point, number);
	BN_clear_free(number);
	return pkey != NULL ? key_new(pkey, PRIVATE_KEY_P256) : NULL;
}

void private_key_free(struct private_key **key)
{
	if (*key == NULL)
		return;
	EVP_PKEY_free((*key)->pkey);
	free(*key);
	*key = NULL;
}

enum private_key_kind private_key_kind(const struct private_key *key)
{
	return key->kind;
}

/* SEQUENCE { r, s } into r and s of fixed length. */
static void add_raw_signature(struct text *signature, const uint8_t *der, size_t length)
{
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)length);
	uint8_t raw[64];

	must(pair != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, 32) == 32 &&
	     BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + 32, 32) == 32);
	ECDSA_SIG_free(pair);
	text_add_bytes(signature, raw, sizeof(raw));
}

void private_key_sign(const struct private_key *key, const void *bytes, size_t length, struct text *signature)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t size = (size_t)EVP_PKEY_get_size(key->pkey);
	uint8_t *made = memory_new(size);

	must(context != NULL && EVP_DigestSignInit_ex(context, NULL, "SHA256", NULL, NULL, key->pkey, NULL) == 1 &&
	     EVP_DigestSign(context, made, &size, bytes, length) == 1);
	if (key->kind == PRIVATE_KEY_RSA)
		text_add_bytes(signature, made, size);
	else
		add_raw_signature(signature, made, size);
	EVP_MD_CTX_free(context);
	free(made);
}

void private_key_public_point(const struct private_key *key, uint8_t point[PRIVATE_KEY_POINT_BYTES])
{
	BIGNUM *x = NULL, *y = NULL;

	must(EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
	     EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1);
	point[0] = 4;
	must(BN_bn2binpad(x, point + 1, 32) == 32 && BN_bn2binpad(y, point + 33, 32) == 32);
	BN_free(x);
	BN_free(y);
}

bool private_key_agree(const struct private_key *key, const uint8_t point[PRIVATE_KEY_POINT_BYTES],
		       uint8_t shared[PRIVATE_KEY_SHARED_BYTES])
{
	EVP_PKEY *other = assemble(point, NULL);
	EVP_PKEY_CTX *context = other != NULL ? EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL) : NULL;
	size_t length = PRIVATE_KEY_SHARED_BYTES;
	bool agreed = context != NULL && EVP_PKEY_derive_init(context) == 1 &&
		      EVP_PKEY_derive_set_peer(context, other) == 1 && EVP_PKEY_derive(context, shared, &length) == 1 &&
		      length == PRIVATE_KEY_SHARED_BYTES;

	ERR_clear_error();
	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(other);
	return agreed;
}

void private_key_derive(const struct private_key *key, const char *label, uint8_t derived[32])
{
	BIGNUM *scalar = NULL;
	uint8_t bytes[PRIVATE_KEY_SCALAR_BYTES];

	must(EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) == 1 &&
	     BN_bn2binpad(scalar, bytes, sizeof(bytes)) == (int)sizeof(bytes));
	sealing_hkdf("", 0, bytes, sizeof(bytes), label, strlen(label), derived, 32);
	BN_clear_free(scalar);
	explicit_bzero(bytes, sizeof(bytes));
}
