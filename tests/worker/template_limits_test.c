/* Templates that want to hold a worker up. Each is refused or ends within the steps, memory and output that it may use:
 * counted, not timed. What a step costs is measured by tests/load/render --hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "hostile.h"
#include "worker/template/template.h"

#define OUTPUT_MAX ((size_t)16 * 1024 * 1024)

/* Every growth of the library and of a text goes through here (tests/CMakeLists.txt): how often memory was asked for. */
void *__real_memory_grow(void *old, size_t count, size_t size_bytes);
void *__wrap_memory_grow(void *old, size_t count, size_t size_bytes);
void *__real_memory_new(size_t size_bytes);
void *__wrap_memory_new(size_t size_bytes);

static size_t asked;

void *__wrap_memory_grow(void *old, size_t count, size_t size_bytes)
{
	asked++;
	return __real_memory_grow(old, count, size_bytes);
}

void *__wrap_memory_new(size_t size_bytes)
{
	asked++;
	return __real_memory_new(size_bytes);
}

/* A template that calls itself again and again. */
static bool find_partial(void *context, const char *name, size_t name_length, const char **source, size_t *length)
{
	static const char fan[] = "{% include 'fan' %}{% include 'fan' %}", deep[] = "{% render 'deep' %}",
			  list[] = "{% include 'list' for big %}{% for i in (1..1000) %}{{ i }}{% endfor %}";

	(void)context;
	*source = name_length == 3 ? fan : *name == 'd' ? deep : list;
	*length = strlen(*source);
	return name_length == 3 || name_length == 4;
}

static void test_hostile_templates_end(void **state)
{
	struct template_context *context = template_context_new();
	struct template_options options = {.partials = {.find = find_partial}};

	(void)state;
	for (size_t i = 0; i < hostile_count; i++) {
		const struct hostile *row = &hostiles[i];
		struct text source = hostile_source(row), out;
		struct template_data data = hostile_data();
		struct template_fault fault = {0};
		struct template *template;
		bool rendered = false;

		text_init(&out, OUTPUT_MAX);
		options.is_marketing = false;
		template = template_compile(text_string(&source), source.length, &options, &fault);
		if (template != NULL)
			rendered = template_render(template, context, &data, &out, &fault);
		if (row->ends != HOSTILE_RENDERS && rendered)
			fail_msg("%s: it renders %zu bytes", row->when, out.length);
		if (row->ends == HOSTILE_RENDERS && !rendered)
			fail_msg("%s: %s", row->when, fault.text);
		if (row->ends == HOSTILE_LIMITED && fault.kind != TEMPLATE_FAULT_LIMIT)
			fail_msg("%s: %s", row->when, fault.text);
		if (row->ends == HOSTILE_REFUSED && fault.kind != TEMPLATE_FAULT_SYNTAX)
			fail_msg("%s: %s", row->when, fault.text);
		assert_true(template_context_usage(context).steps <= TEMPLATE_STEPS_MAX);
		assert_true(template_context_usage(context).memory_bytes <= TEMPLATE_MEMORY_BYTES_MAX);
		assert_true(out.length <= TEMPLATE_OUTPUT_BYTES_MAX);
		if (!rendered)
			assert_int_equal(out.length, 0);
		text_release(&out);
		text_release(&source);
		template_free(&template);
	}
	template_context_free(&context);
}

static void render_with(const struct template_limits *limits, const char *source, const char *says)
{
	struct template_context *context = template_context_new();
	struct template_options options = {.is_marketing = true};
	struct template_fault fault = {0};
	struct template *template = template_compile(source, strlen(source), &options, &fault);
	struct template_data data = {.json = "{}", .length = 2};
	struct text out;

	text_init(&out, 10000);
	template_context_set(context, &(struct template_settings){.limits = *limits});
	assert_non_null(template);
	assert_false(template_render(template, context, &data, &out, &fault));
	assert_int_equal(fault.kind, TEMPLATE_FAULT_LIMIT);
	assert_non_null(strstr(fault.text, says));
	assert_int_equal(fault.line, 2);
	text_release(&out);
	template_free(&template);
	template_context_free(&context);
}

static void test_limits_name_themselves_and_the_line(void **state)
{
	(void)state;
	render_with(&(struct template_limits){.steps_max = 100}, "a\n{% for i in (1..100) %}x{% endfor %}",
		    "more than 100 steps");
	render_with(&(struct template_limits){.memory_bytes_max = 1000},
		    "a\n{% assign a = 'abcdefghij' %}{% for i in (1..100) %}{% assign a = a | append: a %}{% endfor %}",
		    "more than 1000 bytes");
	render_with(&(struct template_limits){.output_bytes_max = 50}, "a\n{% for i in (1..100) %}x{% endfor %}",
		    "longer than 50 bytes");
}

static void test_after_the_first_render_no_memory_is_asked_for(void **state)
{
	static const char source[] =
		"{% for i in (1..300) %}{% capture c %}{{ x | append: i | upcase }}{% endcapture %}{{ c | split: '' "
		"| sort | join }}{{ i | date: '%c' }}{% endfor %}";
	struct template_context *context = template_context_new();
	struct template_options options = {.is_marketing = true, .slot = TEMPLATE_SLOT_HTML};
	struct template_fault fault = {0};
	struct template *template = template_compile(source, sizeof(source) - 1, &options, &fault);
	struct template_data data = {.json = "{\"x\":\"\\u0061<\"}", .length = 15};
	struct text out;

	(void)state;
	text_init(&out, OUTPUT_MAX);
	assert_non_null(template);
	template_context_set(context, &(struct template_settings){.time_zone = "Europe/Riga"});
	asked = 0;
	assert_true(template_render(template, context, &data, &out, &fault));
	assert_true(asked > 0);
	asked = 0;
	for (int i = 0; i < 3; i++) {
		text_clear(&out);
		template_context_set(context, &(struct template_settings){.time_zone = "Europe/Riga"});
		assert_true(template_render(template, context, &data, &out, &fault));
	}
	assert_int_equal(asked, 0);
	text_release(&out);
	template_free(&template);
	template_context_free(&context);
}

/* A render starts anew, whatever the one before has assigned. */
static void test_a_context_forgets(void **state)
{
	struct template_context *context = template_context_new();
	struct template_options options = {.is_marketing = true};
	const char *source = "{% assign a = x | append: 'y' %}{{ a }}{{ b }}{% assign b = 1 %}{% increment c %}";
	struct template_fault fault = {0};
	struct template *template = template_compile(source, strlen(source), &options, &fault);
	struct template_data data = {.json = "{\"x\":\"\\u0061\"}", .length = 14};
	struct template_usage first;
	struct text out;

	(void)state;
	text_init(&out, 1000);
	assert_non_null(template);
	assert_true(template_render(template, context, &data, &out, &fault));
	first = template_context_usage(context);
	assert_true(template_render(template, context, &data, &out, &fault));
	assert_string_equal(text_string(&out), "ay0ay0");
	assert_int_equal(template_context_usage(context).memory_bytes, first.memory_bytes);
	assert_int_equal(template_context_usage(context).steps, first.steps);
	text_release(&out);
	template_free(&template);
	template_context_free(&context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile_templates_end),
		cmocka_unit_test(test_limits_name_themselves_and_the_line),
		cmocka_unit_test(test_after_the_first_render_no_memory_is_asked_for),
		cmocka_unit_test(test_a_context_forgets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
