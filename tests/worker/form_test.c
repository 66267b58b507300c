#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "worker/providers/form.h"

static void show(const struct form *form, struct text *shown)
{
	for (size_t i = 0; i < form->count; i++) {
		text_add_char(shown, '[');
		text_add_bytes(shown, form->fields[i].name.bytes, form->fields[i].name.length);
		text_add_char(shown, '|');
		text_add_bytes(shown, form->fields[i].value.bytes, form->fields[i].value.length);
		text_add_char(shown, ']');
	}
}

static void test_what_a_form_means(void **state)
{
	static const struct {
		const char *when, *body, *fields; /* NULL: invalid */
	} rows[] = {
		{"nothing", "", ""},
		{"two fields", "a=1&b=2", "[a|1][b|2]"},
		{"a plus is a blank", "a+b=c+d", "[a b|c d]"},
		{"escapes in both cases", "%41=%c3%BC%2b%26", "[A|\u00fc+&]"},
		{"an escaped percent sign is not decoded twice", "a=%2541", "[a|%41]"},
		{"no equals sign", "a", "[a|]"},
		{"no name", "=b", "[|b]"},
		{"an equals sign in the value", "a=b=c", "[a|b=c]"},
		{"empty pairs", "&&a=1&&b=2&", "[a|1][b|2]"},
		{"the same name twice", "a=1&a=2", "[a|1][a|2]"},
		{"a percent sign at the end", "a=1%", NULL},
		{"half an escape", "a=%4", NULL},
		{"half an escape before the next field", "a=%4&b=1", NULL},
		{"an escape of other letters", "a=%4g", NULL},
		{"in the name, too", "%zz=1", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct error err = {0};
		struct text shown;
		struct form form;
		bool parsed = form_parse(&form, provider_slice(rows[i].body), &err);

		if (parsed != (rows[i].fields != NULL))
			fail_msg("%s: %s", rows[i].when, err.text);
		if (!parsed) {
			assert_int_equal(err.kind, ERROR_INVALID);
			continue;
		}
		text_init(&shown, 1000);
		show(&form, &shown);
		if (strcmp(text_string(&shown), rows[i].fields) != 0)
			fail_msg("%s: %s", rows[i].when, text_string(&shown));
		text_release(&shown);
		form_release(&form);
	}
}

static void test_only_so_many_fields(void **state)
{
	char body[2 * FORM_FIELDS_MAX + 3];
	struct error err = {0};
	struct form form;

	(void)state;
	for (size_t i = 0; i < sizeof(body); i += 2)
		memcpy(body + i, "a&", i + 1 < sizeof(body) ? 2 : 1);
	assert_true(form_parse(&form, (struct slice){body, 2 * FORM_FIELDS_MAX}, &err));
	assert_int_equal(form.count, FORM_FIELDS_MAX);
	form_release(&form);
	assert_false(form_parse(&form, (struct slice){body, 2 * FORM_FIELDS_MAX + 1}, &err));
	assert_int_equal(err.kind, ERROR_INVALID);
}

static void test_finding_a_value(void **state)
{
	struct error err = {0};
	struct form form;

	(void)state;
	assert_true(form_parse(&form, provider_slice("a=1&ab=2&a=3&%00=4"), &err));
	assert_memory_equal(form_value(&form, "a").bytes, "1", 1);
	assert_memory_equal(form_value(&form, "ab").bytes, "2", 1);
	assert_null(form_value(&form, "b").bytes);
	assert_null(form_value(&form, "").bytes);
	form_release(&form);
}

static void test_what_is_signed(void **state)
{
	static const struct {
		const char *when, *body, *sorted;
	} rows[] = {
		{"by name", "b=2&a=1", "a1b2"},
		{"by the names' bytes", "b=1&B=2&a_=3&a=4", "B2a4a_3b1"},
		{"the same name by value", "a=2&a=1", "a1a2"},
		{"what is there twice is there once", "a=2&b=0&a=1&a=2", "a1a2b0"},
		{"a shorter value comes first", "a=12&a=1", "a1a12"},
		{"nothing", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct error err = {0};
		struct text sorted;
		struct form form;

		text_init(&sorted, 1000);
		assert_true(form_parse(&form, provider_slice(rows[i].body), &err));
		form_add_sorted(&form, &sorted);
		if (strcmp(text_string(&sorted), rows[i].sorted) != 0)
			fail_msg("%s: %s", rows[i].when, text_string(&sorted));
		form_release(&form);
		text_release(&sorted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_form_means),
		cmocka_unit_test(test_only_so_many_fields),
		cmocka_unit_test(test_finding_a_value),
		cmocka_unit_test(test_what_is_signed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
