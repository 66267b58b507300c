#include "worker/template/piece.h"

#include <string.h>

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

size_t piece_unescape_one(const char *bytes, size_t length, char utf8[4], size_t *utf8_length)
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

size_t piece_unescape(const struct piece *text, char *out)
{
	const char *at = text->bytes, *end = text->bytes + text->length;
	char *to = out;

	while (at < end) {
		const char *backslash = memchr(at, '\\', (size_t)(end - at));
		size_t run = (size_t)((backslash != NULL ? backslash : end) - at);
		char utf8[4];
		size_t length;

		memcpy(to, at, run);
		to += run;
		at += run;
		if (backslash == NULL)
			break;
		at += piece_unescape_one(at, (size_t)(end - at), utf8, &length);
		memcpy(to, utf8, length);
		to += length;
	}
	return (size_t)(to - out);
}

bool piece_text_is(const struct piece *text, const char *bytes, size_t length)
{
	const char *at = text->bytes, *end = at + text->length;
	size_t matched = 0;

	if (text->kind == PIECE_STRING)
		return text->length == length && memcmp(text->bytes, bytes, length) == 0;
	while (at < end) {
		char utf8[4] = {*at};
		size_t one = 1;

		at += *at == '\\' ? piece_unescape_one(at, (size_t)(end - at), utf8, &one) : 1;
		if (length - matched < one || memcmp(bytes + matched, utf8, one) != 0)
			return false;
		matched += one;
	}
	return matched == length;
}

static inline const char *skip_space(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
		at++;
	return at;
}

/* At a quote; returns the place behind the closing one. */
static const char *take_text(const char *at, const char *end, struct piece *piece)
{
	const char *start = ++at;

	piece->kind = PIECE_STRING;
	while (at < end && *at != '"') {
		if (*at == '\\') {
			piece->kind = PIECE_ESCAPED;
			at++;
		}
		at++;
	}
	piece->bytes = start;
	piece->length = (size_t)(at - start);
	return at < end ? at + 1 : end;
}

/* Behind the container that opens here. */
static const char *skip_container(const char *at, const char *end)
{
	struct piece ignored;
	size_t depth = 0;

	while (at < end) {
		if (*at == '"') {
			at = take_text(at, end, &ignored);
			continue;
		}
		if (*at == '{' || *at == '[')
			depth++;
		else if ((*at == '}' || *at == ']') && --depth == 0)
			return at + 1;
		at++;
	}
	return end;
}

static const char *take_value(const char *at, const char *end, struct piece *piece)
{
	const char *start = at;

	if (at == end) {
		piece->kind = PIECE_MISSING;
		return end;
	}
	switch (*at) {
	case '"':
		return take_text(at, end, piece);
	case '{':
	case '[':
		piece->kind = *at == '{' ? PIECE_OBJECT : PIECE_ARRAY;
		at = skip_container(at, end);
		break;
	default:
		piece->kind = *at == 't'   ? PIECE_TRUE
			      : *at == 'f' ? PIECE_FALSE
			      : *at == 'n' ? PIECE_NULL
					   : PIECE_NUMBER;
		while (at<end && * at> ' ' && *at != ',' && *at != ']' && *at != '}')
			at++;
		break;
	}
	piece->bytes = start;
	piece->length = (size_t)(at - start);
	return at;
}

struct piece_walk piece_walk(const struct piece *container)
{
	if (container->kind != PIECE_ARRAY && container->kind != PIECE_OBJECT)
		return (struct piece_walk){.at = NULL, .end = NULL};
	return (struct piece_walk){.at = container->bytes + 1,
				   .end = container->bytes + container->length - 1,
				   .is_object = container->kind == PIECE_OBJECT};
}

bool piece_walk_next(struct piece_walk *walk, struct piece *key, struct piece *value)
{
	const char *at = skip_space(walk->at, walk->end);

	if (at < walk->end && *at == ',')
		at = skip_space(at + 1, walk->end);
	if (at == walk->end)
		return false;
	if (walk->is_object) {
		at = skip_space(take_text(at, walk->end, key), walk->end);
		at = skip_space(at < walk->end ? at + 1 : at, walk->end); /* the colon */
	}
	walk->at = take_value(at, walk->end, value);
	return true;
}

struct piece piece_member(const struct piece *object, const char *name, size_t name_length)
{
	struct piece_walk walk = piece_walk(object);
	struct piece found = {.kind = PIECE_MISSING}, key, value;

	if (object->kind != PIECE_OBJECT)
		return found;
	while (piece_walk_next(&walk, &key, &value))
		if (piece_text_is(&key, name, name_length))
			found = value;
	return found;
}

struct piece piece_element(const struct piece *array, int64_t index)
{
	struct piece_walk walk = piece_walk(array);
	struct piece key, value;

	if (array->kind != PIECE_ARRAY)
		return (struct piece){.kind = PIECE_MISSING};
	if (index < 0)
		index += (int64_t)piece_count(array);
	if (index < 0)
		return (struct piece){.kind = PIECE_MISSING};
	while (piece_walk_next(&walk, &key, &value))
		if (index-- == 0)
			return value;
	return (struct piece){.kind = PIECE_MISSING};
}

size_t piece_count(const struct piece *container)
{
	struct piece_walk walk = piece_walk(container);
	struct piece key, value;
	size_t count = 0;

	while (piece_walk_next(&walk, &key, &value))
		count++;
	return count;
}
