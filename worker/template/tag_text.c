#include <string.h>

#include "worker/template/compile.h"

static bool is_signature(char byte)
{
	return lex_is_word(byte) || byte == '-' || byte == '.' || byte == '[' || byte == ']';
}

/* The name that assign and capture write to: word signs, -, . and brackets; capture also takes it in quotes. */
static bool take_target(struct compiler *compiler, size_t place, bool may_be_quoted, int32_t *number)
{
	size_t at = compiler->lexer.at, start, end = compiler->lexer.end;
	bool is_quoted;

	while (at < end && lex_is_blank(compiler->source[at]))
		at++;
	is_quoted = may_be_quoted && at < end && (compiler->source[at] == '"' || compiler->source[at] == '\'');
	at += is_quoted;
	start = at;
	while (at < end && is_signature(compiler->source[at]))
		at++;
	if (at == start)
		return compile_fault(compiler, place, "A name is missing: write {%% assign name = value %%}.");
	if (!emit_name(compiler, compiler->source + start, at - start, number))
		return false;
	compiler->lexer.at = at + (is_quoted && at < end);
	return true;
}

static void bind(struct compiler *compiler, int32_t number)
{
	compiler->template->names[number].is_bound = true;
}

static bool parse_assign(struct compiler *compiler, size_t place)
{
	int32_t name;
	struct op *op;

	if (!take_target(compiler, place, false, &name))
		return false;
	while (compiler->lexer.at < compiler->lexer.end && lex_is_blank(compiler->source[compiler->lexer.at]))
		compiler->lexer.at++;
	if (compiler->lexer.at == compiler->lexer.end || compiler->source[compiler->lexer.at] != '=')
		return compile_fault(compiler, place,
				     "assign needs a name, = and a value: {%% assign name = value %%}.");
	compiler->lexer.at++;
	next_token(compiler);
	/* Pure Liquid assigns nil where nothing is written. */
	if (!(compiler->token.kind == TOKEN_END && !compiler->template->is_marketing
		      ? emit_constant(compiler, place, value_nil())
		      : parse_filtered(compiler, false)) ||
	    (op = emit(compiler, OP_ASSIGN, place)) == NULL)
		return false;
	op->a = name;
	bind(compiler, name);
	return true;
}

static bool parse_capture(struct compiler *compiler, size_t place)
{
	struct block *block = block_open(compiler, BLOCK_CAPTURE, place);
	int32_t name;
	struct op *op;

	if (block == NULL || !take_target(compiler, place, true, &name) ||
	    (op = emit(compiler, OP_CAPTURE, place)) == NULL)
		return false;
	op->a = name;
	bind(compiler, name);
	return true;
}

static bool parse_ifchanged(struct compiler *compiler, size_t place)
{
	return block_open(compiler, BLOCK_IFCHANGED, place) != NULL && emit(compiler, OP_IFCHANGED, place) != NULL;
}

bool text_inner_tag(struct compiler *compiler, struct block *block, size_t place, const char *name, size_t length,
		    bool *handled)
{
	bool is_capture = block->kind == BLOCK_CAPTURE;

	if (*handled || !(is_capture ? name_is(name, length, "endcapture")
				     : block->kind == BLOCK_IFCHANGED && name_is(name, length, "endifchanged")))
		return true;
	*handled = true;
	if (emit(compiler, is_capture ? OP_CAPTURE_END : OP_IFCHANGED_END, place) == NULL)
		return false;
	block_close(compiler, false);
	return true;
}

/* The counter's name is all that stands there. */
static bool count(struct compiler *compiler, size_t place, bool adds)
{
	size_t start = compiler->lexer.at, end = compiler->lexer.end;
	int32_t name;
	struct op *op;

	while (start < end && lex_is_blank(compiler->source[start]))
		start++;
	while (end > start && lex_is_blank(compiler->source[end - 1]))
		end--;
	if (start == end)
		return compile_fault(compiler, place, "A name is missing: write {%% increment name %%}.");
	compile_not_blank(compiler);
	if (!emit_name(compiler, compiler->source + start, end - start, &name) ||
	    (op = emit(compiler, OP_COUNT, place)) == NULL)
		return false;
	op->a = name;
	op->b = adds;
	bind(compiler, name);
	return true;
}

static bool parse_increment(struct compiler *compiler, size_t place)
{
	return count(compiler, place, true);
}

static bool parse_decrement(struct compiler *compiler, size_t place)
{
	return count(compiler, place, false);
}

static bool parse_echo(struct compiler *compiler, size_t place)
{
	return compile_output(compiler, place, compiler->lexer.at, compiler->lexer.end);
}

static bool parse_liquid(struct compiler *compiler, size_t place)
{
	(void)place;
	return compile_liquid(compiler, compiler->lexer.at, compiler->lexer.end);
}

/* Every line of a comment in {% # %} begins with # itself. */
static bool parse_hash(struct compiler *compiler, size_t place)
{
	size_t end = compiler->lexer.end;

	for (size_t at = compiler->lexer.at; at < end; at++) {
		if (compiler->source[at] != '\n')
			continue;
		while (at < end && lex_is_blank(compiler->source[at]))
			at++;
		if (at < end && compiler->source[at] != '#')
			return compile_fault(compiler, place, "Each line of this comment must begin with #.");
	}
	return true;
}

static bool never_closed(struct compiler *compiler, size_t place, const char *name)
{
	return compile_fault(compiler, place, "This %s is never closed: put {%% end%s %%} where it ends.", name, name);
}

/* The next token that is a tag, and its name; in {% liquid %} the next line. False: there is none. */
static bool next_tag(struct compiler *compiler, struct source_token *token, size_t *name, size_t *length)
{
	size_t at;

	if (!compiler->in_liquid) {
		do {
			if (!source_next(compiler, token))
				return false;
		} while (token->kind != SOURCE_TAG);
		at = token->inner;
	} else {
		const char *newline;

		if (compiler->at == compiler->end)
			return false;
		at = compiler->at;
		newline = memchr(compiler->source + at, '\n', compiler->end - at);
		compiler->at = newline != NULL ? (size_t)(newline - compiler->source) + 1 : compiler->end;
		*token = (struct source_token){.start = at, .end = compiler->at};
	}
	while (at < token->end && lex_is_blank(compiler->source[at]))
		at++;
	*name = at;
	while (at < token->end && lex_is_word(compiler->source[at]))
		at++;
	*length = at - *name;
	return true;
}

/* Up to the {% endraw %} of a token, whatever else stands in it. False: the source ends before. */
static bool find_verbatim_end(struct compiler *compiler, const char *end_name, const char *own_name, size_t *brace,
			      struct source_token *token, bool *is_nested)
{
	size_t name, length;

	*is_nested = false;
	while (source_next(compiler, token)) {
		if (!source_last_tag(compiler, token, brace, &name, &length))
			continue;
		if (own_name != NULL && name_is(compiler->source + name, length, own_name)) {
			*is_nested = true;
			return false;
		}
		if (name_is(compiler->source + name, length, end_name))
			return true;
	}
	return false;
}

static bool parse_comment(struct compiler *compiler, size_t place)
{
	struct source_token token;
	size_t name, length, brace;
	int depth = 1;
	bool is_nested;

	while (next_tag(compiler, &token, &name, &length)) {
		const char *word = compiler->source + name;

		if (name_is(word, length, "raw") && !compiler->in_liquid &&
		    !find_verbatim_end(compiler, "endraw", NULL, &brace, &token, &is_nested))
			return never_closed(compiler, place, "raw");
		if (name_is(word, length, "comment"))
			depth++;
		if (name_is(word, length, "endcomment"))
			depth--;
		if (depth == 0) {
			compiler->trim = !compiler->in_liquid && token.trims_after;
			return true;
		}
	}
	return never_closed(compiler, place, "comment");
}

static bool no_arguments(struct compiler *compiler, size_t place, const char *name)
{
	next_token(compiler);
	return compiler->token.kind == TOKEN_END ||
	       compile_fault(compiler, place, "%s takes nothing behind its name: write {%% %s %%}.", name, name);
}

static bool parse_raw(struct compiler *compiler, size_t place)
{
	size_t start = compiler->at, brace;
	struct source_token token;
	struct op *op;
	bool is_nested;

	if (!no_arguments(compiler, place, "raw"))
		return false;
	if (compiler->in_liquid || !find_verbatim_end(compiler, "endraw", NULL, &brace, &token, &is_nested))
		return never_closed(compiler, place, "raw");
	compiler->trim = compiler->source[token.end - 3] == '-';
	if (brace == start)
		return true;
	compile_not_blank(compiler);
	if ((op = emit(compiler, OP_TEXT, start)) == NULL)
		return false;
	op->bytes = compiler->source + start;
	op->length = (uint32_t)(brace - start);
	return true;
}

static bool parse_doc(struct compiler *compiler, size_t place)
{
	struct source_token token;
	bool is_nested = false;
	size_t brace;

	if (!no_arguments(compiler, place, "doc"))
		return false;
	if (!compiler->in_liquid && find_verbatim_end(compiler, "enddoc", "doc", &brace, &token, &is_nested)) {
		compiler->trim = compiler->source[token.end - 3] == '-';
		return true;
	}
	if (is_nested)
		return compile_fault(compiler, token.start, "A doc cannot stand in a doc: close the first one before.");
	return never_closed(compiler, place, "doc");
}

/* abort_message "reason" and abort_message('reason') */
static bool parse_abort(struct compiler *compiler, size_t place)
{
	bool has_parenthesis;

	compile_not_blank(compiler);
	next_token(compiler);
	has_parenthesis = take_token(compiler, TOKEN_OPEN_PARENTHESIS);
	if (compiler->token.kind == TOKEN_CLOSE_PARENTHESIS || compiler->token.kind == TOKEN_END) {
		if (!emit_constant(compiler, place, value_string("", 0)))
			return false;
	} else if (!parse_expression(compiler, true)) {
		return false;
	}
	if (has_parenthesis && !take_token(compiler, TOKEN_CLOSE_PARENTHESIS))
		return compile_unexpected(compiler, ")");
	return expect_end(compiler) && emit(compiler, OP_ABORT, place) != NULL;
}

const struct tag text_tags[] = {
	{.name = "assign", .parse = parse_assign},
	{.name = "capture", .parse = parse_capture},
	{.name = "echo", .parse = parse_echo},
	{.name = "increment", .parse = parse_increment},
	{.name = "decrement", .parse = parse_decrement},
	{.name = "ifchanged", .parse = parse_ifchanged},
	{.name = "liquid", .parse = parse_liquid},
	{.name = "comment", .parse = parse_comment},
	{.name = "raw", .parse = parse_raw},
	{.name = "doc", .parse = parse_doc},
	{.name = "#", .parse = parse_hash},
	{.name = "abort_message", .parse = parse_abort, .is_marketing = true},
	{.name = NULL},
};
