#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "worker/personalize.h"

struct row {
	const char *when;
	const char *subject, *body_text, *body_html;
	const char *first_name, *profile, *data;
	enum template_undefined on_undefined;
	enum personalize_result result;
	const char *expected; /* subject|text|html, or what the explanation holds */
};

static const struct row rows[] = {
	{"every document is there", "Hi {{ contact.first_name }}", "{{ profile.city }} {{ data.code }}",
	 "{{ campaign.name }}", "Anna", "{\"city\":\"Riga\"}", "{\"code\":7}", TEMPLATE_UNDEFINED_SKIP, PERSONALIZE_OK,
	 "Hi Anna|Riga 7|Spring &amp; co"},
	{"HTML is escaped in the HTML body only", "{{ contact.first_name }}", "{{ contact.first_name }}",
	 "{{ contact.first_name }}", "<b>\"", "{}", NULL, TEMPLATE_UNDEFINED_SKIP, PERSONALIZE_OK,
	 "<b>\"|<b>\"|&lt;b&gt;&quot;"},
	{"a line end cannot get into the subject", "{{ contact.first_name }}", "x", "", "A\r\nBcc: b", "{}", NULL,
	 TEMPLATE_UNDEFINED_SKIP, PERSONALIZE_OK, "ABcc: b|x|"},
	{"a missing token is blank", "Hi {{ contact.first_name }}", "x", "", NULL, "{}", NULL, TEMPLATE_UNDEFINED_BLANK,
	 PERSONALIZE_OK, "Hi |x|"},
	{"a missing token takes its default", "Hi {{ contact.first_name | default: \"friend\" }}", "x", "", NULL, "{}",
	 NULL, TEMPLATE_UNDEFINED_SKIP, PERSONALIZE_OK, "Hi friend|x|"},
	{"a missing token skips", "Hi", "a\nb {{ profile.city }}", "", "Anna", "{}", NULL, TEMPLATE_UNDEFINED_SKIP,
	 PERSONALIZE_MISSING_TOKEN, "profile.city"},
	{"the profile is a list", "Hi", "x", "", "Anna", "[1]", NULL, TEMPLATE_UNDEFINED_BLANK, PERSONALIZE_FAILED,
	 "not a JSON object"},
	{"the data is a string", "Hi", "x", "", "Anna", "{}", "\"x\"", TEMPLATE_UNDEFINED_BLANK, PERSONALIZE_FAILED,
	 "not a JSON object"},
};

static struct template *compile(const char *source, enum template_slot slot)
{
	struct template_fault fault;
	struct template *template = template_compile(source, strlen(source), slot, &fault);

	assert_non_null(template);
	return template;
}

static void check(const struct row *row, struct delivery_pool *pool)
{
	struct step step = {.on_undefined = row->on_undefined, .campaign_name = (char[]){"Spring & co"}};
	struct delivery *delivery = delivery_take(pool);
	struct text document, all;
	char explanation[500] = "";

	text_init(&document, 10000);
	text_init(&all, 10000);
	step.subject = compile(row->subject, TEMPLATE_SLOT_HEADER);
	step.body_text = compile(row->body_text, TEMPLATE_SLOT_PLAIN);
	step.body_html = compile(row->body_html, TEMPLATE_SLOT_HTML);
	step.link = compile("", TEMPLATE_SLOT_URL);
	step.image = compile("", TEMPLATE_SLOT_URL);
	step.data = compile("", TEMPLATE_SLOT_JSON);
	delivery->step = &step;
	delivery->facts =
		(struct delivery_facts){.first_name = row->first_name, .profile = row->profile, .data = row->data};
	assert_int_equal(personalize(delivery, &document, explanation, sizeof(explanation)), row->result);
	text_addf(&all, "%s|%s|%s", text_string(&delivery->subject), text_string(&delivery->body_text),
		  text_string(&delivery->body_html));
	if (row->result == PERSONALIZE_OK)
		assert_string_equal(text_string(&all), row->expected);
	else
		assert_non_null(strstr(explanation, row->expected));
	template_free(&step.subject);
	template_free(&step.body_text);
	template_free(&step.body_html);
	template_free(&step.link);
	template_free(&step.image);
	template_free(&step.data);
	text_release(&document);
	text_release(&all);
	delivery_release(pool, delivery);
}

static void test_rows(void **state)
{
	struct delivery_pool *pool = delivery_pool_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		print_message("%s\n", rows[i].when);
		check(&rows[i], pool);
	}
	delivery_pool_free(&pool);
}

static void test_a_broken_template_says_so(void **state)
{
	struct step step = {.campaign_name = (char[]){""}, .problem = (char[]){"subject, line 1, column 4: unclosed"}};
	struct delivery_pool *pool = delivery_pool_new();
	struct delivery *delivery = delivery_take(pool);
	struct text document;
	char explanation[500] = "";

	(void)state;
	text_init(&document, 1000);
	delivery->step = &step;
	assert_int_equal(personalize(delivery, &document, explanation, sizeof(explanation)), PERSONALIZE_FAILED);
	assert_string_equal(explanation, step.problem);
	text_release(&document);
	delivery_release(pool, delivery);
	delivery_pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_a_broken_template_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
