#include "worker/template/lex.h"

#include <string.h>

static bool is_name_byte(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
	       byte == '_' || byte == '-';
}

static bool follows(const struct lexer *lexer, size_t at, const char *bytes)
{
	size_t length = strlen(bytes);

	return lexer->length - at >= length && memcmp(lexer->source + at, bytes, length) == 0;
}

static void skip_blanks(struct lexer *lexer)
{
	while (lexer->at < lexer->length) {
		if (strchr(" \t\r\n", lexer->source[lexer->at]) != NULL && lexer->source[lexer->at] != '\0')
			lexer->at++;
		else if (follows(lexer, lexer->at, "\xC2\xA0"))
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

/* A minus belongs to a name, but not the one of a closing -}}. */
static struct token take_name(struct lexer *lexer)
{
	size_t end = lexer->at;

	while (end < lexer->length && is_name_byte(lexer->source[end]) && !follows(lexer, end, "-}}"))
		end++;
	return take(lexer, TOKEN_NAME, end - lexer->at);
}

static struct token take_text(struct lexer *lexer)
{
	size_t from = lexer->at + 1;
	const char *quote = memchr(lexer->source + from, lexer->source[lexer->at], lexer->length - from);
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
	while (lexer->at + length < lexer->length && ((unsigned char)lexer->source[lexer->at + length] & 0xC0) == 0x80)
		length++;
	return take(lexer, TOKEN_FOREIGN, length);
}

struct token lex_next(struct lexer *lexer)
{
	skip_blanks(lexer);
	if (lexer->at == lexer->length)
		return take(lexer, TOKEN_END, 0);
	if (follows(lexer, lexer->at, "-}}"))
		return take(lexer, TOKEN_CLOSE_TRIM, 3);
	if (follows(lexer, lexer->at, "}}"))
		return take(lexer, TOKEN_CLOSE, 2);
	if (is_name_byte(lexer->source[lexer->at]))
		return take_name(lexer);
	switch (lexer->source[lexer->at]) {
	case '"':
	case '\'':
		return take_text(lexer);
	case '.':
		return take(lexer, TOKEN_DOT, 1);
	case '|':
		return take(lexer, TOKEN_PIPE, 1);
	case ':':
		return take(lexer, TOKEN_COLON, 1);
	case '[':
		return take(lexer, TOKEN_OPEN_BRACKET, 1);
	case ']':
		return take(lexer, TOKEN_CLOSE_BRACKET, 1);
	default:
		return take_foreign(lexer);
	}
}
