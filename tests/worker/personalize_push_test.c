/* What a push message has beside its texts: link, image and data for the app. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "worker/personalize.h"

struct row {
	const char *when, *link, *image, *data;
	const char *first_name;
	enum template_undefined on_undefined;
	enum personalize_result result;
	const char *expected; /* link|image|data, or what the explanation holds */
};

static const struct row rows[] = {
	{"there is nothing of it", "", "", "", "Anna", TEMPLATE_UNDEFINED_BLANK, PERSONALIZE_OK, "||"},
	{"a value is encoded for the address", "https://c.example/?n={{ contact.first_name }}",
	 "https://c.example/a.png", "", "Anna & \"Co\"", TEMPLATE_UNDEFINED_BLANK, PERSONALIZE_OK,
	 "https://c.example/?n=Anna%20%26%20%22Co%22|https://c.example/a.png|"},
	{"a value cannot leave its JSON string", "", "",
	 "{\"name\": \"{{ contact.first_name }}\", \"points\": {{ contact.points }}}", "\", \"admin\": \"",
	 TEMPLATE_UNDEFINED_BLANK, PERSONALIZE_OK, "||{\"name\": \"\\\", \\\"admin\\\": \\\"\", \"points\": 7}"},
	{"the data is no object", "", "", "[{{ contact.points }}]", "Anna", TEMPLATE_UNDEFINED_BLANK,
	 PERSONALIZE_FAILED, "data: what the template makes is not a JSON object"},
	{"the data is no JSON without a value", "", "", "{\"n\": {{ contact.last_name }}}", "Anna",
	 TEMPLATE_UNDEFINED_BLANK, PERSONALIZE_FAILED, "data: what the template makes is not a JSON object"},
	{"the data names a member twice", "", "", "{\"a\": 1, \"a\": 2}", "Anna", TEMPLATE_UNDEFINED_BLANK,
	 PERSONALIZE_FAILED, "names a member twice"},
	{"a missing token of the link skips", "https://c.example/{{ contact.last_name }}", "", "", "Anna",
	 TEMPLATE_UNDEFINED_SKIP, PERSONALIZE_MISSING_TOKEN, "link, line 1"},
	{"a missing token of the data skips", "", "", "{\"n\": \"{{ contact.last_name }}\"}", "Anna",
	 TEMPLATE_UNDEFINED_SKIP, PERSONALIZE_MISSING_TOKEN, "data, line 1"},
};

static struct message_template *compile(const struct row *row)
{
	const char *sources[MESSAGE_PARTS] = {"Hi", "x", "", row->link, row->image, row->data};
	struct message_template *template;
	struct message_sources all;

	for (int part = 0; part < MESSAGE_PARTS; part++) {
		all.bytes[part] = sources[part];
		all.length[part] = strlen(sources[part]);
	}
	template = message_template_compile(CHANNEL_PUSH, &all, NULL);
	assert_null(template->problem);
	return template;
}

static void check(const struct row *row, struct delivery_pool *pool, struct template_context *context)
{
	struct message_template *template = compile(row);
	struct step step = {
		.on_undefined = row->on_undefined, .campaign_name = (char[]){"Spring"}, .template = template};
	struct delivery *delivery = delivery_take(pool);
	struct text document, all;
	char explanation[500] = "";

	text_init(&document, 10000);
	text_init(&all, 10000);
	delivery->step = &step;
	delivery->facts = (struct delivery_facts){.first_name = row->first_name, .points = 7};
	assert_int_equal(personalize(delivery, context, &document, explanation, sizeof(explanation)), row->result);
	text_addf(&all, "%s|%s|%s", text_string(&delivery->rendered[MESSAGE_LINK]),
		  text_string(&delivery->rendered[MESSAGE_IMAGE]), text_string(&delivery->rendered[MESSAGE_DATA]));
	if (row->result == PERSONALIZE_OK)
		assert_string_equal(text_string(&all), row->expected);
	else
		assert_non_null(strstr(explanation, row->expected));
	message_template_free(&template);
	text_release(&document);
	text_release(&all);
	delivery_release(pool, delivery);
}

static void test_rows(void **state)
{
	struct delivery_pool *pool = delivery_pool_new();
	struct template_context *context = template_context_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		print_message("%s\n", rows[i].when);
		check(&rows[i], pool, context);
	}
	template_context_free(&context);
	delivery_pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
