#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/template/template.h"

#define PROFILE                                                                                                        \
	"{\"first_name\": \"Ada\", \"points\": 1250, \"balance\": -12.50e1, \"vip\": true, \"blocked\": false, "       \
	"\"empty\": \"\", \"nothing\": null, \"list\": [\"a\", {\"b\": [10, 20]}, []], \"none\": [], "                 \
	"\"contact\": {\"city\": \"Z\\u00fcrich\", \"shop-1\": {\"name\": \"<Caf\u00e9> & \\\"Bar\\\"\"}}, "           \
	"\"emoji\": \"\\ud83d\\ude00!\", \"half\": \"x\\ud83dy\", \"lines\": \"a\\r\\nBcc: b\\u0000c\"}"

struct render_row {
	const char *when, *source, *result;
	enum template_slot slot;
	const char *data;
};

static const struct render_row renders[] = {
	{"text alone is itself", "Hello", "Hello", TEMPLATE_SLOT_PLAIN, PROFILE},
	{"an empty template is empty", "", "", TEMPLATE_SLOT_PLAIN, PROFILE},
	{"a value", "Hi {{ first_name }}!", "Hi Ada!", TEMPLATE_SLOT_PLAIN, PROFILE},
	{"blanks do not matter", "{{first_name}}{{\n\tfirst_name\u00a0}}", "AdaAda", TEMPLATE_SLOT_PLAIN, PROFILE},
	{"a single brace is text", "a { b } {c} }} {", "a { b } {c} }} {", TEMPLATE_SLOT_PLAIN, PROFILE},
	{"a path", "{{ contact.city }}", "Z\u00fcrich", TEMPLATE_SLOT_PLAIN, PROFILE},
	{"a minus belongs to a name", "{{ contact.shop-1.name }}", "<Caf\u00e9> & \"Bar\"", TEMPLATE_SLOT_PLAIN,
	 PROFILE},
	{"an element", "{{ list[0] }}{{ list[1].b[1] }}", "a20", TEMPLATE_SLOT_PLAIN, PROFILE},
	{"an element that is not there is blank", "[{{ list[7] }}{{ first_name[0] }}{{ list.a }}]", "[]",
	 TEMPLATE_SLOT_PLAIN, PROFILE},
	{"an integer and a float", "{{ points }} {{ balance }}", "1250 -125.0", TEMPLATE_SLOT_PLAIN, PROFILE},
	{"booleans are words", "{{ vip }} {{ blocked }}", "true false", TEMPLATE_SLOT_PLAIN, PROFILE},
	{"null and missing are blank", "[{{ nothing }}{{ missing }}{{ missing.deep }}]", "[]", TEMPLATE_SLOT_PLAIN,
	 PROFILE},
	{"an array is its elements, an object what Ruby shows", "{{ list }}{{ none }}", "a{\"b\"=>[10, 20]}",
	 TEMPLATE_SLOT_PLAIN, PROFILE},
	{"a parent and its child in one template", "{{ list[1].b }} {{ list[1].b[0] }}", "1020 10", TEMPLATE_SLOT_PLAIN,
	 PROFILE},
	{"a default for what is missing", "{{ nope | default: \"friend\" }}", "friend", TEMPLATE_SLOT_PLAIN, PROFILE},
	{"a default in single quotes may hold double ones", "{{ nope | default: 'a \"b\" }' }}", "a \"b\" }",
	 TEMPLATE_SLOT_PLAIN, PROFILE},
	{"a default for null, false, empty text, empty list",
	 "{{ nothing | default: 1 }}{{ blocked | default: '2' }}{{ empty | default: 3.5 }}{{ none | default: -4 }}",
	 "123.5-4", TEMPLATE_SLOT_PLAIN, PROFILE},
	{"a default is not used for 0, true and blanks", "{{ points | default: 9 }}{{ vip | default: 9 }}", "1250true",
	 TEMPLATE_SLOT_PLAIN, PROFILE},
	{"the first default that is not empty", "{{ nope | default: '' | default: 'x' | default: 'y' }}", "x",
	 TEMPLATE_SLOT_PLAIN, PROFILE},
	{"dashes trim the text around", "a  {{- first_name -}}  \n b {{-points-}} c", "aAdab1250c", TEMPLATE_SLOT_PLAIN,
	 PROFILE},
	{"surrogates make one character", "{{ emoji }}", "\U0001F600!", TEMPLATE_SLOT_PLAIN, PROFILE},
	{"half a surrogate pair is replaced", "{{ half }}", "x\uFFFDy", TEMPLATE_SLOT_PLAIN, PROFILE},
	{"html: values are escaped, text is not", "<b>{{ contact.shop-1.name }}</b>",
	 "<b>&lt;Caf\u00e9&gt; &amp; &quot;Bar&quot;</b>", TEMPLATE_SLOT_HTML, PROFILE},
	{"html: a default is escaped like a value", "{{ nope | default: 'a<b' }}", "a&lt;b", TEMPLATE_SLOT_HTML,
	 PROFILE},
	{"header: line ends are dropped from values and text", "Su\r\nbject {{ lines }}", "Subject aBcc: bc",
	 TEMPLATE_SLOT_HEADER, PROFILE},
	{"json: escaped within the author's quotes", "{\"n\": \"{{ contact.shop-1.name }}\"}",
	 "{\"n\": \"<Caf\u00e9> & \\\"Bar\\\"\"}", TEMPLATE_SLOT_JSON, PROFILE},
	{"url: percent-encoded", "?q={{ contact.shop-1.name }}", "?q=%3CCaf%C3%A9%3E%20%26%20%22Bar%22",
	 TEMPLATE_SLOT_URL, PROFILE},
	{"the last of a repeated key counts", "{{ a }}", "2", TEMPLATE_SLOT_PLAIN, "{\"a\": 1, \"a\": 2}"},
	{"a repeated object replaces all of the first", "[{{ a.b }}{{ a.c }}]", "[2]", TEMPLATE_SLOT_PLAIN,
	 "{\"a\": {\"b\": 1}, \"a\": {\"c\": 2}}"},
	{"a repeated key may take a value away", "[{{ a.b }}]", "[]", TEMPLATE_SLOT_PLAIN,
	 "{\"a\": {\"b\": 1}, \"a\": null}"},
	{"a key written with escapes", "{{ age }}", "7", TEMPLATE_SLOT_PLAIN, "{\"\\u0061ge\": 7}"},
	{"names below something that is not read", "[{{ a }}]", "[]", TEMPLATE_SLOT_PLAIN, "{\"b\": {\"a\": 1}}"},
	{"an empty object", "[{{ a }}]", "[]", TEMPLATE_SLOT_PLAIN, " { } \n"},
	{"a template that reads nothing needs no data", "Hi", "Hi", TEMPLATE_SLOT_PLAIN, "nonsense"},
};

static struct template *compile(const char *source, size_t length, enum template_slot slot,
				struct template_fault *fault)
{
	return template_compile(source, length, &(struct template_options){.slot = slot, .is_marketing = true}, fault);
}

static bool render(const struct template *template, enum template_undefined undefined, const struct template_data *data,
		   struct text *out, struct template_fault *fault)
{
	struct template_context *context = template_context_new();
	bool rendered;

	template_context_set(context, &(struct template_settings){.undefined = undefined});
	rendered = template_render(template, context, data, out, fault);
	template_context_free(&context);
	return rendered;
}

static struct template_data data_of(const char *json)
{
	return (struct template_data){.json = json, .length = strlen(json)};
}

static void test_renders(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(renders); i++) {
		const struct render_row *row = &renders[i];
		struct template_data data = data_of(row->data);
		struct template_fault fault = {0};
		struct template *template = compile(row->source, strlen(row->source), row->slot, &fault);
		struct text out;

		text_init(&out, 1000);
		if (template == NULL || !render(template, TEMPLATE_UNDEFINED_BLANK, &data, &out, &fault))
			fail_msg("%s: %s", row->when, fault.text);
		if (strcmp(text_string(&out), row->result) != 0)
			fail_msg("%s: \"%s\" instead of \"%s\"", row->when, text_string(&out), row->result);
		text_release(&out);
		template_free(&template);
		assert_null(template);
	}
}

struct fault_row {
	const char *when, *source;
	int line, column;
	const char *says;
};

static const struct fault_row syntax[] = {
	{"never closed", "Hello {{ name", 1, 7, "put }} behind the name"},
	{"the next one closes instead", "Hello {{ name, {{ b }}", 1, 7, "put }} behind the name"},
	{"nothing follows", "{{", 1, 1, "put }} behind the name"},
	{"closed by one brace", "{{ name } x", 1, 1, "put }} behind the name"},
	{"nothing inside", "ab\n  {{ }}", 2, 6, "a name, a number or a text in quotes is missing"},
	{"columns count characters and not bytes", "\u00fc\u00fc{{ ! }}", 1, 6, "\"!\" means nothing here"},
	{"an unknown filter, and the one that was meant", "{{ name | upcse }}", 1, 11, "did you mean upcase?"},
	{"an unknown filter that nothing is near to", "{{ name | frobnicate }}", 1, 11, "There is no filter"},
	{"a filter without a name", "{{ name | }}", 1, 11, "a filter's name"},
	{"a filter with too many arguments", "{{ name | upcase: 1 }}", 1, 11, "remove the colon"},
	{"a filter with too few arguments", "{{ name | append }}", 1, 11, "takes 1 argument and has 0"},
	{"a filter with a wrong number of arguments", "{{ name | replace }}", 1, 11,
	 "takes 1 to 2 arguments and has 0"},
	{"curly quotes", "{{ name | default: \u201cfriend\u201d }}", 1, 20, "\u201c is a typographic quote"},
	{"German quotes", "{{ name | default: \u201efriend\u201c }}", 1, 20, "typographic quote"},
	{"curly quotes in a tag", "{% if a == \u201cb\u201d %}{% endif %}", 1, 12, "typographic quote"},
	{"a quote that stays open", "{{ name | default: \"friend }}", 1, 20, "never closed"},
	{"a default without a colon", "{{ name | default \"x\" }}", 1, 19, "where : or | or the end"},
	{"a default without a text", "{{ name | default: }}", 1, 20, "a text in quotes is missing"},
	{"two names", "{{ first name }}", 1, 10, "\"name\" stands where"},
	{"a dot at the end", "{{ contact. }}", 1, 13, "a name"},
	{"a bracket that stays open", "{{ list[1 }}", 1, 11, "] is missing"},
	{"a tag that stays open", "a\n{% if x", 2, 1, "put %} behind the tag"},
	{"a tag without a name", "{% %}", 1, 1, "has no name"},
	{"an unknown tag, and the one that was meant", "a\nb {% iff x %}", 2, 3, "did you mean if?"},
	{"an unknown end, and the one that was meant", "{% if x %}{% endfi %}", 1, 11, "did you mean endif?"},
	{"an if that is never closed", "a {% if x %} b", 1, 3, "put {% endif %} where it ends"},
	{"a for that is never closed in liquid", "{% liquid\nfor a in b\n%}", 2, 1, "put {% endfor %}"},
	{"an end that nothing belongs to", "a{% endif %}", 1, 2, "endif stands alone"},
	{"an end of something else", "{% for x in y %}{% endif %}", 1, 17, "close that with {% endfor %} first"},
	{"a comment that is never closed", "{% comment %} {% comment %}{% endcomment %}", 1, 1, "put {% endcomment %}"},
	{"a single equals sign", "{% if a = b %}{% endif %}", 1, 9, "write == instead"},
	{"an unknown operator", "{% if a is b %}{% endif %}", 1, 9, "\"is\" stands where"},
	{"a for without in", "{% for a of b %}{% endfor %}", 1, 10, "in is expected"},
	{"a for with something unknown", "{% for a in b limt:2 %}{% endfor %}", 1, 15, "limit:, offset:, reversed"},
	{"an assign without a value", "{% assign x %}", 1, 1, "{% assign name = value %}"},
	{"a partial that is not there", "{% render 'foot' %}", 0, 0, "no partial called \"foot\""},
	{"a partial chosen in a render", "{% render which %}", 1, 11, "a partial's name in quotes"},
	{"Braze's way", "{{${first_name}}}", 1, 3, "write {{ first_name }}"},
	{"three braces", "{{{ name }}}", 1, 3, "a brace too many"},
	{"entities from an HTML editor", "{{ name | default: &quot;x&quot; }}", 1, 20, "An HTML editor"},
	{"Mailchimp's placeholder", "Hi *|FNAME|*", 1, 4, "*|FNAME|* is a placeholder of another system"},
	{"Marketing Cloud's placeholder", "Hi\n%%first name%%%%first_name%%", 2, 15, "%%first_name%% is a placeholder"},
	{"Mautic's placeholder", "{contactfield=firstname|there}", 1, 1, "is a placeholder of another system"},
	{"brackets too deep",
	 "{{ a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[a[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]] }}",
	 1, 68, "32 deep"},
};

static void test_syntax_faults_name_the_place_and_the_cure(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(syntax); i++) {
		const struct fault_row *row = &syntax[i];
		struct template_fault fault = {0};
		struct template *template = compile(row->source, strlen(row->source), TEMPLATE_SLOT_PLAIN, &fault);

		if (template != NULL)
			fail_msg("%s: compiles", row->when);
		if (fault.kind != TEMPLATE_FAULT_SYNTAX || fault.line != row->line || fault.column != row->column ||
		    strstr(fault.text, row->says) == NULL)
			fail_msg("%s: %d:%d: %s", row->when, fault.line, fault.column, fault.text);
	}
}

static const char *const broken[] = {
	"",
	" ",
	"null",
	"[]",
	"\"a\"",
	"{",
	"{\"a\"",
	"{\"a\":",
	"{\"a\":1",
	"{\"a\":1,",
	"{\"a\":1,}",
	"{,}",
	"{\"a\":}",
	"{\"a\" 1}",
	"{a:1}",
	"{'a':1}",
	"{\"a\":1}x",
	"{\"a\":1}{}",
	"{\"a\":[1,]}",
	"{\"a\":[,1]}",
	"{\"a\":[1 2]}",
	"{\"a\":[1}",
	"{\"a\":{]}",
	"{\"a\":tru}",
	"{\"a\":nul",
	"{\"a\":True}",
	"{\"a\":01}",
	"{\"a\":-}",
	"{\"a\":1.}",
	"{\"a\":.5}",
	"{\"a\":1e}",
	"{\"a\":1e+}",
	"{\"a\":+1}",
	"{\"a\":NaN}",
	"{\"a\":\"x}",
	"{\"a\":\"\\",
	"{\"a\":\"\\x\"}",
	"{\"a\":\"\\u12\"}",
	"{\"a\":\"\\u12g4\"}",
	"{\"a\":\"\n\"}",
	"{\"a\":\"0123456\n\"}",
	"{\"a\":\"\xff\"}",
	"{\"a\":\"\xc3\"}",
	"{\"a\":\"\xc0\xaf\"}",
	"{\"a\":\"\xed\xa0\x80\"}",
	"{\"a\":\"\xf4\x90\x80\x80\"}",
	"{\"a\":\"\xe2\x82\"}",
	"{\"b\":{\"c\":[1,2,{\"d\":\"\x01\"}]}}",
	"\xef\xbb\xbf{}",
	"{\"a\":1}\x0b",
};

static void test_what_is_not_json_is_a_fault_of_the_data(void **state)
{
	struct template_fault fault = {0};
	struct template *template = compile("x{{ a }}", 8, TEMPLATE_SLOT_PLAIN, &fault);
	struct text out;

	(void)state;
	text_init(&out, 100);
	text_add(&out, "before");
	for (size_t i = 0; i < ARRAY_LENGTH(broken); i++) {
		/* An exact copy: a read behind the end is caught by the sanitizer. */
		size_t length = strlen(broken[i]);
		char *copy = malloc(length + (length == 0));
		struct template_data data = {.json = copy, .length = length};

		assert_non_null(copy);
		memcpy(copy, broken[i], length);
		if (render(template, TEMPLATE_UNDEFINED_BLANK, &data, &out, &fault))
			fail_msg("taken for JSON: %s", broken[i]);
		assert_int_equal(fault.kind, TEMPLATE_FAULT_DATA);
		assert_string_equal(text_string(&out), "before");
		free(copy);
	}
	text_release(&out);
	template_free(&template);
}

static void test_depth_is_bounded(void **state)
{
	struct template_fault fault = {0};
	struct template *template = compile("{{ a }}", 7, TEMPLATE_SLOT_PLAIN, &fault);
	char json[1000] = "{\"a\":";
	struct template_data data = {.json = json, .length = 805};
	struct text out;

	(void)state;
	text_init(&out, 2000);
	memset(json + 5, '[', 400);
	memset(json + 405, ']', 400);
	json[805] = '}';
	data.length = 806;
	assert_false(render(template, TEMPLATE_UNDEFINED_BLANK, &data, &out, &fault));
	assert_non_null(strstr(fault.text, "nested too deep"));
	memset(json + 5, ' ', 300);
	memset(json + 505, ' ', 300);
	assert_true(render(template, TEMPLATE_UNDEFINED_BLANK, &data, &out, &fault));
	assert_int_equal(out.length, 0); /* lists of lists of nothing */
	text_release(&out);
	template_free(&template);
}

static void test_skip_names_the_path_and_the_line(void **state)
{
	const char *source = "a\nb {{ contact.first_name }}";
	struct template_fault fault = {0};
	struct template *template = compile(source, strlen(source), TEMPLATE_SLOT_PLAIN, &fault);
	struct template_data data = data_of("{\"contact\": {\"first_name\": null}}");
	struct text out;

	(void)state;
	text_init(&out, 100);
	text_add(&out, "kept");
	assert_false(render(template, TEMPLATE_UNDEFINED_SKIP, &data, &out, &fault));
	assert_int_equal(fault.kind, TEMPLATE_FAULT_UNDEFINED);
	assert_int_equal(fault.line, 2);
	assert_non_null(strstr(fault.text, "contact.first_name (line 2)"));
	assert_string_equal(text_string(&out), "kept");
	data = data_of("{\"contact\": {\"first_name\": \"\"}}");
	assert_true(render(template, TEMPLATE_UNDEFINED_SKIP, &data, &out, &fault));
	text_release(&out);
	template_free(&template);
}

static void test_a_default_satisfies_skip(void **state)
{
	const char *source = "{{ a | default: 'x' }}";
	struct template_fault fault = {0};
	struct template *template = compile(source, strlen(source), TEMPLATE_SLOT_PLAIN, &fault);
	struct template_data data = data_of("{}");
	struct text out;

	(void)state;
	text_init(&out, 100);
	assert_true(render(template, TEMPLATE_UNDEFINED_SKIP, &data, &out, &fault));
	assert_string_equal(text_string(&out), "x");
	text_release(&out);
	template_free(&template);
}

static bool registered(void *context, const char *path, size_t path_length, const char **text, size_t *length)
{
	*text = context;
	*length = strlen(context);
	return path_length == 1 && *path == 'a';
}

static void test_a_registered_default_satisfies_skip(void **state)
{
	struct template_settings settings = {
		.undefined = TEMPLATE_UNDEFINED_DEFAULT, .token_default = registered, .token_context = (char[]){"<x>"}};
	struct template_context *context = template_context_new();
	struct template_fault fault = {0};
	const char *source = "{{ a }}{{ a | upcase }}{{ c.d }}";
	struct template *known = compile(source, 23, TEMPLATE_SLOT_HTML, &fault);
	struct template *unknown = compile(source, strlen(source), TEMPLATE_SLOT_HTML, &fault);
	struct template_data data = data_of("{}");
	struct text out;

	(void)state;
	text_init(&out, 100);
	template_context_set(context, &settings);
	assert_true(template_render(known, context, &data, &out, &fault));
	assert_string_equal(text_string(&out), "&lt;x&gt;&lt;X&gt;");
	assert_false(template_render(unknown, context, &data, &out, &fault));
	assert_int_equal(fault.kind, TEMPLATE_FAULT_UNDEFINED);
	assert_non_null(strstr(fault.text, "c.d (line 1)"));
	text_release(&out);
	template_free(&known);
	template_free(&unknown);
	template_context_free(&context);
}

static void test_too_long_output_leaves_nothing_behind(void **state)
{
	struct template_fault fault = {0};
	struct template *template = compile("12345{{ a }}", 12, TEMPLATE_SLOT_PLAIN, &fault);
	struct template_data data = data_of("{\"a\": \"6789\"}");
	struct text out;

	(void)state;
	text_init(&out, 8);
	assert_false(render(template, TEMPLATE_UNDEFINED_BLANK, &data, &out, &fault));
	assert_int_equal(fault.kind, TEMPLATE_FAULT_LIMIT);
	assert_int_equal(out.length, 0);
	assert_true(text_ok(&out));
	text_release(&out);
	template_free(&template);
}

static void test_sizes_are_bounded(void **state)
{
	struct template_fault fault = {0};
	char *source = malloc(TEMPLATE_SOURCE_MAX + 1);
	size_t length = 0;

	(void)state;
	assert_non_null(source);
	memset(source, 'x', TEMPLATE_SOURCE_MAX + 1);
	assert_null(compile(source, TEMPLATE_SOURCE_MAX + 1, TEMPLATE_SLOT_PLAIN, &fault));
	assert_int_equal(fault.kind, TEMPLATE_FAULT_LIMIT);
	for (int i = 0; i < 600; i++)
		length += (size_t)snprintf(source + length, 20, "{{ name%d }}", i);
	assert_null(compile(source, length, TEMPLATE_SLOT_PLAIN, &fault));
	assert_int_equal(fault.kind, TEMPLATE_FAULT_LIMIT);
	length = 0;
	for (int i = 0; i < 30000; i++)
		length += (size_t)snprintf(source + length, 20, "{{ name }} ");
	assert_null(compile(source, length, TEMPLATE_SLOT_PLAIN, &fault));
	assert_int_equal(fault.kind, TEMPLATE_FAULT_LIMIT);
	free(source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_renders),
		cmocka_unit_test(test_syntax_faults_name_the_place_and_the_cure),
		cmocka_unit_test(test_what_is_not_json_is_a_fault_of_the_data),
		cmocka_unit_test(test_depth_is_bounded),
		cmocka_unit_test(test_skip_names_the_path_and_the_line),
		cmocka_unit_test(test_a_default_satisfies_skip),
		cmocka_unit_test(test_a_registered_default_satisfies_skip),
		cmocka_unit_test(test_too_long_output_leaves_nothing_behind),
		cmocka_unit_test(test_sizes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
