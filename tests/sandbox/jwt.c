#include "tests/sandbox/jwt.h"

#include <string.h>

enum { PART_MAX = 16 * 1024 };

static json_t *read_part(struct span base64)
{
	struct text bytes;
	json_t *part = NULL;

	text_init(&bytes, PART_MAX);
	if (crypto_base64url_decode(&bytes, base64))
		part = json_loadb(text_string(&bytes), bytes.length, JSON_REJECT_DUPLICATES, NULL);
	text_release(&bytes);
	return part;
}

bool jwt_read(struct jwt *jwt, struct span token)
{
	struct span rest = token, header = span_cut(&rest, '.'), claims = span_cut(&rest, '.');

	*jwt = (struct jwt){.header = read_part(header), .claims = read_part(claims)};
	text_init(&jwt->signature, PART_MAX);
	jwt->signed_part = (struct span){token.bytes, header.length + 1 + claims.length};
	return json_is_object(jwt->header) && json_is_object(jwt->claims) && rest.length > 0 &&
	       crypto_base64url_decode(&jwt->signature, rest);
}

void jwt_release(struct jwt *jwt)
{
	json_decref(jwt->header);
	json_decref(jwt->claims);
	text_release(&jwt->signature);
}

bool jwt_is_signed_by(const struct jwt *jwt, EVP_PKEY *key, const char *algorithm)
{
	struct span signature = span_of_text(&jwt->signature);

	if (strcmp(jwt_text(jwt->header, "alg"), algorithm) != 0)
		return false;
	if (strcmp(algorithm, "ES256") == 0)
		return crypto_verify_es256(key, jwt->signed_part, signature);
	return crypto_verify(key, jwt->signed_part, signature);
}

const char *jwt_text(const json_t *part, const char *name)
{
	const char *text = json_string_value(json_object_get(part, name));

	return text ? text : "";
}

int64_t jwt_number(const json_t *part, const char *name)
{
	const json_t *number = json_object_get(part, name);

	return json_is_integer(number) ? json_integer_value(number) : -1;
}
