#include "shared/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"

#define FIRST_CAPACITY 64 /* one small line; doubling takes it from there */

/* The cold half of reserve(): more memory, or the overflow that sticks. Capacity never goes
 * beyond the ceiling and its NUL, so reserve() need not look at the ceiling. */
static __attribute__((noinline)) bool grow(struct text *text, size_t length)
{
	if (!text->bytes) {
		text->capacity = text->ceiling < FIRST_CAPACITY ? text->ceiling + 1 : FIRST_CAPACITY;
		text->bytes = memory_new(text->capacity);
	}
	if (text->overflowed || length > text->ceiling - text->length) {
		text->overflowed = true;
		return false;
	}
	size_t needed = text->length + length + 1;
	if (needed <= text->capacity)
		return true;
	size_t capacity = text->capacity <= text->ceiling / 2 ? text->capacity * 2 : text->ceiling + 1;
	if (capacity < needed)
		capacity = needed;
	text->bytes = memory_grow(text->bytes, 1, capacity);
	text->capacity = capacity;
	return true;
}

static inline bool reserve(struct text *text, size_t length)
{
	if (__builtin_expect(text->capacity - text->length > length && !text->overflowed, true))
		return true;
	return grow(text, length);
}

static inline void append(struct text *text, const void *bytes, size_t length)
{
	if (!reserve(text, length))
		return;
	if (length)
		memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	text->bytes[text->length] = '\0';
}

void text_init(struct text *text, size_t ceiling_bytes)
{
	/* Room for the NUL, always. */
	*text = (struct text){.ceiling = ceiling_bytes < SIZE_MAX ? ceiling_bytes : SIZE_MAX - 1};
}

void text_release(struct text *text)
{
	free(text->bytes);
	*text = (struct text){0};
}

void text_clear(struct text *text)
{
	text->length = 0;
	text->overflowed = false;
	if (text->bytes)
		text->bytes[0] = '\0';
}

bool text_ok(const struct text *text)
{
	return !text->overflowed;
}

const char *text_string(const struct text *text)
{
	return text->bytes ? text->bytes : "";
}

void text_add(struct text *text, const char *string)
{
	append(text, string, strlen(string));
}

void text_add_bytes(struct text *text, const void *bytes, size_t length)
{
	append(text, bytes, length);
}

void text_add_char(struct text *text, char character)
{
	append(text, &character, 1);
}

void text_addf(struct text *text, const char *format, ...)
{
	if (!reserve(text, 0))
		return;
	va_list arguments, again;
	va_start(arguments, format);
	va_copy(again, arguments);
	size_t room = text->capacity - text->length;
	int answer = vsnprintf(text->bytes + text->length, room, format, arguments);
	size_t length = answer > 0 ? (size_t)answer : 0;
	if (length >= room) {
		text->bytes[text->length] = '\0';
		if (reserve(text, length))
			vsnprintf(text->bytes + text->length, length + 1, format, again);
		else
			length = 0;
	}
	text->length += length;
	text->bytes[text->length] = '\0';
	va_end(again);
	va_end(arguments);
}

void text_add_int64(struct text *text, int64_t number)
{
	char digits[20];
	size_t start = sizeof(digits);
	uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
	do {
		digits[--start] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (number < 0)
		digits[--start] = '-';
	append(text, digits + start, sizeof(digits) - start);
}

/* An escape is one append: what does not fit as a whole is not there at all. */
static void undo_if_overflowed(struct text *text, size_t length_before)
{
	if (!text->overflowed || length_before == text->length)
		return;
	text->length = length_before;
	text->bytes[length_before] = '\0';
}

size_t text_utf8_length(const char *bytes, size_t length)
{
	const unsigned char *b = (const unsigned char *)bytes;
	if (length == 0)
		return 0;
	if (b[0] < 0x80)
		return 1;
	if (b[0] < 0xC2 || b[0] > 0xF4)
		return 0;
	size_t needed = b[0] < 0xE0 ? 2 : b[0] < 0xF0 ? 3 : 4;
	if (length < needed)
		return 0;
	/* The second byte also keeps out overlong forms, surrogates and what lies beyond U+10FFFF. */
	unsigned lowest = b[0] == 0xE0 ? 0xA0 : b[0] == 0xF0 ? 0x90 : 0x80;
	unsigned highest = b[0] == 0xED ? 0x9F : b[0] == 0xF4 ? 0x8F : 0xBF;
	if (b[1] < lowest || b[1] > highest)
		return 0;
	for (size_t i = 2; i < needed; i++) {
		if ((b[i] & 0xC0) != 0x80)
			return 0;
	}
	return needed;
}

static const char hex_upper[] = "0123456789ABCDEF";
static const char hex_lower[] = "0123456789abcdef";

/* 0: stays; 'u': \u00XX; '8': the start of something beyond ASCII; else the letter behind the backslash. */
static const char json_class[256] = {
	[0 ... 7] = 'u',   ['\b'] = 'b', ['\t'] = 't',  ['\n'] = 'n',          [11] = 'u', ['\f'] = 'f', ['\r'] = 'r',
	[14 ... 31] = 'u', ['"'] = '"',  ['\\'] = '\\', [0x80 ... 0xFF] = '8',
};

static void add_json_escape(struct text *text, unsigned char byte)
{
	char class = json_class[byte];
	if (class == '8')
		append(text, "\xEF\xBF\xBD", 3);
	else if (class == 'u')
		append(text, (char[]){'\\', 'u', '0', '0', hex_lower[byte >> 4], hex_lower[byte & 15]}, 6);
	else
		append(text, (char[]){'\\', class}, 2);
}

void text_add_json_string(struct text *text, const char *bytes, size_t length)
{
	size_t before = text->length;
	append(text, "\"", 1);
	size_t start = 0, at = 0;
	while (at < length) {
		unsigned char byte = (unsigned char)bytes[at];
		if (!json_class[byte]) {
			at++;
			continue;
		}
		size_t character = json_class[byte] == '8' ? text_utf8_length(bytes + at, length - at) : 0;
		if (character) {
			at += character;
			continue;
		}
		append(text, bytes + start, at - start);
		add_json_escape(text, byte);
		start = ++at;
	}
	if (length)
		append(text, bytes + start, length - start);
	append(text, "\"", 1);
	undo_if_overflowed(text, before);
}

static const char *const html_escapes[256] = {
	['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;",
};

void text_add_html(struct text *text, const char *bytes, size_t length)
{
	size_t before = text->length, start = 0;
	for (size_t at = 0; at < length; at++) {
		const char *escape = html_escapes[(unsigned char)bytes[at]];
		if (!escape)
			continue;
		append(text, bytes + start, at - start);
		append(text, escape, strlen(escape));
		start = at + 1;
	}
	if (length)
		append(text, bytes + start, length - start);
	undo_if_overflowed(text, before);
}

static const bool url_stays[256] = {
	['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['-'] = true,
	['.'] = true,         ['_'] = true,         ['~'] = true,
};

void text_add_url(struct text *text, const char *bytes, size_t length)
{
	size_t before = text->length, start = 0;
	for (size_t at = 0; at < length; at++) {
		unsigned char byte = (unsigned char)bytes[at];
		if (url_stays[byte])
			continue;
		append(text, bytes + start, at - start);
		append(text, (char[]){'%', hex_upper[byte >> 4], hex_upper[byte & 15]}, 3);
		start = at + 1;
	}
	if (length)
		append(text, bytes + start, length - start);
	undo_if_overflowed(text, before);
}

static const bool header_drops[256] = {[0 ... 31] = true, [127] = true};

void text_add_header(struct text *text, const char *bytes, size_t length)
{
	size_t before = text->length, start = 0;
	for (size_t at = 0; at < length; at++) {
		if (!header_drops[(unsigned char)bytes[at]])
			continue;
		append(text, bytes + start, at - start);
		start = at + 1;
	}
	if (length)
		append(text, bytes + start, length - start);
	undo_if_overflowed(text, before);
}

char *text_take(struct text *text, size_t *length)
{
	char *bytes = text->bytes ? text->bytes : memory_copy_bytes("", 0);
	if (length)
		*length = text->length;
	text_init(text, text->ceiling);
	return bytes;
}
