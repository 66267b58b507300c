#include <string.h>

#include "shared/text.h"
#include "worker/template/filter.h"

static bool text_of(const struct filter_call *call, struct value *text)
{
	return run_string(call->run, &call->arguments[0], text) && run_charge(call->run, text->length);
}

static bool stays_plain(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
	       byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

/* As a form is sent: a blank becomes +. */
static bool url_encode(const struct filter_call *call, struct value *result)
{
	static const char hex[] = "0123456789ABCDEF";
	struct value text;
	size_t room, length = 0;
	char *bytes;

	*result = value_nil();
	if (call->arguments[0].kind == VALUE_NIL)
		return true;
	if (!text_of(call, &text))
		return false;
	room = 3 * (size_t)text.length;
	if ((bytes = run_memory(call->run, room)) == NULL)
		return false;
	for (uint32_t i = 0; i < text.length; i++) {
		unsigned char byte = (unsigned char)text.bytes[i];

		if (stays_plain(text.bytes[i]) || byte == ' ') {
			bytes[length++] = byte == ' ' ? '+' : text.bytes[i];
			continue;
		}
		bytes[length++] = '%';
		bytes[length++] = hex[byte >> 4];
		bytes[length++] = hex[byte & 15];
	}
	arena_shrink(call->run->arena, bytes, room, length);
	*result = value_string(bytes, length);
	return true;
}

static int digit_of(char byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte = (char)(byte | 0x20);
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static bool is_utf8(const char *bytes, size_t length)
{
	for (size_t at = 0, one; at < length; at += one)
		if ((one = text_utf8_length(bytes + at, length - at)) == 0)
			return false;
	return true;
}

static bool url_decode(const struct filter_call *call, struct value *result)
{
	struct value text;
	size_t length = 0;
	char *bytes;

	*result = value_nil();
	if (call->arguments[0].kind == VALUE_NIL)
		return true;
	if (!text_of(call, &text) || (bytes = run_memory(call->run, text.length)) == NULL)
		return false;
	for (uint32_t i = 0; i < text.length; i++) {
		int high = text.length - i > 2 ? digit_of(text.bytes[i + 1]) : -1;
		int low = high >= 0 ? digit_of(text.bytes[i + 2]) : -1;

		if (text.bytes[i] == '%' && low >= 0) {
			bytes[length++] = (char)(high << 4 | low);
			i += 2;
		} else {
			bytes[length++] = text.bytes[i] == '+' ? ' ' : text.bytes[i];
		}
	}
	*result = value_string(bytes, length);
	return is_utf8(bytes, length) ||
	       run_fault(call->run, "url_decode makes something that is no text: check what it is given.");
}

/* -- base64, RFC 4648 -- */

static const char *alphabet(bool is_url)
{
	return is_url ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		      : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}

static bool encode(const struct filter_call *call, bool is_url, struct value *result)
{
	const char *letters = alphabet(is_url);
	struct value text;
	size_t length;
	char *bytes, *to;

	if (!text_of(call, &text))
		return false;
	length = ((size_t)text.length + 2) / 3 * 4;
	if ((bytes = to = run_memory(call->run, length)) == NULL)
		return false;
	for (size_t i = 0; i < text.length; i += 3) {
		size_t left = text.length - i;
		uint32_t three = (uint32_t)(unsigned char)text.bytes[i] << 16;

		three |= left > 1 ? (uint32_t)(unsigned char)text.bytes[i + 1] << 8 : 0;
		three |= left > 2 ? (uint32_t)(unsigned char)text.bytes[i + 2] : 0;
		*to++ = letters[three >> 18];
		*to++ = letters[three >> 12 & 63];
		*to++ = left > 1 ? letters[three >> 6 & 63] : '=';
		*to++ = left > 2 ? letters[three & 63] : '=';
	}
	*result = value_string(bytes, length);
	return true;
}

static bool decode_group(const char *letters, const char *four, size_t count, char *out, size_t *length)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		const char *letter = i < count && four[i] != '\0' ? strchr(letters, four[i]) : NULL;

		if (i < count && letter == NULL)
			return false;
		bits = bits << 6 | (uint32_t)(letter != NULL ? letter - letters : 0);
	}
	/* What the padding cut off must have been nothing. */
	if (count < 2 || (count == 2 && (bits & 0xFFFF)) || (count == 3 && (bits & 0xFF)))
		return false;
	out[(*length)++] = (char)(bits >> 16);
	if (count > 2)
		out[(*length)++] = (char)(bits >> 8);
	if (count > 3)
		out[(*length)++] = (char)bits;
	return true;
}

/* The standard alphabet wants its padding, the one for URLs does without. */
static bool decode(const struct filter_call *call, bool is_url, struct value *result)
{
	const char *letters = alphabet(is_url);
	struct value text;
	size_t count, length = 0;
	char *bytes;
	bool fits;

	if (!text_of(call, &text) || (bytes = run_memory(call->run, text.length)) == NULL)
		return false;
	count = text.length;
	fits = count % 4 == 0 || (is_url && text.bytes[count - 1] != '=');
	for (int i = 0; i < 2 && count % 4 != 1 && count > 0 && text.length % 4 == 0 && text.bytes[count - 1] == '=';
	     i++)
		count--;
	for (size_t i = 0; fits && i < count; i += 4)
		fits = decode_group(letters, text.bytes + i, count - i < 4 ? count - i : 4, bytes, &length);
	*result = value_string(bytes, length);
	return fits ||
	       run_fault(call->run, "%s is given what is no base64: check where it comes from.", call->filter->name);
}

static bool base64_encode(const struct filter_call *call, struct value *result)
{
	return encode(call, false, result);
}

static bool base64_decode(const struct filter_call *call, struct value *result)
{
	return decode(call, false, result);
}

static bool base64_url_safe_encode(const struct filter_call *call, struct value *result)
{
	return encode(call, true, result);
}

static bool base64_url_safe_decode(const struct filter_call *call, struct value *result)
{
	return decode(call, true, result);
}

const struct filter code_filters[] = {
	{"url_encode", url_encode, 0, 0, "| url_encode", NULL, false, false, false},
	{"url_decode", url_decode, 0, 0, "| url_decode", NULL, false, false, false},
	{"base64_encode", base64_encode, 0, 0, "| base64_encode", NULL, false, false, false},
	{"base64_decode", base64_decode, 0, 0, "| base64_decode", NULL, false, false, false},
	{"base64_url_safe_encode", base64_url_safe_encode, 0, 0, "| base64_url_safe_encode", NULL, false, false, false},
	{"base64_url_safe_decode", base64_url_safe_decode, 0, 0, "| base64_url_safe_decode", NULL, false, false, false},
	{.name = NULL},
};
