#include "tests/sandbox/span.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

struct span span_of(const char *string)
{
	return (struct span){string, string ? strlen(string) : 0};
}

struct span span_of_text(const struct text *text)
{
	return (struct span){text_string(text), text->length};
}

bool span_equal(struct span span, const char *string)
{
	return span.length == strlen(string) && memcmp(span.bytes, string, span.length) == 0;
}

bool span_is(struct span span, const char *string)
{
	return span.length == strlen(string) && strncasecmp(span.bytes, string, span.length) == 0;
}

bool span_starts(struct span span, const char *string)
{
	size_t length = strlen(string);

	return span.length >= length && memcmp(span.bytes, string, length) == 0;
}

bool span_contains(struct span span, const char *string)
{
	return span.length > 0 && memmem(span.bytes, span.length, string, strlen(string));
}

struct span span_skip(struct span span, size_t bytes)
{
	size_t skipped = bytes < span.length ? bytes : span.length;

	return (struct span){span.bytes + skipped, span.length - skipped};
}

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t';
}

struct span span_trim(struct span span)
{
	while (span.length > 0 && is_blank(span.bytes[0]))
		span = span_skip(span, 1);
	while (span.length > 0 && is_blank(span.bytes[span.length - 1]))
		span.length--;
	return span;
}

struct span span_cut(struct span *rest, char mark)
{
	const char *at = rest->length > 0 ? memchr(rest->bytes, mark, rest->length) : NULL;
	struct span head = {rest->bytes, at ? (size_t)(at - rest->bytes) : rest->length};

	*rest = span_skip(*rest, head.length + 1);
	return head;
}

int64_t span_number(struct span span, int64_t highest)
{
	int64_t number = 0;

	if (span.length == 0 || span.length > 18)
		return -1;
	for (size_t i = 0; i < span.length; i++) {
		if (!isdigit((unsigned char)span.bytes[i]))
			return -1;
		number = number * 10 + (span.bytes[i] - '0');
	}
	return number <= highest ? number : -1;
}

void span_add(struct text *out, struct span span)
{
	if (span.length > 0)
		text_add_bytes(out, span.bytes, span.length);
}

static int hex_digit(char byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte = (char)tolower((unsigned char)byte);
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static void add_decoded(struct text *out, struct span field)
{
	for (size_t i = 0; i < field.length; i++) {
		bool is_escape = field.bytes[i] == '%' && i + 2 < field.length && hex_digit(field.bytes[i + 1]) >= 0 &&
				 hex_digit(field.bytes[i + 2]) >= 0;

		if (is_escape) {
			text_add_char(out, (char)(hex_digit(field.bytes[i + 1]) * 16 + hex_digit(field.bytes[i + 2])));
			i += 2;
		} else {
			text_add_char(out, field.bytes[i] == '+' ? ' ' : field.bytes[i]);
		}
	}
}

bool span_next_field(struct span *form, struct text *name, struct text *value)
{
	struct span field;

	if (form->length == 0)
		return false;
	field = span_cut(form, '&');
	text_clear(name);
	text_clear(value);
	add_decoded(name, span_cut(&field, '='));
	add_decoded(value, field);
	return true;
}

bool span_find_field(struct span form, const char *wanted, struct text *value)
{
	struct text name;
	bool found = false;

	text_init(&name, 4096);
	while (!found && span_next_field(&form, &name, value))
		found = span_equal(span_of_text(&name), wanted);
	text_release(&name);
	if (!found)
		text_clear(value);
	return found;
}
