#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "shared/error.h"

static void sets_kind_and_sentence(void **state)
{
	(void)state;
	struct error err = {0};
	assert_false(error_set(&err, ERROR_REFUSED, "code %d from %s", 451, "provider"));
	assert_int_equal(err.kind, ERROR_REFUSED);
	assert_string_equal(err.text, "code 451 from provider");
}

static void wraps_with_context_and_keeps_the_kind(void **state)
{
	(void)state;
	struct error err;
	error_set(&err, ERROR_UNCERTAIN, "connection lost");
	assert_false(error_wrap(&err, "delivery %d", 7));
	assert_int_equal(err.kind, ERROR_UNCERTAIN);
	assert_string_equal(err.text, "delivery 7: connection lost");
}

static void may_quote_itself(void **state)
{
	(void)state;
	struct error err;
	error_set(&err, ERROR_INVALID, "inner");
	error_set(&err, ERROR_TRANSIENT, "outer (%s)", err.text);
	assert_string_equal(err.text, "outer (inner)");
	error_wrap(&err, "%s", err.text);
	assert_string_equal(err.text, "outer (inner): outer (inner)");
}

static void cuts_what_is_too_long(void **state)
{
	(void)state;
	char sentence[1000];
	memset(sentence, 'x', sizeof(sentence) - 1);
	sentence[sizeof(sentence) - 1] = '\0';
	struct error err;
	error_set(&err, ERROR_INVALID, "%s", sentence);
	assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
	error_wrap(&err, "%s", "context");
	assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
	assert_memory_equal(err.text, "context: xxx", 12);
	error_wrap(&err, "%s", sentence);
	assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
}

static void never_cuts_inside_a_character(void **state)
{
	(void)state;
	struct error err;
	char sentence[600] = "";
	memset(sentence, 'x', ERROR_TEXT_MAX - 2);
	memcpy(sentence + ERROR_TEXT_MAX - 2, "\xC3\xA9\xC3\xA9", 5);
	error_set(&err, ERROR_INVALID, "%s", sentence);
	assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 2);
	assert_int_equal(err.text[ERROR_TEXT_MAX - 3], 'x');
}

static void names_every_kind(void **state)
{
	(void)state;
	static const char *const names[] = {"none", "transient", "refused", "invalid", "uncertain"};
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
		assert_string_equal(error_kind_name((enum error_kind)i), names[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_kind_and_sentence),
		cmocka_unit_test(wraps_with_context_and_keeps_the_kind),
		cmocka_unit_test(may_quote_itself),
		cmocka_unit_test(cuts_what_is_too_long),
		cmocka_unit_test(never_cuts_inside_a_character),
		cmocka_unit_test(names_every_kind),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
