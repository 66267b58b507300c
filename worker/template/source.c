#include <string.h>

#include "worker/template/compile.h"

bool name_is(const char *bytes, size_t length, const char *name)
{
	return strlen(name) == length && memcmp(bytes, name, length) == 0;
}

/* From at on; the end of the source: there is none. */
static size_t find(const struct compiler *compiler, size_t at, const char *two)
{
	const char *found = memmem(compiler->source + at, compiler->end - at, two, 2);

	return found != NULL ? (size_t)(found - compiler->source) : compiler->end;
}

/* Remembered, so that a flood of {% is not searched through again for each of them. */
static size_t find_close(const struct compiler *compiler, size_t *remembered, size_t at, const char *two)
{
	if (*remembered < at)
		*remembered = find(compiler, at, two);
	return *remembered;
}

static size_t find_open(const struct compiler *compiler, size_t from)
{
	const char *at = compiler->source + from, *end = compiler->source + compiler->end;

	while (at < end && (at = memchr(at, '{', (size_t)(end - at))) != NULL) {
		if (end - at >= 2 && (at[1] == '{' || at[1] == '%'))
			return (size_t)(at - compiler->source);
		at++;
	}
	return compiler->end;
}

static void set_inner(const struct compiler *compiler, struct source_token *token)
{
	token->inner = token->start + 2;
	token->inner_end = token->end - 2;
	token->trims_before = token->inner < token->inner_end && compiler->source[token->inner] == '-';
	if (token->trims_before)
		token->inner++;
	token->trims_after = compiler->source[token->end - 3] == '-';
	if (token->trims_after && token->inner < token->inner_end)
		token->inner_end--;
}

static void take_output(struct compiler *compiler, struct source_token *token)
{
	size_t inside = token->start + 2;
	size_t close = find_close(compiler, &compiler->value_close, inside, "}}");
	const char *tag = memmem(compiler->source + inside, close - inside, "{%", 2);

	/* {{ a {% b %}: the tag's end closes it, and neither is what it should be. */
	if (tag != NULL) {
		size_t tag_start = (size_t)(tag - compiler->source);

		token->kind = SOURCE_UNCLOSED;
		token->end = find_close(compiler, &compiler->tag_close, tag_start + 2, "%}");
		token->end += token->end < compiler->end ? 2 : 0;
	} else if (close == compiler->end) {
		token->kind = SOURCE_UNCLOSED;
		token->end = compiler->end;
	} else {
		token->kind = SOURCE_OUTPUT;
		token->end = close + 2;
		set_inner(compiler, token);
	}
}

static void take_tag(struct compiler *compiler, struct source_token *token)
{
	size_t close = find_close(compiler, &compiler->tag_close, token->start + 2, "%}");

	token->kind = close < compiler->end ? SOURCE_TAG : SOURCE_UNCLOSED;
	token->end = close < compiler->end ? close + 2 : token->start + 2;
	if (token->kind == SOURCE_TAG)
		set_inner(compiler, token);
}

bool source_next(struct compiler *compiler, struct source_token *token)
{
	*token = (struct source_token){.kind = SOURCE_TEXT, .start = compiler->at};
	if (compiler->at == compiler->end)
		return false;
	token->end = find_open(compiler, compiler->at);
	if (token->end == compiler->at) {
		if (compiler->source[compiler->at + 1] == '{')
			take_output(compiler, token);
		else
			take_tag(compiler, token);
	}
	compiler->at = token->end;
	return true;
}

/* {%, perhaps -, blanks, a word. */
static bool is_tag_with_name(const struct compiler *compiler, size_t brace, size_t end, size_t *name, size_t *length)
{
	const char *source = compiler->source;
	size_t at = brace + 2;

	if (at < end && source[at] == '-')
		at++;
	while (at < end && lex_is_blank(source[at]))
		at++;
	*name = at;
	while (at < end && lex_is_word(source[at]))
		at++;
	*length = at - *name;
	return *length > 0;
}

bool source_last_tag(const struct compiler *compiler, const struct source_token *token, size_t *brace, size_t *name,
		     size_t *name_length)
{
	const char *source = compiler->source;
	size_t end = token->end - 2;

	if (token->end - token->start < 4 || memcmp(source + end, "%}", 2) != 0)
		return false;
	for (size_t at = end; at-- > token->start;) {
		if (source[at] != '{' || source[at + 1] != '%' || at + 2 > end)
			continue;
		*brace = at;
		if (is_tag_with_name(compiler, at, end, name, name_length))
			return true;
	}
	return false;
}
