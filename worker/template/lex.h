/* lex - the words inside {{ ... }}, one at a time.
 *
 * A name is letters, digits, _ and -; a text stands in " or ' and has no escapes, as in Liquid. Blanks are
 * space, tab, line ends and the no-break space that editors insert. The source is borrowed.
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_LEX_H
#define POSTRIDER_WORKER_TEMPLATE_LEX_H

#include "shared/base.h"

enum token_kind {
	TOKEN_NAME, /* also a number's digits */
	TOKEN_TEXT, /* without its quotes */
	TOKEN_DOT,
	TOKEN_PIPE,
	TOKEN_COLON,
	TOKEN_OPEN_BRACKET,
	TOKEN_CLOSE_BRACKET,
	TOKEN_CLOSE,       /* }} */
	TOKEN_CLOSE_TRIM,  /* -}} */
	TOKEN_END,         /* of the source */
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
	size_t length;
	size_t at;
};

struct token lex_next(struct lexer *lexer);

#endif
