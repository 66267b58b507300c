/* Forms and queries, as they come in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "worker/callbacks/fields.h"

static const struct {
	const char *when, *bytes, *expected; /* name=value; of each field */
} rows[] = {
	{"nothing", "", ""},
	{"one", "a=b", "a=b;"},
	{"several, one name twice", "on=1.email&on=2.sms", "on=1.email;on=2.sms;"},
	{"no value", "a&b=", "a=;b=;"},
	{"no name", "=x", "=x;"},
	{"an = in the value", "a=b=c", "a=b=c;"},
	{"a blank", "a=b+c%20d", "a=b c d;"},
	{"more than ASCII", "a=%C4%81", "a=\u0101;"},
	{"a % that is just that", "a=100%&b=%zz%4", "a=100%;b=%zz%4;"},
	{"capitals in digits", "a=%2b%2B", "a=++;"},
	{"empty fields are none", "&&a=1&&", "a=1;"},
	{"the name is decoded, too", "%61=1", "a=1;"},
};

static void add_all(struct text *found, struct slice bytes)
{
	struct fields fields;

	fields_start(&fields, bytes);
	while (fields_next(&fields)) {
		text_add_bytes(found, fields.name.bytes, fields.name.length);
		text_add_char(found, '=');
		text_add_bytes(found, fields.value.bytes, fields.value.length);
		text_add_char(found, ';');
	}
}

static void test_rows(void **state)
{
	struct text found;

	(void)state;
	text_init(&found, 4096);
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		size_t length = strlen(rows[i].bytes);
		char *exact = memory_new(length > 0 ? length : 1);

		memcpy(exact, rows[i].bytes, length);
		text_clear(&found);
		add_all(&found, (struct slice){exact, length});
		if (strcmp(text_string(&found), rows[i].expected) != 0)
			fail_msg("%s: %s", rows[i].when, text_string(&found));
		free(exact);
	}
	text_release(&found);
}

static void test_bounds(void **state)
{
	struct fields fields;
	struct text bytes;
	size_t count = 0;

	(void)state;
	text_init(&bytes, 1 << 20);
	for (size_t i = 0; i < FIELDS_MAX + 10; i++)
		text_add(&bytes, "a=b&");
	fields_start(&fields, (struct slice){bytes.bytes, bytes.length});
	while (fields_next(&fields))
		count++;
	assert_int_equal(count, FIELDS_MAX);
	text_clear(&bytes);
	for (size_t i = 0; i < FIELDS_VALUE_MAX + 10; i++)
		text_add(&bytes, "%41");
	text_add(&bytes, "=x");
	fields_start(&fields, (struct slice){bytes.bytes, bytes.length});
	assert_true(fields_next(&fields));
	assert_int_equal(fields.name.length, FIELDS_VALUE_MAX);
	assert_int_equal(fields.value.length, 1);
	text_release(&bytes);
	fields_start(&fields, (struct slice){0});
	assert_false(fields_next(&fields));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
