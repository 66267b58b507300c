#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "shared/sql_text.h"

static const struct {
	const char *when;
	const char *sql;
	size_t index;
	size_t line;
} statements[] = {
	{"the first begins after its comments", "-- head\n/* a\n /* nested */ b */\nselect 1;", 0, 4},
	{"the second begins after the first", "select 1;\n\nselect 2;", 1, 3},
	{"two stand on one line", "select 1; select 2", 1, 1},
	{"there is no third", "select 1; select 2;", 2, 0},
	{"empty ones do not count", ";;\n;\nselect 1", 0, 3},
	{"a string holds a semicolon", "select ';\n;''';\nselect 2", 1, 3},
	{"a string ends after a backslash", "select '\\';\nselect 2", 1, 2},
	{"an escape string does not", "select e'\\';\n';\nselect 2", 1, 3},
	{"a name holds a semicolon", "select \"a;\nb\";\nselect 2", 1, 3},
	{"a body in dollars holds semicolons", "do $$ begin;\nend; $$;\nselect 2", 1, 3},
	{"a tagged body holds another", "do $a$ $$ ;\n$b$ ; $a$;\nselect 2", 1, 3},
	{"a parameter is no quote", "select $1;\nselect $1", 1, 2},
	{"a dollar may be part of a word", "select a$b;\nselect a$b", 1, 2},
	{"a rule has parentheses", "create rule r as on insert to t do (select 1;\nselect 2);\nselect 3", 1, 3},
	{"a body without quotes has an end",
	 "create function f() returns int begin atomic\nselect case when a then 1 end;\nselect 2;\nend;\nselect 3", 1,
	 5},
	{"begin alone opens no body", "begin;\nselect 1;\nend;\nselect 2", 3, 4},
	{"a string without an end ends", "select 'abc;\n", 1, 0},
	{"a comment without an end ends", "/* abc;\n", 0, 0},
	{"a dollar quote without an end ends", "do $x$ abc;\n", 1, 0},
};

static void finds_where_statements_begin(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(statements); i++) {
		size_t line = sql_text_line_of_statement(statements[i].sql, statements[i].index);
		if (line != statements[i].line)
			fail_msg("%s: line %zu", statements[i].when, line);
	}
}

static const struct {
	const char *when;
	const char *sql;
	size_t position;
	size_t line;
} positions[] = {
	{"the first character is on line 1", "select", 1, 1},
	{"a line's end belongs to it", "a\nb", 2, 1},
	{"the next does not", "a\nb", 3, 2},
	{"characters count, not bytes", "'é€😀'\nx\ny", 7, 2},
	{"the end of the text is on its last line", "a\n", 3, 2},
	{"none is none", "a\n", 0, 0},
};

static void finds_the_line_of_a_position(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(positions); i++) {
		size_t line = sql_text_line_of_position(positions[i].sql, positions[i].position);
		if (line != positions[i].line)
			fail_msg("%s: line %zu", positions[i].when, line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_where_statements_begin),
		cmocka_unit_test(finds_the_line_of_a_position),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
