#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "shared/pg_values.h"

#define BYTES(literal) literal, sizeof(literal) - 1
#define UNKNOWN        "\xef\xbf\xbd"

static const struct {
	const char *when;
	const char *bytes;
	size_t length;
	const char *array;
} items[] = {
	{"a plain word is quoted", BYTES("gold"), "{\"gold\"}"},
	{"an empty text is no null", BYTES(""), "{\"\"}"},
	{"the word NULL is no null", BYTES("NULL"), "{\"NULL\"}"},
	{"a null is one", NULL, 0, "{NULL}"},
	{"quotes are escaped", BYTES("say \"hi\""), "{\"say \\\"hi\\\"\"}"},
	{"backslashes are escaped", BYTES("a\\b\\"), "{\"a\\\\b\\\\\"}"},
	{"braces and commas need nothing more", BYTES("{a,b}"), "{\"{a,b}\"}"},
	{"a NUL cuts", BYTES("cut\0here"), "{\"cut\"}"},
	{"only so many bytes are read", "abcdef", 3, "{\"abc\"}"},
	{"lines and tabs stay", BYTES("a\nb\tc"), "{\"a\nb\tc\"}"},
	{"two, three and four bytes stay", BYTES("é€😀"), "{\"é€😀\"}"},
	{"a lone continuation is replaced", BYTES("a\x80z"), "{\"a" UNKNOWN "z\"}"},
	{"an unfinished character is replaced", BYTES("a\xe2\x82"), "{\"a" UNKNOWN UNKNOWN "\"}"},
	{"the byte behind an unfinished one is kept", BYTES("\xc3\""), "{\"" UNKNOWN "\\\"\"}"},
	{"an overlong slash is replaced", BYTES("\xc0\xaf"), "{\"" UNKNOWN UNKNOWN "\"}"},
	{"an overlong euro is replaced", BYTES("\xf0\x82\x82\xac"), "{\"" UNKNOWN UNKNOWN UNKNOWN UNKNOWN "\"}"},
	{"half a surrogate pair is replaced", BYTES("\xed\xa0\x80"), "{\"" UNKNOWN UNKNOWN UNKNOWN "\"}"},
	{"beyond U+10FFFF is replaced", BYTES("\xf4\x90\x80\x80"), "{\"" UNKNOWN UNKNOWN UNKNOWN UNKNOWN "\"}"},
	{"Latin-1 is replaced", BYTES("Andr\xe9!"), "{\"Andr" UNKNOWN "!\"}"},
};

static const char *parameter(const struct pg_values *values, int index)
{
	return values->nulls[index] ? NULL : values->bytes.bytes + values->offsets[index];
}

static void quotes_items_of_arrays(void **state)
{
	(void)state;
	struct pg_values values;
	pg_values_init(&values);
	for (size_t i = 0; i < ARRAY_LENGTH(items); i++) {
		pg_values_clear(&values);
		pg_values_start_array(&values);
		pg_values_item_text(&values, items[i].bytes, items[i].length);
		pg_values_end_array(&values);
		if (strcmp(parameter(&values, 0), items[i].array) != 0)
			fail_msg("%s: %s", items[i].when, parameter(&values, 0));
	}
	pg_values_release(&values);
}

static void keeps_several_in_order(void **state)
{
	(void)state;
	struct pg_values values;
	pg_values_init(&values);
	pg_values_add_text(&values, "a \"b\" \\");
	pg_values_add_null(&values);
	pg_values_add_int64(&values, INT64_MIN);
	pg_values_add_bool(&values, true);
	pg_values_start_array(&values);
	pg_values_end_array(&values);
	pg_values_start_array(&values);
	pg_values_item_int64(&values, -1);
	pg_values_item_null(&values);
	pg_values_item_int64(&values, INT64_MAX);
	pg_values_end_array(&values);
	pg_values_start_array(&values);
	pg_values_item_bool(&values, false);
	pg_values_item_bool(&values, true);
	pg_values_end_array(&values);
	pg_values_add_text(&values, NULL);
	pg_values_add_text(&values, "bad \xff byte");
	static const char *const expected[] = {
		"a \"b\" \\", NULL, "-9223372036854775808", "t", "{}", "{-1,NULL,9223372036854775807}",
		"{f,t}",      NULL, "bad " UNKNOWN " byte",
	};
	assert_int_equal(values.count, ARRAY_LENGTH(expected));
	for (int i = 0; i < values.count; i++)
		if (expected[i] == NULL)
			assert_null(parameter(&values, i));
		else
			assert_string_equal(parameter(&values, i), expected[i]);
	assert_true(text_ok(&values.bytes));
	pg_values_release(&values);
}

static void remembers_one_parameter_too_many(void **state)
{
	(void)state;
	struct pg_values values;
	pg_values_init(&values);
	for (int i = 0; i < PG_VALUES_MAX; i++)
		pg_values_add_int64(&values, i);
	assert_true(text_ok(&values.bytes));
	pg_values_add_int64(&values, PG_VALUES_MAX);
	assert_false(text_ok(&values.bytes));
	assert_int_equal(values.count, PG_VALUES_MAX);
	pg_values_clear(&values);
	assert_true(text_ok(&values.bytes));
	assert_int_equal(values.count, 0);
	pg_values_release(&values);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quotes_items_of_arrays),
		cmocka_unit_test(keeps_several_in_order),
		cmocka_unit_test(remembers_one_parameter_too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
