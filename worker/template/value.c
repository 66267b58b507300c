#include "worker/template/value.h"

#include <string.h>

bool template_value_is_undefined(const struct template_value *value)
{
	return value->kind == TEMPLATE_VALUE_MISSING || value->kind == TEMPLATE_VALUE_NULL;
}

bool template_value_wants_default(const struct template_value *value)
{
	switch (value->kind) {
	case TEMPLATE_VALUE_MISSING:
	case TEMPLATE_VALUE_NULL:
	case TEMPLATE_VALUE_FALSE:
	case TEMPLATE_VALUE_EMPTY:
		return true;
	case TEMPLATE_VALUE_STRING:
		return value->length == 0;
	default:
		return false;
	}
}

/* text.h writes whole JSON strings; inside one, the author has written the quotes. */
static void print_json(const char *bytes, size_t length, struct text *out)
{
	size_t before = out->length;

	text_add_json_string(out, bytes, length);
	if (out->overflowed)
		return;
	out->length -= 2;
	memmove(out->bytes + before, out->bytes + before + 1, out->length - before);
	out->bytes[out->length] = '\0';
}

void template_print_escaped(const char *bytes, size_t length, enum template_slot slot, struct text *out)
{
	switch (slot) {
	case TEMPLATE_SLOT_PLAIN:
		text_add_bytes(out, bytes, length);
		return;
	case TEMPLATE_SLOT_HTML:
		text_add_html(out, bytes, length);
		return;
	case TEMPLATE_SLOT_HEADER:
		text_add_header(out, bytes, length);
		return;
	case TEMPLATE_SLOT_JSON:
		print_json(bytes, length, out);
		return;
	case TEMPLATE_SLOT_URL:
		text_add_url(out, bytes, length);
		return;
	}
}

static uint32_t hex4(const char *digits)
{
	uint32_t number = 0;

	for (int i = 0; i < 4; i++) {
		uint32_t digit = (unsigned char)digits[i];

		number = number << 4 | (digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
	}
	return number;
}

static size_t put_utf8(uint32_t code, char utf8[4])
{
	if (code < 0x80) {
		utf8[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		utf8[0] = (char)(0xC0 | code >> 6);
		utf8[1] = (char)(0x80 | (code & 0x3F));
		return 2;
	}
	if (code < 0x10000) {
		utf8[0] = (char)(0xE0 | code >> 12);
		utf8[1] = (char)(0x80 | (code >> 6 & 0x3F));
		utf8[2] = (char)(0x80 | (code & 0x3F));
		return 3;
	}
	utf8[0] = (char)(0xF0 | code >> 18);
	utf8[1] = (char)(0x80 | (code >> 12 & 0x3F));
	utf8[2] = (char)(0x80 | (code >> 6 & 0x3F));
	utf8[3] = (char)(0x80 | (code & 0x3F));
	return 4;
}

static size_t unescape_code(const char *bytes, size_t length, char utf8[4], size_t *utf8_length)
{
	uint32_t code = hex4(bytes + 2), low = 0;
	size_t taken = 6;

	if (code >= 0xD800 && code <= 0xDBFF && length >= 12 && bytes[6] == '\\' && bytes[7] == 'u')
		low = hex4(bytes + 8);
	if (low >= 0xDC00 && low <= 0xDFFF) {
		code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
		taken = 12;
	} else if (code >= 0xD800 && code <= 0xDFFF) {
		code = 0xFFFD;
	}
	*utf8_length = put_utf8(code, utf8);
	return taken;
}

size_t template_unescape(const char *bytes, size_t length, char utf8[4], size_t *utf8_length)
{
	static const char names[] = "bfnrt", codes[] = "\b\f\n\r\t";
	const char *name;

	if (bytes[1] == 'u')
		return unescape_code(bytes, length, utf8, utf8_length);
	name = strchr(names, bytes[1]);
	utf8[0] = name != NULL ? codes[name - names] : bytes[1];
	*utf8_length = 1;
	return 2;
}

static void print_unescaped(const struct template_value *value, enum template_slot slot, struct text *out)
{
	const char *at = value->bytes, *end = value->bytes + value->length;

	while (at < end) {
		const char *backslash = memchr(at, '\\', (size_t)(end - at));
		const char *run_end = backslash != NULL ? backslash : end;
		char utf8[4];
		size_t utf8_length;

		if (run_end > at)
			template_print_escaped(at, (size_t)(run_end - at), slot, out);
		if (backslash == NULL)
			return;
		at = backslash + template_unescape(backslash, (size_t)(end - backslash), utf8, &utf8_length);
		template_print_escaped(utf8, utf8_length, slot, out);
	}
}

void template_value_print(const struct template_value *value, enum template_slot slot, struct text *out)
{
	if (value->kind == TEMPLATE_VALUE_ESCAPED)
		print_unescaped(value, slot, out);
	else if (!template_value_is_undefined(value))
		template_print_escaped(value->bytes, value->length, slot, out);
}
