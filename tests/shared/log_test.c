#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "shared/clock.h"
#include "shared/log.h"

/* What the body writes to stderr, as lines; runs in a child so that exit handlers belong to it. */
struct output {
	char bytes[100000];
	size_t length;
};

static void run(void (*body)(void), struct output *output)
{
	FILE *file = tmpfile();
	assert_non_null(file);
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		dup2(fileno(file), STDERR_FILENO);
		clock_fake(1000000, INT64_C(1795300000042));
		log_open("tester", LOG_INFO);
		body();
		exit(0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	rewind(file);
	output->length = fread(output->bytes, 1, sizeof(output->bytes) - 1, file);
	output->bytes[output->length] = '\0';
	fclose(file);
}

static size_t count_lines(const struct output *output)
{
	size_t lines = 0;
	for (size_t i = 0; i < output->length; i++)
		lines += output->bytes[i] == '\n';
	return lines;
}

/* The line's JSON; the caller owns it. */
static json_t *take_line(const struct output *output, size_t number)
{
	const char *start = output->bytes;
	while (number--)
		start = strchr(start, '\n') + 1;
	json_error_t problem;
	json_t *line = json_loadb(start, strcspn(start, "\n"), JSON_REJECT_DUPLICATES, &problem);
	if (!line)
		fail_msg("%s in %s", problem.text, start);
	return line;
}

static void assert_text(const json_t *line, const char *field, const char *expected)
{
	const char *value = json_string_value(json_object_get(line, field));
	assert_non_null(value);
	assert_string_equal(value, expected);
}

static struct output output;

static void write_one(void)
{
	log_event(LOG_WARNING, "lane_paused", "The provider said \"wait\".", LOG_INT("lane", 7),
		  LOG_TEXT("reason", "a\nb"), LOG_TEXT("nothing", NULL));
}

static void one_event_is_one_line_of_json(void **state)
{
	(void)state;
	run(write_one, &output);
	assert_int_equal(count_lines(&output), 1);
	json_t *line = take_line(&output, 0);
	assert_text(line, "at", "2026-11-21T22:26:40.042Z");
	assert_text(line, "level", "warning");
	assert_text(line, "program", "tester");
	assert_text(line, "event", "lane_paused");
	assert_text(line, "text", "The provider said \"wait\".");
	assert_int_equal(json_integer_value(json_object_get(line, "lane")), 7);
	assert_text(line, "reason", "a\nb");
	assert_text(line, "nothing", "");
	assert_true(json_integer_value(json_object_get(line, "process")) > 0);
	json_decref(line);
}

static void write_levels(void)
{
	log_event(LOG_DEBUG, "a", "Too low.");
	log_event(LOG_INFO, "b", "High enough.");
	log_open("tester", LOG_ERROR);
	log_event(LOG_WARNING, "c", "Too low now.");
	log_event(LOG_ERROR, "d", "High enough.");
}

static void lower_levels_are_left_out(void **state)
{
	(void)state;
	run(write_levels, &output);
	assert_int_equal(count_lines(&output), 2);
	assert_non_null(strstr(output.bytes, "\"event\":\"b\""));
	assert_non_null(strstr(output.bytes, "\"event\":\"d\""));
}

static char controls[5000], letters[5000];

static void write_too_much(void)
{
	memset(controls, 1, sizeof(controls) - 1);
	memset(letters, 'x', sizeof(letters) - 1);
	log_event(LOG_INFO, "escaped", controls, LOG_TEXT("field", controls), LOG_INT("last", 1));
	log_event(LOG_INFO, "many", letters, LOG_TEXT("first", letters), LOG_TEXT("second", letters),
		  LOG_TEXT("third", letters), LOG_TEXT("fourth", letters), LOG_INT("last", 2));
}

static void a_line_never_exceeds_what_is_written_at_once(void **state)
{
	(void)state;
	run(write_too_much, &output);
	assert_int_equal(count_lines(&output), 2);
	size_t first_length = strcspn(output.bytes, "\n") + 1;
	assert_true(first_length <= PIPE_BUF);
	assert_true(output.length - first_length <= PIPE_BUF);

	json_t *escaped = take_line(&output, 0);
	assert_null(json_object_get(escaped, "cut"));
	assert_int_equal(json_integer_value(json_object_get(escaped, "last")), 1);
	json_decref(escaped);

	json_t *many = take_line(&output, 1);
	assert_true(json_is_true(json_object_get(many, "cut")));
	assert_int_equal(json_string_length(json_object_get(many, "second")), 1000);
	assert_null(json_object_get(many, "fourth"));
	assert_int_equal(json_integer_value(json_object_get(many, "last")), 2);
	json_decref(many);
}

static void write_a_storm(void)
{
	for (int i = 0; i < 100; i++)
		log_event(LOG_INFO, "storm", "Again.", LOG_INT("turn", i));
	clock_fake(1000999, INT64_C(1795300000042));
	log_event(LOG_INFO, "calm", "Within the same second.");
	clock_fake(1001000, INT64_C(1795300000042));
	log_event(LOG_INFO, "calm", "A second later.");
	log_event(LOG_INFO, "storm", "One more.");
}

static void a_storm_is_counted_and_told_once(void **state)
{
	(void)state;
	run(write_a_storm, &output);
	assert_int_equal(count_lines(&output), 20 + 1 + 1 + 2);
	json_t *told = take_line(&output, 21);
	assert_text(told, "event", "storm");
	assert_int_equal(json_integer_value(json_object_get(told, "repeated")), 80);
	json_decref(told);
	json_t *last = take_line(&output, 23);
	assert_text(last, "text", "One more.");
	json_decref(last);
}

static void write_a_storm_and_leave(void)
{
	for (int i = 0; i < 25; i++)
		log_event(LOG_INFO, "storm", "Again.");
}

static void what_is_held_back_is_told_at_exit(void **state)
{
	(void)state;
	run(write_a_storm_and_leave, &output);
	assert_int_equal(count_lines(&output), 21);
	json_t *told = take_line(&output, 20);
	assert_int_equal(json_integer_value(json_object_get(told, "repeated")), 5);
	json_decref(told);
}

static char event_names[200][16];

static void write_many_kinds(void)
{
	for (int i = 0; i < 200; i++) {
		snprintf(event_names[i], sizeof(event_names[i]), "e%d", i);
		log_event(LOG_INFO, event_names[i], "Once.");
	}
}

static void more_kinds_than_the_table_holds_are_written(void **state)
{
	(void)state;
	run(write_many_kinds, &output);
	assert_int_equal(count_lines(&output), 200);
}

static void levels_have_names(void **state)
{
	(void)state;
	enum log_level level = LOG_DEBUG;
	assert_true(log_level_parse("error", &level));
	assert_int_equal(level, LOG_ERROR);
	assert_false(log_level_parse("loud", &level));
	assert_int_equal(level, LOG_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_event_is_one_line_of_json),
		cmocka_unit_test(lower_levels_are_left_out),
		cmocka_unit_test(a_line_never_exceeds_what_is_written_at_once),
		cmocka_unit_test(a_storm_is_counted_and_told_once),
		cmocka_unit_test(what_is_held_back_is_told_at_exit),
		cmocka_unit_test(more_kinds_than_the_table_holds_are_written),
		cmocka_unit_test(levels_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
