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
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "shared/memory.h"
#include "shared/sealing.h"

#define RSA_BITS_MIN 2048
#define CURVE        "prime256v1"

struct private_key {
	enum private_key_kind kind;
	EVP_PKEY *pkey; /* of P-256: made when something is signed */
	BIGNUM *scalar; /* of P-256, as is the point */
	uint8_t point[PRIVATE_KEY_POINT_BYTES];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EC_GROUP *curve;

/* With a key that was accepted, these fail only when OpenSSL itself is broken or without memory. */
static void must(bool worked)
{
	if (worked)
		return;
	fputs("postrider: OpenSSL cannot use a private key that it has accepted\n", stderr);
	exit(EX_SOFTWARE);
}

static void make_curve(void)
{
	curve = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	must(curve != NULL);
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

/* Takes the scalar. NULL, and it is gone, when it is none of the curve. */
static struct private_key *key_from_number(BIGNUM *scalar)
{
	struct private_key *key = memory_new(sizeof(*key));
	EC_POINT *point;

	pthread_once(&once, make_curve);
	point = EC_POINT_new(curve);
	must(point != NULL && scalar != NULL);
	BN_set_flags(scalar, BN_FLG_CONSTTIME);
	key->kind = PRIVATE_KEY_P256;
	key->scalar = scalar;
	if (BN_is_zero(scalar) || BN_cmp(scalar, EC_GROUP_get0_order(curve)) >= 0)
		private_key_free(&key);
	else
		must(EC_POINT_mul(curve, point, scalar, NULL, NULL, NULL) == 1 &&
		     EC_POINT_point2oct(curve, point, POINT_CONVERSION_UNCOMPRESSED, key->point, sizeof(key->point),
					NULL) == sizeof(key->point));
	EC_POINT_free(point);
	return key;
}

struct private_key *private_key_from_scalar(const uint8_t scalar[PRIVATE_KEY_SCALAR_BYTES])
{
	BIGNUM *number = BN_secure_new();

	must(number != NULL && BN_bin2bn(scalar, PRIVATE_KEY_SCALAR_BYTES, number) != NULL);
	return key_from_number(number);
}

static struct private_key *key_from_pkey(EVP_PKEY *pkey)
{
	BIGNUM *scalar = NULL;
	struct private_key *key;

	if (EVP_PKEY_is_a(pkey, "RSA") && EVP_PKEY_get_bits(pkey) >= RSA_BITS_MIN) {
		key = memory_new(sizeof(*key));
		key->kind = PRIVATE_KEY_RSA;
	} else if (EVP_PKEY_is_a(pkey, "EC") && is_p256(pkey) &&
		   EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) == 1) {
		key = key_from_number(scalar);
	} else {
		return NULL;
	}
	if (key != NULL)
		key->pkey = pkey;
	return key;
}

struct private_key *private_key_from_pem(const char *pem, size_t length, struct error *err)
{
	BIO *bio = BIO_new_mem_buf(pem, length < INT32_MAX ? (int)length : 0);
	EVP_PKEY *pkey = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
	struct private_key *key = pkey != NULL ? key_from_pkey(pkey) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	if (key != NULL)
		return key;
	error_set(err, ERROR_INVALID,
		  pkey == NULL ? "It is no private key in PEM without a password."
			       : "It is neither an RSA key of at least 2048 bits nor one of the curve P-256.");
	EVP_PKEY_free(pkey);
	return NULL;
}

void private_key_free(struct private_key **key)
{
	if (*key == NULL)
		return;
	EVP_PKEY_free((*key)->pkey);
	BN_clear_free((*key)->scalar);
	free(*key);
	*key = NULL;
}

enum private_key_kind private_key_kind(const struct private_key *key)
{
	return key->kind;
}

/* The key as OpenSSL signs with it. */
static EVP_PKEY *assemble(const struct private_key *key)
{
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM *parameters;
	EVP_PKEY *pkey = NULL;

	must(builder != NULL && context != NULL &&
	     OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, CURVE, 0) == 1 &&
	     OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, key->point, sizeof(key->point)) == 1 &&
	     OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, key->scalar) == 1);
	parameters = OSSL_PARAM_BLD_to_param(builder);
	must(parameters != NULL && EVP_PKEY_fromdata_init(context) == 1 &&
	     EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_KEYPAIR, parameters) == 1);
	OSSL_PARAM_free(parameters);
	OSSL_PARAM_BLD_free(builder);
	EVP_PKEY_CTX_free(context);
	return pkey;
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

void private_key_sign(struct private_key *key, const void *bytes, size_t length, struct text *signature)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t *made;
	size_t size;

	if (key->pkey == NULL)
		key->pkey = assemble(key);
	size = (size_t)EVP_PKEY_get_size(key->pkey);
	made = memory_new(size);
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
	memcpy(point, key->point, PRIVATE_KEY_POINT_BYTES);
}

/* Several times quicker than EVP_PKEY_derive(), which proves with a second multiplication what holds for every point of this
 * curve: that it belongs to the group. EC_POINT_oct2point() proves that it is on the curve. */
bool private_key_agree(const struct private_key *key, const uint8_t point[PRIVATE_KEY_POINT_BYTES],
		       uint8_t shared[PRIVATE_KEY_SHARED_BYTES])
{
	EC_POINT *other = EC_POINT_new(curve), *product = EC_POINT_new(curve);
	BIGNUM *x = BN_secure_new();
	bool agreed;

	must(other != NULL && product != NULL && x != NULL);
	agreed = point[0] == 4 && EC_POINT_oct2point(curve, other, point, PRIVATE_KEY_POINT_BYTES, NULL) == 1;
	if (agreed)
		must(EC_POINT_mul(curve, product, NULL, other, key->scalar, NULL) == 1 &&
		     EC_POINT_get_affine_coordinates(curve, product, x, NULL, NULL) == 1 &&
		     BN_bn2binpad(x, shared, PRIVATE_KEY_SHARED_BYTES) == PRIVATE_KEY_SHARED_BYTES);
	ERR_clear_error();
	EC_POINT_free(other);
	EC_POINT_clear_free(product);
	BN_clear_free(x);
	return agreed;
}

void private_key_derive(const struct private_key *key, const char *label, uint8_t derived[32])
{
	uint8_t bytes[PRIVATE_KEY_SCALAR_BYTES];

	must(BN_bn2binpad(key->scalar, bytes, sizeof(bytes)) == (int)sizeof(bytes));
	sealing_hkdf("", 0, bytes, sizeof(bytes), label, strlen(label), derived, 32);
	explicit_bzero(bytes, sizeof(bytes));
}
