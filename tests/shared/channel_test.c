#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shared/channel.h"

static void every_name_reads_back(void **state)
{
	(void)state;
	static const char *const names[] = {"email", "sms", "push", "web_push", "in_app"};
	assert_int_equal(ARRAY_LENGTH(names), CHANNEL_COUNT);
	for (size_t i = 0; i < CHANNEL_COUNT; i++) {
		enum channel channel = CHANNEL_COUNT;
		assert_string_equal(channel_name((enum channel)i), names[i]);
		assert_true(channel_parse(names[i], &channel));
		assert_int_equal(channel, i);
	}
}

static void other_names_are_refused(void **state)
{
	(void)state;
	static const char *const names[] = {"", "Email", "emai", "emails", "web-push", "unknown"};
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		enum channel channel = CHANNEL_PUSH;
		assert_false(channel_parse(names[i], &channel));
		assert_int_equal(channel, CHANNEL_PUSH);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_reads_back),
		cmocka_unit_test(other_names_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
