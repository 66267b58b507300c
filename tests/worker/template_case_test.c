/* Runs the .case files of tests/templates: templates, their data, and what they must become. README.md there explains
 * the format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/template/template.h"

#define PARTIALS_MAX 8
#define FILE_MAX     ((size_t)1024 * 1024)

/* One case, as its file says it. A text that was not given has no bytes. */
struct template_case {
	struct text title, template, data, result, error, skipped, aborted, needs, zone, unused;
	struct text partial_names[PARTIALS_MAX], partials[PARTIALS_MAX];
	size_t partial_count;
	enum template_slot slot;
	enum template_undefined undefined;
	bool is_marketing;
	bool has_result;
	int64_t now_ms, contact_id;
	int line;
};

static struct text *texts_of(struct template_case *one, size_t number)
{
	struct text *const own[] = {&one->title,   &one->template, &one->data,  &one->result, &one->error,
				    &one->skipped, &one->aborted,  &one->needs, &one->zone,   &one->unused};

	if (number < ARRAY_LENGTH(own))
		return own[number];
	number -= ARRAY_LENGTH(own);
	if (number < PARTIALS_MAX)
		return &one->partials[number];
	number -= PARTIALS_MAX;
	return number < PARTIALS_MAX ? &one->partial_names[number] : NULL;
}

static void clear(struct template_case *one)
{
	struct text *text;

	for (size_t i = 0; (text = texts_of(one, i)) != NULL; i++) {
		if (text->ceiling == 0)
			text_init(text, FILE_MAX);
		text_clear(text);
	}
	one->partial_count = 0;
	one->slot = TEMPLATE_SLOT_PLAIN;
	one->undefined = TEMPLATE_UNDEFINED_BLANK;
	one->is_marketing = one->has_result = false;
	one->now_ms = one->contact_id = 0;
}

static void release(struct template_case *one)
{
	struct text *text;

	for (size_t i = 0; (text = texts_of(one, i)) != NULL; i++)
		text_release(text);
}

static bool find_partial(void *context, const char *name, size_t name_length, const char **source, size_t *length)
{
	const struct template_case *one = context;

	for (size_t i = 0; i < one->partial_count; i++) {
		if (one->partial_names[i].length != name_length ||
		    memcmp(text_string(&one->partial_names[i]), name, name_length) != 0)
			continue;
		*source = text_string(&one->partials[i]);
		*length = one->partials[i].length;
		return true;
	}
	return false;
}

static const char *partial_name(void *context, size_t index)
{
	const struct template_case *one = context;

	return index < one->partial_count ? text_string(&one->partial_names[index]) : NULL;
}

static void list_needs(const struct template *template, struct text *out)
{
	for (size_t i = 0; i < template_need_count(template); i++) {
		struct template_need need = template_need_at(template, i);

		if (i > 0)
			text_add_char(out, '\n');
		text_addf(out, "%.*s line %d", (int)need.path_length, need.path, need.line);
		if (need.partial != NULL)
			text_addf(out, " of %s", need.partial);
		if (need.is_guarded)
			text_add(out, " guarded");
		if (need.default_value != NULL)
			text_addf(out, " default %.*s", (int)need.default_length, need.default_value);
	}
}

/* What came of it, as one word and a text. */
static const char *run(struct template_case *one, struct text *out)
{
	static const char *const words[] = {"error", "skipped", "aborted", "error", "error"};
	struct template_options options = {
		.slot = one->slot,
		.is_marketing = one->is_marketing,
		.partials = {.find = find_partial, .name_at = partial_name, .context = one},
	};
	struct template_data data = {.json = one->data.length > 0 ? text_string(&one->data) : "{}",
				     .length = one->data.length > 0 ? one->data.length : 2};
	struct template_fault fault = {0};
	struct template *template =
		template_compile(text_string(&one->template), one->template.length, &options, &fault);
	struct template_context *context = template_context_new();
	const char *word = "result";

	template_context_set(context, &(struct template_settings){.undefined = one->undefined,
								  .now_ms = one->now_ms,
								  .time_zone = text_string(&one->zone),
								  .contact_id = one->contact_id});
	if (template != NULL && one->needs.length > 0) {
		word = "needs";
		list_needs(template, out);
	} else if (template == NULL || !template_render(template, context, &data, out, &fault)) {
		word = words[fault.kind];
		if (fault.kind != TEMPLATE_FAULT_ABORTED)
			text_addf(out, "%d:%d: ", fault.line, fault.column);
		text_add(out, fault.text);
	}
	template_free(&template);
	template_context_free(&context);
	return word;
}

static size_t wrong_count;

/* An error and a skip are given by a part of what they say; all else must be the same. */
static void check(struct template_case *one, const char *path)
{
	const struct {
		const char *word;
		const struct text *text;
		bool is_given, is_part;
	} wanted[] = {
		{"result", &one->result, one->has_result, false},
		{"error", &one->error, one->error.length > 0, true},
		{"skipped", &one->skipped, one->skipped.length > 0, true},
		{"aborted", &one->aborted, one->aborted.length > 0, false},
		{"needs", &one->needs, one->needs.length > 0, false},
	};
	struct text out;
	const char *word;
	bool is_right = false;

	text_init(&out, FILE_MAX);
	word = run(one, &out);
	for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++)
		if (wanted[i].is_given && strcmp(wanted[i].word, word) == 0)
			is_right = wanted[i].is_part ? strstr(text_string(&out), text_string(wanted[i].text)) != NULL
						     : strcmp(text_string(&out), text_string(wanted[i].text)) == 0;
	if (!is_right) {
		wrong_count++;
		print_error("%s:%d: %s: %s \"%s\"\n", path, one->line, text_string(&one->title), word,
			    text_string(&out));
	}
	text_release(&out);
}

static enum template_slot slot_of(const char *word)
{
	static const char *const names[] = {"plain", "html", "header", "json", "url"};

	for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
		if (strcmp(word, names[i]) == 0)
			return (enum template_slot)i;
	fail_msg("there is no slot %s", word);
	return TEMPLATE_SLOT_PLAIN;
}

/* The text that a line's first word names; NULL: it was a setting, and is done. */
static struct text *field(struct template_case *one, const char *word, const char *value)
{
	static const char *const names[] = {"template", "data",    "result", "error",
					    "skipped",  "aborted", "needs",  "zone"};

	for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
		if (strcmp(word, names[i]) == 0) {
			one->has_result |= strcmp(word, "result") == 0;
			return texts_of(one, i + 1);
		}
	if (strncmp(word, "partial ", 8) == 0 && one->partial_count < PARTIALS_MAX) {
		text_add(&one->partial_names[one->partial_count], word + 8);
		return &one->partials[one->partial_count++];
	}
	if (strcmp(word, "marketing") == 0)
		one->is_marketing = true;
	else if (strcmp(word, "slot") == 0)
		one->slot = slot_of(value);
	else if (strcmp(word, "undefined") == 0)
		one->undefined = strcmp(value, "skip") == 0 ? TEMPLATE_UNDEFINED_SKIP : TEMPLATE_UNDEFINED_BLANK;
	else if (strcmp(word, "now_ms") == 0)
		one->now_ms = strtoll(value, NULL, 10);
	else if (strcmp(word, "contact") == 0)
		one->contact_id = strtoll(value, NULL, 10);
	else
		return NULL;
	return &one->unused;
}

/* One line of a file. *open: the text that lines beginning with | go on with. */
static void read_line(struct template_case *one, struct text **open, char *line, const char *path, int number)
{
	char *colon, *value;

	if (*line == '|' && *open != NULL) {
		if ((*open)->length > 0)
			text_add_char(*open, '\n');
		text_add(*open, line + (line[1] == ' ' ? 2 : 1));
		return;
	}
	if (*line == '\0' || *line == '#')
		return;
	colon = strchr(line, ':');
	if (colon == NULL)
		fail_msg("%s:%d: a line is \"word: value\", \"| more\" or \"# comment\"", path, number);
	*colon = '\0';
	value = colon + 1 + (colon[1] == ' ');
	*open = field(one, line, value);
	if (*open == NULL)
		fail_msg("%s:%d: there is no word \"%s\"", path, number, line);
	text_add(*open, value);
}

static size_t run_file(const char *path)
{
	struct template_case one = {.line = 0};
	struct text *open = NULL;
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t room = 0, count = 0;
	ssize_t length;

	assert_non_null(file);
	clear(&one);
	for (int number = 1; (length = getline(&line, &room, file)) >= 0; number++) {
		if (length > 0 && line[length - 1] == '\n')
			line[length - 1] = '\0';
		if (strncmp(line, "case: ", 6) != 0) {
			read_line(&one, &open, line, path, number);
			continue;
		}
		if (count++ > 0)
			check(&one, path);
		clear(&one);
		open = NULL;
		one.line = number;
		text_add(&one.title, line + 6);
	}
	if (count > 0)
		check(&one, path);
	free(line);
	(void)fclose(file);
	release(&one);
	return count;
}

static void test_every_case(void **state)
{
	glob_t files;
	size_t count = 0;

	(void)state;
	assert_int_equal(glob("tests/templates/*.case", 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		size_t here = run_file(files.gl_pathv[i]);

		print_message("%s: %zu cases\n", files.gl_pathv[i], here);
		assert_true(here > 0);
		count += here;
	}
	globfree(&files);
	assert_int_equal(wrong_count, 0);
	assert_true(count > 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_case)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
