#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "worker/template_cache.h"

static const struct message_template *get(struct template_cache *cache, const char *key, const char *body)
{
	const struct message_sources sources = {.bytes = {"", body, ""}, .length = {0, strlen(body), 0}};
	struct named_texts *partials = named_texts_read(NULL);
	const struct message_template *template = template_cache_get(cache, key, CHANNEL_EMAIL, &sources, partials);

	named_texts_free(&partials);
	return template;
}

/* Gets it and gives it back at once. */
static void touch(struct template_cache *cache, const char *key, const char *body)
{
	const struct message_template *template = get(cache, key, body);

	template_cache_release(cache, &template);
	assert_null(template);
}

static void test_the_same_key_is_compiled_once(void **state)
{
	struct template_cache *cache =
		template_cache_new(&(struct template_cache_limits){.entries_max = 10, .source_bytes_max = 1000});
	const struct message_template *one = get(cache, "1 {}", "Hi"), *again = get(cache, "1 {}", "Hi"),
				      *other = get(cache, "1 {7}", "Hi");

	(void)state;
	assert_ptr_equal(one, again);
	assert_ptr_not_equal(one, other);
	assert_null(one->problem);
	assert_non_null(one->parts[MESSAGE_BODY_TEXT]);
	assert_null(one->parts[MESSAGE_BODY_HTML]); /* empty: nothing to render */
	assert_int_equal(template_cache_count(cache), 2);
	assert_int_equal(template_cache_compiled(cache), 2);
	template_cache_free(&cache);
	assert_null(cache);
}

static void test_the_least_recently_used_goes(void **state)
{
	struct template_cache *cache =
		template_cache_new(&(struct template_cache_limits){.entries_max = 2, .source_bytes_max = 1000});

	(void)state;
	touch(cache, "1", "a");
	touch(cache, "2", "a");
	touch(cache, "1", "a");
	touch(cache, "3", "a"); /* in the place of 2 */
	assert_int_equal(template_cache_compiled(cache), 3);
	touch(cache, "1", "a");
	assert_int_equal(template_cache_compiled(cache), 3);
	touch(cache, "2", "a");
	assert_int_equal(template_cache_compiled(cache), 4);
	assert_int_equal(template_cache_count(cache), 2);
	template_cache_free(&cache);
}

static void test_the_sources_are_bounded_too(void **state)
{
	struct template_cache *cache =
		template_cache_new(&(struct template_cache_limits){.entries_max = 100, .source_bytes_max = 10});

	(void)state;
	touch(cache, "1", "aaaa");
	touch(cache, "2", "aaaa");
	assert_int_equal(template_cache_count(cache), 2);
	touch(cache, "3", "aaaa");
	assert_int_equal(template_cache_count(cache), 2);
	touch(cache, "4", "more than there is room for");
	assert_int_equal(template_cache_count(cache), 1);
	template_cache_free(&cache);
}

static void test_what_is_used_stays(void **state)
{
	struct template_cache *cache =
		template_cache_new(&(struct template_cache_limits){.entries_max = 1, .source_bytes_max = 1000});
	const struct message_template *used = get(cache, "1", "a");

	(void)state;
	touch(cache, "2", "a");
	assert_int_equal(template_cache_count(cache), 2);
	assert_ptr_equal(get(cache, "1", "a"), used);
	template_cache_release(cache, &used);
	touch(cache, "3", "a"); /* somebody else still uses 1, nobody 2 */
	touch(cache, "1", "a");
	assert_int_equal(template_cache_compiled(cache), 3);
	template_cache_free(&cache);
}

static void test_a_fault_is_kept_as_well(void **state)
{
	struct template_cache *cache =
		template_cache_new(&(struct template_cache_limits){.entries_max = 10, .source_bytes_max = 1000});
	const struct message_template *template = get(cache, "1", "Dear\n{{ name");

	(void)state;
	assert_non_null(strstr(template->problem, "body_text, line 2, column 1: "));
	assert_null(template->parts[MESSAGE_SUBJECT]);
	touch(cache, "1", "Dear\n{{ name");
	assert_int_equal(template_cache_compiled(cache), 1);
	template_cache_free(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_key_is_compiled_once),
		cmocka_unit_test(test_the_least_recently_used_goes),
		cmocka_unit_test(test_the_sources_are_bounded_too),
		cmocka_unit_test(test_what_is_used_stays),
		cmocka_unit_test(test_a_fault_is_kept_as_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
