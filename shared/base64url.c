#include "shared/base64url.h"

#include <string.h>

static const char letters_of[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url_add(struct text *out, const void *bytes, size_t length)
{
	const uint8_t *b = bytes;

	for (; length >= 3; b += 3, length -= 3)
		text_add_bytes(out,
			       (char[]){letters_of[b[0] >> 2], letters_of[(b[0] & 3) << 4 | b[1] >> 4],
					letters_of[(b[1] & 15) << 2 | b[2] >> 6], letters_of[b[2] & 63]},
			       4);
	if (length == 1)
		text_add_bytes(out, (char[]){letters_of[b[0] >> 2], letters_of[(b[0] & 3) << 4]}, 2);
	else if (length == 2)
		text_add_bytes(out,
			       (char[]){letters_of[b[0] >> 2], letters_of[(b[0] & 3) << 4 | b[1] >> 4],
					letters_of[(b[1] & 15) << 2]},
			       3);
}

static bool add_group(struct text *out, const char *letters, size_t count)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < count; i++) {
		const char *found = letters[i] == '\0' ? NULL : strchr(letters_of, letters[i]);

		if (found == NULL)
			return false;
		bits |= (uint32_t)(found - letters_of) << (18 - 6 * i);
	}
	/* Only one spelling is accepted: the bits that a short group leaves unused are zero. */
	if (count == 1 || (count == 2 && (bits & 0xffff) != 0) || (count == 3 && (bits & 0xff) != 0))
		return false;
	text_add_bytes(out, (uint8_t[]){(uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits}, count - 1);
	return true;
}

static size_t without_padding(const char *letters, size_t length)
{
	if (length % 4 != 0)
		return length;
	for (int i = 0; i < 2 && length > 0 && letters[length - 1] == '='; i++)
		length--;
	return length;
}

bool base64url_decode(struct text *out, const char *letters, size_t length)
{
	size_t before = out->length;

	length = without_padding(letters, length);
	for (size_t at = 0; at < length; at += 4) {
		if (add_group(out, letters + at, length - at < 4 ? length - at : 4) && text_ok(out))
			continue;
		if (out->length > before) {
			out->length = before;
			out->bytes[before] = '\0';
		}
		return false;
	}
	return true;
}
