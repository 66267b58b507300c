#include "worker/template/lex.h"

#include <string.h>

bool lex_is_blank(char byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static bool is_letter(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
}

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

bool lex_is_word(char byte)
{
	return is_letter(byte) || is_digit(byte);
}

static bool follows(const struct lexer *lexer, size_t at, const char *bytes)
{
	size_t length = strlen(bytes);

	return lexer->end - at >= length && memcmp(lexer->source + at, bytes, length) == 0;
}

static void skip_blanks(struct lexer *lexer)
{
	while (lexer->at < lexer->end) {
		if (lex_is_blank(lexer->source[lexer->at]))
			lexer->at++;
		else if (lexer->nbsp_is_blank && follows(lexer, lexer->at, "\xC2\xA0"))
			lexer->at += 2;
		else
			return;
	}
}

static struct token take(struct lexer *lexer, enum token_kind kind, size_t length)
{
	struct token token = {.kind = kind, .start = lexer->at, .length = length, .place = lexer->at};

	lexer->at += length;
	return token;
}

static struct token take_name(struct lexer *lexer, bool behind_dot)
{
	size_t end = lexer->at;

	while (end < lexer->end && (lex_is_word(lexer->source[end]) || lexer->source[end] == '-'))
		end++;
	if (end < lexer->end && lexer->source[end] == '?')
		end++;
	if (!behind_dot && end - lexer->at == 8 && follows(lexer, lexer->at, "contains"))
		return take(lexer, TOKEN_COMPARISON, 8);
	return take(lexer, TOKEN_NAME, end - lexer->at);
}

static struct token take_number(struct lexer *lexer)
{
	size_t end = lexer->at + 1;

	while (end < lexer->end && is_digit(lexer->source[end]))
		end++;
	if (lexer->end - end >= 2 && lexer->source[end] == '.' && is_digit(lexer->source[end + 1]))
		for (end++; end < lexer->end && is_digit(lexer->source[end]);)
			end++;
	return take(lexer, TOKEN_NUMBER, end - lexer->at);
}

static struct token take_text(struct lexer *lexer)
{
	size_t from = lexer->at + 1;
	const char *quote = memchr(lexer->source + from, lexer->source[lexer->at], lexer->end - from);
	struct token token = {.kind = TOKEN_TEXT, .start = from, .place = lexer->at};

	if (quote == NULL)
		return take(lexer, TOKEN_OPEN_TEXT, 1);
	token.length = (size_t)(quote - lexer->source) - from;
	lexer->at = from + token.length + 1;
	return token;
}

static struct token take_foreign(struct lexer *lexer)
{
	static const char *const curly[] = {"\u201C", "\u201D", "\u201E", "\u2018",
					    "\u2019", "\u201A", "\u00AB", "\u00BB"};
	size_t length = 1;

	for (size_t i = 0; i < ARRAY_LENGTH(curly); i++)
		if (follows(lexer, lexer->at, curly[i]))
			return take(lexer, TOKEN_CURLY_QUOTE, strlen(curly[i]));
	while (lexer->at + length < lexer->end && ((unsigned char)lexer->source[lexer->at + length] & 0xC0) == 0x80)
		length++;
	return take(lexer, TOKEN_FOREIGN, length);
}

static bool take_mark(struct lexer *lexer, struct token *token)
{
	static const struct {
		const char *bytes;
		enum token_kind kind;
	} marks[] = {
		{"..", TOKEN_DOTS},
		{".", TOKEN_DOT},
		{"|", TOKEN_PIPE},
		{":", TOKEN_COLON},
		{",", TOKEN_COMMA},
		{"[", TOKEN_OPEN_BRACKET},
		{"]", TOKEN_CLOSE_BRACKET},
		{"(", TOKEN_OPEN_PARENTHESIS},
		{")", TOKEN_CLOSE_PARENTHESIS},
		{"==", TOKEN_COMPARISON},
		{"!=", TOKEN_COMPARISON},
		{"<>", TOKEN_COMPARISON},
		{"<=", TOKEN_COMPARISON},
		{">=", TOKEN_COMPARISON},
		{"<", TOKEN_COMPARISON},
		{">", TOKEN_COMPARISON},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(marks); i++) {
		if (!follows(lexer, lexer->at, marks[i].bytes))
			continue;
		*token = take(lexer, marks[i].kind, strlen(marks[i].bytes));
		return true;
	}
	return false;
}

struct token lex_next(struct lexer *lexer)
{
	bool behind_dot = lexer->behind_dot;
	struct token token;
	char byte;

	lexer->behind_dot = false;
	skip_blanks(lexer);
	if (lexer->at == lexer->end)
		return take(lexer, TOKEN_END, 0);
	byte = lexer->source[lexer->at];
	if (is_letter(byte))
		return take_name(lexer, behind_dot);
	if (is_digit(byte) || (byte == '-' && lexer->end - lexer->at >= 2 && is_digit(lexer->source[lexer->at + 1])))
		return take_number(lexer);
	if (byte == '"' || byte == '\'')
		return take_text(lexer);
	if (!take_mark(lexer, &token))
		return take_foreign(lexer);
	lexer->behind_dot = token.kind == TOKEN_DOT;
	return token;
}
