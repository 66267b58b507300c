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
	{"a missing token takes the registry's default", "Hi {{ contact.first_name }}", "{{ contact.contact_id }}", "",
	 NULL, "{}", NULL, TEMPLATE_UNDEFINED_DEFAULT, PERSONALIZE_OK, "Hi friend|42|"},
	{"the registry knows no default", "Hi {{ contact.tier }}", "x", "", NULL, "{}", NULL,
	 TEMPLATE_UNDEFINED_DEFAULT, PERSONALIZE_MISSING_TOKEN, "contact.tier"},
	{"an if guards a token", "Hi{% if contact.first_name %} {{ contact.first_name }}{% endif %}", "x", "", NULL,
	 "{}", NULL, TEMPLATE_UNDEFINED_SKIP, PERSONALIZE_OK, "Hi|x|"},
	{"the template ends it, with its author's words alone", "Hi",
	 "{% if profile.vip %}{% else %}{% abort_message 'VIPs only' %}{% endif %}", "", NULL, "{}", NULL,
	 TEMPLATE_UNDEFINED_SKIP, PERSONALIZE_ABORTED, "VIPs only"},
	{"now is when it was planned, where the contact is", "{{ 'now' | date: '%Y-%m-%d %H:%M:%S' }}",
	 "{{ 'now' | date: '%s' }}", "", NULL, "{}", NULL, TEMPLATE_UNDEFINED_BLANK, PERSONALIZE_OK,
	 "2026-09-21 19:58:20|1790000000|"},
	{"a partial is escaped as the place asks", "{% render 'footer' %}", "{% include 'footer' %}",
	 "{% include 'footer' %}", NULL, "{}", NULL, TEMPLATE_UNDEFINED_BLANK, PERSONALIZE_OK,
	 "Yours, Spring & co|Yours, Spring & co|Yours, Spring &amp; co"},
	{"the profile is a list", "Hi", "x", "", "Anna", "[1]", NULL, TEMPLATE_UNDEFINED_BLANK, PERSONALIZE_FAILED,
	 "not a JSON object"},
	{"the data is a string", "Hi", "x", "", "Anna", "{}", "\"x\"", TEMPLATE_UNDEFINED_BLANK, PERSONALIZE_FAILED,
	 "not a JSON object"},
};

static struct message_template *compile(const struct row *row)
{
	const char *sources[MESSAGE_PARTS] = {row->subject, row->body_text, row->body_html, "", "", ""};
	struct message_sources all;
	struct named_texts *partials = named_texts_read("{\"footer\": \"Yours, {{ campaign.name }}\"}");
	struct message_template *template;

	for (int part = 0; part < MESSAGE_PARTS; part++) {
		all.bytes[part] = sources[part];
		all.length[part] = strlen(sources[part]);
	}
	template = message_template_compile(CHANNEL_EMAIL, &all, partials);
	assert_null(template->problem);
	named_texts_free(&partials);
	return template;
}

static void check(const struct row *row, struct delivery_pool *pool)
{
	struct message_template *template = compile(row);
	struct step step = {.template = template,
			    .on_undefined = row->on_undefined,
			    .campaign_name = (char[]){"Spring & co"},
			    .token_defaults = named_texts_read("{\"contact.first_name\": \"friend\", \"x\": 7}")};
	struct delivery *delivery = delivery_take(pool);
	struct template_context *context = template_context_new();
	struct text document, all;
	char explanation[500] = "";

	text_init(&document, 10000);
	text_init(&all, 10000);
	delivery->step = &step;
	delivery->facts = (struct delivery_facts){.first_name = row->first_name,
						  .profile = row->profile,
						  .data = row->data,
						  .contact_id = 42,
						  .time_zone = "Asia/Kathmandu",
						  .planned_at_ms = 1790000000000}; /* 2026-09-21 14:13:20 UTC */
	assert_int_equal(personalize(delivery, context, &document, explanation, sizeof(explanation)), row->result);
	text_addf(&all, "%s|%s|%s", text_string(&delivery->rendered[MESSAGE_SUBJECT]),
		  text_string(&delivery->rendered[MESSAGE_BODY_TEXT]),
		  text_string(&delivery->rendered[MESSAGE_BODY_HTML]));
	if (row->result == PERSONALIZE_OK)
		assert_string_equal(text_string(&all), row->expected);
	else
		assert_non_null(strstr(explanation, row->expected));
	message_template_free(&template);
	named_texts_free(&step.token_defaults);
	text_release(&document);
	template_context_free(&context);
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
	struct template_context *context = template_context_new();
	struct text document;
	char explanation[500] = "";

	(void)state;
	text_init(&document, 1000);
	delivery->step = &step;
	assert_int_equal(personalize(delivery, context, &document, explanation, sizeof(explanation)),
			 PERSONALIZE_FAILED);
	assert_string_equal(explanation, step.problem);
	text_release(&document);
	template_context_free(&context);
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
