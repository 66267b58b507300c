#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "worker/named_texts.h"

static const struct row {
	const char *when, *json, *name, *text; /* text NULL: there is none */
	size_t length;
} rows[] = {
	{"a text", "{\"footer\": \"Yours\", \"sign\": \"Anna\"}", "sign", "Anna", 4},
	{"a name that begins with another", "{\"foot\": \"a\", \"footer\": \"b\"}", "foot", "a", 1},
	{"a name that is not there", "{\"footer\": \"Yours\"}", "foot", NULL, 0},
	{"an empty text is one", "{\"footer\": \"\"}", "footer", "", 0},
	{"a text holds its NUL", "{\"footer\": \"a\\u0000b\"}", "footer", "a\0b", 3},
	{"a number is no text", "{\"footer\": 7}", "footer", NULL, 0},
	{"null instead of an object", NULL, "footer", NULL, 0},
	{"a list instead of an object", "[\"footer\"]", "footer", NULL, 0},
	{"no JSON at all", "{\"footer", "footer", NULL, 0},
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct named_texts *texts = named_texts_read(rows[i].json);
		const char *text = NULL;
		size_t length = 0;

		print_message("%s\n", rows[i].when);
		assert_int_equal(named_texts_find(texts, rows[i].name, strlen(rows[i].name), &text, &length),
				 rows[i].text != NULL);
		assert_int_equal(length, rows[i].length);
		if (rows[i].text != NULL)
			assert_memory_equal(text, rows[i].text, length + 1);
		named_texts_free(&texts);
		assert_null(texts);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
