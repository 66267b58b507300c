#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "worker/message_check.h"

struct row {
	const char *when;
	enum channel channel;
	const char *subject, *body_text, *body_html;
	const char *
		findings; /* "severity part line:column sentence..." each on a line of its own; what each begins with */
};

static const struct row rows[] = {
	{"texts in order", CHANNEL_EMAIL, "Hi", "Dear {{ contact.first_name }}", "<p>{{ profile.city }}", ""},
	{"each text's first fault", CHANNEL_EMAIL, "{{ a", "Dear\n  {{ b | nothing }}", "<p>",
	 "error subject 1:1 \nerror body_text 2:"},
	{"a token of another system that is plain to see", CHANNEL_IN_APP, "Hi", "Zoë, *|FNAME|*", "",
	 "error body_text 1:6 *|FNAME|* is"},
	{"what looks like one", CHANNEL_IN_APP, "Hi", "Zoë, ${name}\n[[city]] %%=v(@city)=%%", "",
	 "warning body_text 1:6 \"${name}\" looks like a token of another system\n"
	 "warning body_text 2:1 \"[[city]]\" looks like\nwarning body_text 2:10 \"%%=v(@city)=%%\" looks like a token of Salesforce"},
	{"a path that no message has", CHANNEL_IN_APP, "{{ user.name }}",
	 "{{ contact.firstname }} {{ contact.firstname }}", "",
	 "warning subject 1:4 There is no \"user.name\"\nwarning body_text 1:4 A contact has no \"firstname\": only contact_id, "
	 "first_name, last_name, member_no, language, time_zone, tier and points. Everything else is in profile."},
	{"paths that a message may have", CHANNEL_IN_APP,
	 "{{ contact.contact_id }}{{ contact.points }}{{ contact.tier }}",
	 "{{ profile.a.b }}{{ data.code }}{{ campaign.name }}{{ contact }}", "", ""},
	{"a campaign has a name only", CHANNEL_IN_APP, "", "{{ campaign.budget }}", "",
	 "warning body_text 1:4 A campaign has no \"budget\""},
	{"an SMS in the GSM alphabet", CHANNEL_SMS, "", "Hello {{ contact.first_name }}!", "",
	 "note body_text 0:0 Without the values of its tokens: 1 segment of GSM text, 153 characters left."},
	{"an SMS with a curly quote", CHANNEL_SMS, "", "{{ contact.first_name }}\n{{ contact.tier }} It’s yours", "",
	 "warning body_text 2:22 Without the values of its tokens: 1 segment of UCS-2 text, 58 characters left. \"’\" "
	 "(character 5) makes it so"},
	{"other channels have no segments", CHANNEL_PUSH, "", "It’s yours", "", ""},
};

static void check(const struct row *row)
{
	const struct message_sources sources = {
		.bytes = {row->subject, row->body_text, row->body_html},
		.length = {strlen(row->subject), strlen(row->body_text), strlen(row->body_html)}};
	struct named_texts *partials = named_texts_read(NULL);
	struct message_check found;
	const char *expected = row->findings;
	struct text line;

	text_init(&line, 1000);
	message_check_run(&found, row->channel, &sources, partials);
	for (size_t i = 0; i < found.count; i++) {
		const struct finding *finding = &found.findings[i];
		size_t length = strcspn(expected, "\n");

		text_clear(&line);
		text_addf(&line, "%s %s %d:%d %s", finding_severity_name(finding->severity),
			  message_part_name(finding->part), finding->line, finding->column, finding->sentence);
		print_message("  %s\n", text_string(&line));
		assert_true(length > 0);
		assert_memory_equal(text_string(&line), expected, length);
		expected += length + (expected[length] == '\n');
	}
	assert_string_equal(expected, "");
	text_release(&line);
	message_check_release(&found);
	named_texts_free(&partials);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		print_message("%s\n", rows[i].when);
		check(&rows[i]);
	}
}

static void test_findings_are_bounded(void **state)
{
	struct message_sources sources = {.bytes = {"", "", ""}};
	struct named_texts *partials = named_texts_read(NULL);
	struct message_check found;
	struct text body;

	(void)state;
	text_init(&body, TEMPLATE_SOURCE_MAX);
	for (int i = 0; i < 400; i++)
		text_addf(&body, "[[A%d]] {{ b%d }}", i, i);
	sources.bytes[MESSAGE_BODY_TEXT] = text_string(&body);
	sources.length[MESSAGE_BODY_TEXT] = body.length;
	message_check_run(&found, CHANNEL_IN_APP, &sources, partials);
	assert_int_equal(found.count, MESSAGE_FINDINGS_MAX);
	message_check_release(&found);
	text_release(&body);
	named_texts_free(&partials);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_findings_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
