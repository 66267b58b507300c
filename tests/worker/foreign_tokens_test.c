#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "shared/text.h"
#include "worker/template/foreign_tokens.h"

struct row {
	const char *when, *text, *found; /* each token and whose it is, joined by commas */
};

static const struct row rows[] = {
	{"our own tokens are not foreign", "Hi {{ contact.first_name }}{% if a %}{% endif %}", ""},
	{"Mailchimp's", "Hi *|FNAME|*, *|LIST:COMPANY|*", "*|FNAME|* Mailchimp,*|LIST:COMPANY|* Mailchimp"},
	{"Salesforce's", "%%first_name%% %%=v(@city)=%%",
	 "%%first_name%% Salesforce Marketing Cloud,%%=v(@city)=%% Salesforce Marketing Cloud"},
	{"Mautic's", "{contactfield=firstname|there}", "{contactfield=firstname|there} Mautic"},
	{"others'", "${first_name} [[city]] <%= name %> %FIRSTNAME%",
	 "${first_name} another system,[[city]] another system,<%= name %> another system,%FIRSTNAME% another system"},
	{"per cent is none", "20% off and 30% more, 100%% sure", ""},
	{"nor is an encoded address", "https://example.org/?q=%C3%A4%20%E2%82%AC", ""},
	{"nor money", "$5 or ${", ""},
	{"nor prose in brackets", "[[see below, and what follows!]] *|* [1][2]", ""},
	{"nor CSS", "a{color:red}b{margin:0 auto}", ""},
	{"a token never ends", "*|FNAME", ""},
	{"the end cuts the closer", "%%first_name%", ""},
};

static void test_rows(void **state)
{
	struct foreign_token found;
	struct text all;

	(void)state;
	text_init(&all, 1000);
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		const char *text = rows[i].text;

		print_message("%s\n", rows[i].when);
		text_clear(&all);
		for (size_t at = 0; foreign_tokens_find(text, strlen(text), at, &found); at = found.at + found.length)
			text_addf(&all, "%s%.*s %s", all.length > 0 ? "," : "", (int)found.length, text + found.at,
				  found.system);
		assert_string_equal(text_string(&all), rows[i].found);
	}
	text_release(&all);
}

static void test_what_is_too_long_is_prose(void **state)
{
	struct foreign_token found;
	struct text text;

	(void)state;
	text_init(&text, 1000);
	text_add(&text, "*|");
	for (int i = 0; i < 90; i++)
		text_add_char(&text, 'A');
	text_add(&text, "|*");
	assert_false(foreign_tokens_find(text_string(&text), text.length, 0, &found));
	text_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_what_is_too_long_is_prose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
