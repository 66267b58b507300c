#include "shared/sql_text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

struct scanner {
	const char *at;
	size_t line;
	unsigned parentheses, bodies; /* open ones */
	bool after_begin;
};

size_t sql_text_line_of_position(const char *sql, size_t position)
{
	size_t line = 1;
	if (position == 0)
		return 0;
	for (const char *at = sql; *at != '\0'; at++) {
		bool starts_character = ((unsigned char)*at & 0xc0) != 0x80;
		if (starts_character && --position == 0)
			return line;
		line += *at == '\n';
	}
	return line;
}

static void step(struct scanner *scanner, size_t count)
{
	for (; count > 0 && *scanner->at != '\0'; count--)
		scanner->line += *scanner->at++ == '\n';
}

static bool starts_with(const struct scanner *scanner, const char *word)
{
	return strncmp(scanner->at, word, strlen(word)) == 0;
}

static void skip_block_comment(struct scanner *scanner)
{
	unsigned depth = 0;
	do {
		bool opens = starts_with(scanner, "/*"), closes = starts_with(scanner, "*/");
		depth += opens;
		depth -= closes;
		step(scanner, opens || closes ? 2 : 1);
	} while (depth > 0 && *scanner->at != '\0');
}

static bool skip_blank(struct scanner *scanner)
{
	if (isspace((unsigned char)*scanner->at))
		step(scanner, 1);
	else if (starts_with(scanner, "--"))
		step(scanner, strcspn(scanner->at, "\n"));
	else if (starts_with(scanner, "/*"))
		skip_block_comment(scanner);
	else
		return false;
	return true;
}

static void skip_quoted(struct scanner *scanner, bool backslashes)
{
	char quote = *scanner->at;
	step(scanner, 1);
	while (*scanner->at != '\0' && *scanner->at != quote)
		step(scanner, backslashes && *scanner->at == '\\' ? 2 : 1);
	step(scanner, 1);
}

static size_t word_length(const char *at)
{
	size_t length = 0;
	while (isalnum((unsigned char)at[length]) || at[length] == '_' || (unsigned char)at[length] >= 0x80)
		length++;
	return length;
}

/* At a dollar sign that is no part of a word. */
static void skip_dollar_quoted(struct scanner *scanner)
{
	size_t tag = 1 + word_length(scanner->at + 1) + 1;
	if (scanner->at[tag - 1] != '$' || isdigit((unsigned char)scanner->at[1])) {
		step(scanner, 1);
		return;
	}
	const char *start = scanner->at;
	do
		step(scanner, 1);
	while (*scanner->at != '\0' && (scanner->at < start + tag || strncmp(scanner->at, start, tag) != 0));
	step(scanner, tag);
}

static bool is_word(const char *at, size_t length, const char *word)
{
	return length == strlen(word) && strncasecmp(at, word, length) == 0;
}

/* The semicolons of a `begin atomic ... end` body belong to it, and its `case` has an `end` as well. */
static void skip_word(struct scanner *scanner)
{
	const char *at = scanner->at;
	size_t length = word_length(at);
	bool opens = scanner->bodies > 0 ? is_word(at, length, "case")
					 : scanner->after_begin && is_word(at, length, "atomic");
	scanner->bodies += opens;
	scanner->bodies -= scanner->bodies > 0 && is_word(at, length, "end");
	scanner->after_begin = is_word(at, length, "begin");
	step(scanner, length);
	while (*scanner->at == '$')
		step(scanner, 1 + word_length(scanner->at + 1));
	if (*scanner->at == '\'' && length == 1 && (*at == 'e' || *at == 'E'))
		skip_quoted(scanner, true);
}

static void skip_token(struct scanner *scanner)
{
	if (skip_blank(scanner))
		return;
	if (*scanner->at == '\'' || *scanner->at == '"') {
		skip_quoted(scanner, false);
	} else if (*scanner->at == '$') {
		skip_dollar_quoted(scanner);
	} else if (word_length(scanner->at) > 0) {
		skip_word(scanner);
	} else {
		scanner->parentheses += *scanner->at == '(';
		scanner->parentheses -= *scanner->at == ')' && scanner->parentheses > 0;
		step(scanner, 1);
	}
}

static bool at_end_of_statement(const struct scanner *scanner)
{
	return *scanner->at == ';' && scanner->parentheses == 0 && scanner->bodies == 0;
}

size_t sql_text_line_of_statement(const char *sql, size_t index)
{
	struct scanner scanner = {.at = sql, .line = 1};
	for (;;) {
		while (*scanner.at == ';' || skip_blank(&scanner))
			if (*scanner.at == ';')
				step(&scanner, 1);
		if (*scanner.at == '\0')
			return 0;
		if (index-- == 0)
			return scanner.line;
		while (*scanner.at != '\0' && !at_end_of_statement(&scanner))
			skip_token(&scanner);
		scanner.parentheses = 0;
	}
}
