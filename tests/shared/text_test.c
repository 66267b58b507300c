#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "shared/text.h"

typedef void escape(struct text *text, const char *bytes, size_t length);

#define BYTES(literal) literal, sizeof(literal) - 1

static const struct {
	const char *when;
	escape *escape;
	const char *in;
	size_t length;
	const char *out;
} escapes[] = {
	{"plain JSON", text_add_json_string, BYTES("plain"), "\"plain\""},
	{"empty JSON", text_add_json_string, BYTES(""), "\"\""},
	{"quotes and backslashes", text_add_json_string, BYTES("a\"b\\c/"), "\"a\\\"b\\\\c/\""},
	{"controls", text_add_json_string, BYTES("\b\f\n\r\t\x01\x1F\x7F"), "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7F\""},
	{"a NUL inside", text_add_json_string, BYTES("a\0b"), "\"a\\u0000b\""},
	{"UTF-8 stays", text_add_json_string, BYTES("\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"),
	 "\"\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\""},
	{"a lone continuation byte", text_add_json_string, BYTES("a\x80z"), "\"a\xEF\xBF\xBDz\""},
	{"a character cut at the end", text_add_json_string, BYTES("a\xC3"), "\"a\xEF\xBF\xBD\""},
	{"an overlong slash", text_add_json_string, BYTES("\xC0\xAF"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
	{"a surrogate", text_add_json_string, BYTES("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
	{"HTML", text_add_html, BYTES("<a href=\"x\">Tom & 'Jerry'</a>"),
	 "&lt;a href=&quot;x&quot;&gt;Tom &amp; &#39;Jerry&#39;&lt;/a&gt;"},
	{"HTML without anything to escape", text_add_html, BYTES("caf\xC3\xA9"), "caf\xC3\xA9"},
	{"unreserved characters in a URL", text_add_url, BYTES("AZaz09-._~"), "AZaz09-._~"},
	{"everything else in a URL", text_add_url, BYTES("a b+/?\xC3\xA9%"), "a%20b%2B%2F%3F%C3%A9%25"},
	{"a header that tries to become two", text_add_header, BYTES("Hi\r\nBcc: x\0\x7F\ty"), "HiBcc: xy"},
	{"UTF-8 in a header stays", text_add_header, BYTES("\xC3\xA9"), "\xC3\xA9"},
};

static void escapes_for_one_place_each(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(escapes); i++) {
		struct text text;
		text_init(&text, 1000);
		escapes[i].escape(&text, escapes[i].in, escapes[i].length);
		if (strcmp(text_string(&text), escapes[i].out) != 0)
			fail_msg("%s: %s, not %s", escapes[i].when, text_string(&text), escapes[i].out);
		text_release(&text);
	}
}

static void an_escape_fits_whole_or_not_at_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(escapes); i++) {
		size_t whole = strlen(escapes[i].out);
		for (size_t ceiling = 2; ceiling <= 2 + whole; ceiling++) {
			struct text text;
			text_init(&text, ceiling);
			text_add(&text, "||");
			escapes[i].escape(&text, escapes[i].in, escapes[i].length);
			bool fits = ceiling == 2 + whole;
			if (text_ok(&text) != fits || text.length != (fits ? ceiling : 2))
				fail_msg("%s: ceiling %zu, length %zu", escapes[i].when, ceiling, text.length);
			assert_int_equal(strlen(text_string(&text)), text.length);
			text_release(&text);
		}
	}
}

static void prints_numbers(void **state)
{
	(void)state;
	static const struct {
		int64_t number;
		const char *out;
	} rows[] = {
		{0, "0"},
		{7, "7"},
		{-1, "-1"},
		{1234567890, "1234567890"},
		{INT64_MAX, "9223372036854775807"},
		{INT64_MIN, "-9223372036854775808"},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct text text;
		text_init(&text, 100);
		text_add_int64(&text, rows[i].number);
		assert_string_equal(text_string(&text), rows[i].out);
		text_release(&text);
	}
}

static void grows_up_to_the_ceiling_and_sticks_there(void **state)
{
	(void)state;
	struct text text;
	text_init(&text, 1000);
	for (int i = 0; i < 100; i++)
		text_add(&text, "0123456789");
	assert_true(text_ok(&text));
	assert_int_equal(text.length, 1000);
	assert_true(text.capacity <= 1001);
	text_add(&text, "");
	assert_true(text_ok(&text));
	text_add_char(&text, 'x');
	assert_false(text_ok(&text));
	assert_int_equal(strlen(text_string(&text)), 1000);

	text_clear(&text);
	assert_true(text_ok(&text));
	assert_string_equal(text_string(&text), "");
	text_add(&text, "again");
	assert_string_equal(text_string(&text), "again");
	text_release(&text);
}

static void an_overflow_keeps_out_what_follows(void **state)
{
	(void)state;
	struct text text;
	text_init(&text, 5);
	text_add(&text, "abc");
	text_add(&text, "too much");
	text_add(&text, "d");
	text_addf(&text, "%d", 1);
	text_add_int64(&text, 1);
	assert_false(text_ok(&text));
	assert_string_equal(text_string(&text), "abc");
	text_release(&text);
}

static void formats_at_every_distance_from_the_capacity(void **state)
{
	(void)state;
	for (size_t before = 0; before < 140; before++) {
		struct text text;
		text_init(&text, 200);
		for (size_t i = 0; i < before; i++)
			text_add_char(&text, '.');
		text_addf(&text, "%s=%d", "some words of no meaning", 42);
		assert_true(text_ok(&text));
		assert_int_equal(text.length, before + 27);
		assert_string_equal(text_string(&text) + before, "some words of no meaning=42");
		text_release(&text);
	}
}

static void a_format_over_the_ceiling_leaves_nothing(void **state)
{
	(void)state;
	struct text text;
	text_init(&text, 10);
	text_add(&text, "abc");
	text_addf(&text, "%s", "12345678");
	assert_false(text_ok(&text));
	assert_string_equal(text_string(&text), "abc");
	text_clear(&text);
	text_addf(&text, "%s", "1234567890");
	assert_true(text_ok(&text));
	text_release(&text);
}

static void keeps_nul_bytes(void **state)
{
	(void)state;
	struct text text;
	text_init(&text, 10);
	text_add_bytes(&text, "a\0b", 3);
	assert_int_equal(text.length, 3);
	assert_memory_equal(text.bytes, "a\0b", 4);
	text_release(&text);
}

static void a_zeroed_text_is_empty_and_holds_nothing(void **state)
{
	(void)state;
	struct text text = {0};
	assert_string_equal(text_string(&text), "");
	text_add(&text, "");
	assert_true(text_ok(&text));
	assert_non_null(text.bytes);
	text_add(&text, "x");
	assert_false(text_ok(&text));
	text_release(&text);
	text_release(&text);
}

static void gives_its_bytes_away(void **state)
{
	(void)state;
	struct text text;
	text_init(&text, 10);
	text_add(&text, "mine");
	size_t length;
	char *bytes = text_take(&text, &length);
	assert_int_equal(length, 4);
	assert_string_equal(bytes, "mine");
	free(bytes);
	bytes = text_take(&text, NULL);
	assert_string_equal(bytes, "");
	free(bytes);
	text_add(&text, "next");
	assert_string_equal(text_string(&text), "next");
	text_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes_for_one_place_each),
		cmocka_unit_test(an_escape_fits_whole_or_not_at_all),
		cmocka_unit_test(prints_numbers),
		cmocka_unit_test(grows_up_to_the_ceiling_and_sticks_there),
		cmocka_unit_test(an_overflow_keeps_out_what_follows),
		cmocka_unit_test(formats_at_every_distance_from_the_capacity),
		cmocka_unit_test(a_format_over_the_ceiling_leaves_nothing),
		cmocka_unit_test(keeps_nul_bytes),
		cmocka_unit_test(a_zeroed_text_is_empty_and_holds_nothing),
		cmocka_unit_test(gives_its_bytes_away),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
