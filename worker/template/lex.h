/* lex - the words inside {{ ... }} and {% ... %}, one at a time.
 *
 * The lexer of the reference implementation: a name is a letter or _, then letters, digits, _ and -, and perhaps a ?
 * at its end; a text stands in " or ' and has no escapes. The source is borrowed.
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_LEX_H
#define POSTRIDER_WORKER_TEMPLATE_LEX_H

#include "shared/base.h"

enum token_kind {
	TOKEN_NAME,
	TOKEN_NUMBER, /* -?digits, perhaps with decimals */
	TOKEN_TEXT,   /* without its quotes */
	TOKEN_DOT,
	TOKEN_DOTS,
	TOKEN_PIPE,
	TOKEN_COLON,
	TOKEN_COMMA,
	TOKEN_OPEN_BRACKET,
	TOKEN_CLOSE_BRACKET,
	TOKEN_OPEN_PARENTHESIS,
	TOKEN_CLOSE_PARENTHESIS,
	TOKEN_COMPARISON,  /* == != <> < > <= >= contains */
	TOKEN_END,         /* of what is inside the braces */
	TOKEN_OPEN_TEXT,   /* a quote that is never closed */
	TOKEN_CURLY_QUOTE, /* pasted from an editor */
	TOKEN_FOREIGN,     /* one character that means nothing here */
};

struct token {
	enum token_kind kind;
	size_t start; /* offset in the source: of the text itself where there are quotes */
	size_t length;
	size_t place; /* where the token begins, quote included */
};

struct lexer {
	const char *source;
	size_t at, end;
	bool nbsp_is_blank; /* the no-break space that editors insert */
	bool behind_dot;
};

struct token lex_next(struct lexer *lexer);

bool lex_is_blank(char byte); /* space, tab, line ends, form feed */
bool lex_is_word(char byte);  /* letters, digits and _ */

#endif
