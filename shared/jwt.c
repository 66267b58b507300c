#include "shared/jwt.h"

#include <string.h>

#include "shared/base64url.h"

#define HEADER_MAX    1024
#define SIGNATURE_MAX 2048 /* RSA of 16384 bits */

static void add_header(const struct private_key *key, const char *key_id, struct text *out)
{
	struct text header;

	text_init(&header, HEADER_MAX);
	text_addf(&header, "{\"alg\":\"%s\",\"typ\":\"JWT\"",
		  private_key_kind(key) == PRIVATE_KEY_RSA ? "RS256" : "ES256");
	if (key_id != NULL) {
		text_add(&header, ",\"kid\":");
		text_add_json_string(&header, key_id, strlen(key_id));
	}
	text_add_char(&header, '}');
	base64url_add(out, text_string(&header), header.length);
	text_release(&header);
}

void jwt_sign(struct private_key *key, const char *key_id, const char *claims, struct text *out)
{
	size_t start = out->length;
	struct text signature;

	add_header(key, key_id, out);
	text_add_char(out, '.');
	base64url_add(out, claims, strlen(claims));
	text_init(&signature, SIGNATURE_MAX);
	private_key_sign(key, text_string(out) + start, out->length - start, &signature);
	text_add_char(out, '.');
	base64url_add(out, text_string(&signature), signature.length);
	text_release(&signature);
}
