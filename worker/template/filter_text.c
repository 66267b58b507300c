#include <string.h>

#include "shared/text.h"
#include "worker/template/filter.h"
#include "worker/template/letter_case.h"

/* The input as a text, its bytes paid for. */
static bool text_of(const struct filter_call *call, int number, struct value *text)
{
	return run_string(call->run, &call->arguments[number], text) && run_charge(call->run, text->length);
}

static bool join_two(struct run *run, const struct value *first, const struct value *second, struct value *result)
{
	size_t length = (size_t)first->length + second->length;
	char *bytes = run_memory(run, length);

	if (bytes == NULL || !run_charge(run, length))
		return false;
	if (first->length > 0)
		memcpy(bytes, first->bytes, first->length);
	if (second->length > 0)
		memcpy(bytes + first->length, second->bytes, second->length);
	*result = value_string(bytes, length);
	result->is_safe = first->is_safe && second->is_safe;
	return true;
}

static bool append(const struct filter_call *call, struct value *result)
{
	struct value input, other;

	return text_of(call, 0, &input) && text_of(call, 1, &other) && join_two(call->run, &input, &other, result);
}

static bool prepend(const struct filter_call *call, struct value *result)
{
	struct value input, other;

	return text_of(call, 0, &input) && text_of(call, 1, &other) && join_two(call->run, &other, &input, result);
}

static bool change_case(const struct filter_call *call, enum letter_case first, enum letter_case rest,
			struct value *result)
{
	struct value text;
	size_t room, split, length;
	char *bytes;

	if (!text_of(call, 0, &text))
		return false;
	room = LETTER_CASE_GROWTH * (size_t)text.length;
	if ((bytes = run_memory(call->run, room)) == NULL)
		return false;
	split = first == rest ? text.length : text_utf8_length(text.bytes, text.length);
	length = letter_case_change(text.bytes, split, first, bytes);
	length += letter_case_change(text.bytes + split, text.length - split, rest, bytes + length);
	arena_shrink(call->run->arena, bytes, room, length);
	*result = value_string(bytes, length);
	return true;
}

static bool upcase(const struct filter_call *call, struct value *result)
{
	return change_case(call, LETTER_UPPER, LETTER_UPPER, result);
}

static bool downcase(const struct filter_call *call, struct value *result)
{
	return change_case(call, LETTER_LOWER, LETTER_LOWER, result);
}

static bool capitalize(const struct filter_call *call, struct value *result)
{
	return change_case(call, LETTER_UPPER, LETTER_LOWER, result);
}

/* NUL also, as in Ruby. */
static bool is_blank(char byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r') || byte == '\0';
}

static bool trim(const struct filter_call *call, bool left, bool right, struct value *result)
{
	struct value text;

	if (!text_of(call, 0, &text))
		return false;
	while (left && text.length > 0 && is_blank(*text.bytes)) {
		text.bytes++;
		text.length--;
	}
	while (right && text.length > 0 && is_blank(text.bytes[text.length - 1]))
		text.length--;
	*result = value_string(text.bytes, text.length);
	return true;
}

static bool strip(const struct filter_call *call, struct value *result)
{
	return trim(call, true, true, result);
}

static bool lstrip(const struct filter_call *call, struct value *result)
{
	return trim(call, true, false, result);
}

static bool rstrip(const struct filter_call *call, struct value *result)
{
	return trim(call, false, true, result);
}

static bool strip_newlines(const struct filter_call *call, struct value *result)
{
	struct value text;
	size_t length = 0;
	char *bytes;

	if (!text_of(call, 0, &text) || (bytes = run_memory(call->run, text.length)) == NULL)
		return false;
	for (uint32_t i = 0; i < text.length; i++) {
		if (text.bytes[i] == '\r' && i + 1 < text.length && text.bytes[i + 1] == '\n')
			continue;
		if (text.bytes[i] != '\n')
			bytes[length++] = text.bytes[i];
	}
	*result = value_string(bytes, length);
	return true;
}

/* -- replacing -- */

static size_t count_found(const struct value *text, const struct value *wanted)
{
	const char *at = text->bytes, *end = at + text->length;
	size_t count = 0;

	while (at < end && (at = memmem(at, (size_t)(end - at), wanted->bytes, wanted->length)) != NULL) {
		at += wanted->length;
		count++;
	}
	return count;
}

/* Nothing is found before every character, and behind the last. */
static bool replace_nothing(struct run *run, const struct value *text, const struct value *with, struct value *result)
{
	size_t count = 1, length;
	char *bytes, *to;

	for (uint32_t i = 0; i < text->length; i++)
		count += ((unsigned char)text->bytes[i] & 0xC0) != 0x80;
	if (__builtin_mul_overflow(count, (size_t)with->length, &length) || (length += text->length) > UINT32_MAX)
		return run_out_of_memory(run);
	if ((bytes = to = run_memory(run, length)) == NULL || !run_charge(run, length))
		return false;
	for (uint32_t i = 0; i < text->length; i++) {
		if (((unsigned char)text->bytes[i] & 0xC0) != 0x80) {
			memcpy(to, with->bytes, with->length);
			to += with->length;
		}
		*to++ = text->bytes[i];
	}
	memcpy(to, with->bytes, with->length);
	*result = value_string(bytes, (size_t)(to - bytes) + with->length);
	return true;
}

static bool replace_all(struct run *run, const struct value *text, const struct value *wanted, const struct value *with,
			struct value *result)
{
	size_t count, length;
	const char *at = text->bytes, *end = at + text->length;
	char *bytes, *to;

	if (!run_charge_search(run, text->length))
		return false;
	count = count_found(text, wanted);
	if (__builtin_mul_overflow(count, (size_t)with->length, &length) ||
	    (length += text->length - count * wanted->length) > UINT32_MAX)
		return run_out_of_memory(run);
	if (!run_charge(run, length + 64 * count) || (bytes = to = run_memory(run, length)) == NULL)
		return false;
	while (count-- > 0) {
		const char *found = memmem(at, (size_t)(end - at), wanted->bytes, wanted->length);

		memcpy(to, at, (size_t)(found - at));
		to += found - at;
		memcpy(to, with->bytes, with->length);
		to += with->length;
		at = found + wanted->length;
	}
	if (end > at)
		memcpy(to, at, (size_t)(end - at));
	*result = value_string(bytes, length);
	return true;
}

static bool splice(struct run *run, const struct value *text, size_t from, size_t wanted, const struct value *with,
		   struct value *result)
{
	struct value before = value_string(text->bytes, from), after, head;

	after = value_string(text->bytes + from + wanted, text->length - from - wanted);
	return join_two(run, &before, with, &head) && join_two(run, &head, &after, result);
}

/* The last place; the end of the text: there is none. */
static size_t find_last(const struct value *text, const struct value *wanted)
{
	for (size_t at = (size_t)text->length + 1; at-- > 0;)
		if (text->length - at >= wanted->length && memcmp(text->bytes + at, wanted->bytes, wanted->length) == 0)
			return at;
	return text->length;
}

enum which { ALL, FIRST, LAST };

static bool replace_which(const struct filter_call *call, enum which which, struct value *result)
{
	struct value text, wanted, with = value_string("", 0);
	const char *found;
	size_t at;

	if (!text_of(call, 0, &text) || !text_of(call, 1, &wanted) || (call->count > 1 && !text_of(call, 2, &with)))
		return false;
	if (which == ALL)
		return wanted.length == 0 ? replace_nothing(call->run, &text, &with, result)
					  : replace_all(call->run, &text, &wanted, &with, result);
	*result = value_string(text.bytes, text.length);
	if (wanted.length > text.length)
		return true;
	if (which == LAST) {
		/* Looking from behind costs its length at every place. */
		if (!run_charge(call->run, (size_t)text.length * (wanted.length < 64 ? 1 : wanted.length / 16)))
			return false;
		at = find_last(&text, &wanted);
	} else {
		found = wanted.length == 0 ? text.bytes : memmem(text.bytes, text.length, wanted.bytes, wanted.length);
		at = found != NULL ? (size_t)(found - text.bytes) : text.length;
	}
	if (at == text.length && wanted.length > 0)
		return true;
	return splice(call->run, &text, at, wanted.length, &with, result);
}

static bool replace(const struct filter_call *call, struct value *result)
{
	return replace_which(call, ALL, result);
}

static bool replace_first(const struct filter_call *call, struct value *result)
{
	return replace_which(call, FIRST, result);
}

static bool replace_last(const struct filter_call *call, struct value *result)
{
	return replace_which(call, LAST, result);
}

/* default: "friend", allow_false: true */
static bool use_default(const struct filter_call *call, struct value *result)
{
	const struct value *input = &call->arguments[0];
	int keyword = call->op->b, plain = keyword == 1 ? 2 : 1;
	bool allows_false = keyword != 0 && value_is_truthy(&call->arguments[keyword]);
	struct value nothing = {.kind = VALUE_EMPTY};
	bool wants = allows_false ? input->kind == VALUE_NIL : !value_is_truthy(input), is_empty;

	if (!value_equals(call->run, input, &nothing, &is_empty))
		return false;
	if (!wants && !is_empty)
		*result = *input;
	else
		*result = call->count - (keyword != 0) > 0 ? call->arguments[plain] : value_string("", 0);
	return true;
}

const struct filter text_filters[] = {
	{"append", append, 1, 1, "| append: \" points\"", NULL, false, false, false},
	{"prepend", prepend, 1, 1, "| prepend: \"Dear \"", NULL, false, false, false},
	{"upcase", upcase, 0, 0, "| upcase", NULL, false, false, false},
	{"downcase", downcase, 0, 0, "| downcase", NULL, false, false, false},
	{"capitalize", capitalize, 0, 0, "| capitalize", NULL, false, false, false},
	{"strip", strip, 0, 0, "| strip", NULL, false, false, true},
	{"lstrip", lstrip, 0, 0, "| lstrip", NULL, false, false, true},
	{"rstrip", rstrip, 0, 0, "| rstrip", NULL, false, false, true},
	{"strip_newlines", strip_newlines, 0, 0, "| strip_newlines", NULL, false, false, true},
	{"replace", replace, 1, 2, "| replace: \"a\", \"b\"", NULL, false, false, false},
	{"replace_first", replace_first, 1, 2, "| replace_first: \"a\", \"b\"", NULL, false, false, false},
	{"replace_last", replace_last, 2, 2, "| replace_last: \"a\", \"b\"", NULL, false, false, false},
	{"remove", replace, 1, 1, "| remove: \"a\"", NULL, false, false, false},
	{"remove_first", replace_first, 1, 1, "| remove_first: \"a\"", NULL, false, false, false},
	{"remove_last", replace_last, 1, 1, "| remove_last: \"a\"", NULL, false, false, false},
	{"default", use_default, 0, 1, "| default: \"friend\"", "allow_false", true, false, true},
	{.name = NULL},
};
