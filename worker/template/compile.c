#include "worker/template/compile.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "worker/template/suggest.h"

static void advance(const struct unit *unit, size_t from, size_t to, int *line, int *column)
{
	for (size_t i = from; i < to && i < unit->length; i++) {
		unsigned char byte = (unsigned char)unit->source[i];

		if (byte == '\n') {
			++*line;
			*column = 1;
		} else if ((byte & 0xC0) != 0x80) {
			++*column;
		}
	}
}

void template_place(const struct unit *unit, size_t offset, int *line, int *column)
{
	*line = 1;
	*column = 1;
	advance(unit, 0, offset, line, column);
}

void template_place_after(const struct unit *unit, const struct need *before, struct need *need)
{
	if (before == NULL || before->unit != need->unit || before->place > need->place) {
		template_place(unit, need->place, &need->line, &need->column);
		return;
	}
	need->line = before->line;
	need->column = before->column;
	advance(unit, before->place, need->place, &need->line, &need->column);
}

/* A place in a partial is named with it: line and column count in its own source. */
static void in_partial(const struct compiler *compiler, char *text, size_t size)
{
	char sentence[TEMPLATE_FAULT_MAX];

	if (compiler->unit->name == NULL)
		return;
	(void)snprintf(sentence, sizeof(sentence), "%s", text);
	(void)snprintf(text, size, "In the partial \"%.*s\": %.200s",
		       SUGGEST_QUOTE(compiler->unit->name, compiler->unit->name_length), sentence);
}

bool compile_fault(struct compiler *compiler, size_t place, const char *format, ...)
{
	struct template_fault *fault = compiler->fault;
	va_list arguments;

	fault->kind = TEMPLATE_FAULT_SYNTAX;
	template_place(compiler->unit, place, &fault->line, &fault->column);
	va_start(arguments, format);
	(void)vsnprintf(fault->text, sizeof(fault->text), format, arguments);
	va_end(arguments);
	in_partial(compiler, fault->text, sizeof(fault->text));
	return false;
}

bool compile_limit(struct compiler *compiler, const char *format, ...)
{
	struct template_fault *fault = compiler->fault;
	va_list arguments;

	fault->kind = TEMPLATE_FAULT_LIMIT;
	fault->line = fault->column = 0;
	va_start(arguments, format);
	(void)vsnprintf(fault->text, sizeof(fault->text), format, arguments);
	va_end(arguments);
	in_partial(compiler, fault->text, sizeof(fault->text));
	return false;
}

static bool unexpected_mark(struct compiler *compiler, char byte)
{
	size_t place = compiler->token.place;

	switch (byte) {
	case '$':
		return compile_fault(compiler, place, "${ } is not used here: write {{ first_name }}.");
	case '{':
		return compile_fault(compiler, place, "There is a brace too many: write {{ name }}.");
	case '&':
		return compile_fault(compiler, place,
				     "An HTML editor has changed this: write \" and spaces themselves, not &quot; or "
				     "&nbsp;.");
	case '=':
		return compile_fault(compiler, place, "A single = compares nothing: write == instead.");
	default:
		return compile_fault(compiler, place, "\"%.*s\" means nothing here: remove it.",
				     SUGGEST_QUOTE(compiler->source + compiler->token.start, compiler->token.length));
	}
}

bool compile_unexpected(struct compiler *compiler, const char *expected)
{
	const struct token *token = &compiler->token;
	const char *bytes = compiler->source + token->start;

	switch (token->kind) {
	case TOKEN_CURLY_QUOTE:
		return compile_fault(compiler, token->place,
				     "%.*s is a typographic quote, put there by an editor: write \" or ' instead.",
				     (int)token->length, bytes);
	case TOKEN_OPEN_TEXT:
		return compile_fault(compiler, token->place,
				     "This quote is never closed: put the same %c behind the text.", *bytes);
	case TOKEN_FOREIGN:
		return unexpected_mark(compiler, *bytes);
	case TOKEN_END:
		return compile_fault(compiler, token->place, "Before the end of the braces, %s is missing.", expected);
	default:
		return compile_fault(compiler, token->place, "\"%.*s\" stands where %s is expected.",
				     SUGGEST_QUOTE(bytes, token->length), expected);
	}
}

static size_t trim_start(const struct compiler *compiler, size_t start, size_t end)
{
	while (start < end && (lex_is_blank(compiler->source[start]) || compiler->source[start] == '\0'))
		start++;
	return start;
}

static size_t trim_end(const struct compiler *compiler, size_t start, size_t end)
{
	while (end > start && (lex_is_blank(compiler->source[end - 1]) || compiler->source[end - 1] == '\0'))
		end--;
	return end;
}

/* The next {{- or {%- trims the text before it. */
static bool next_trims(const struct compiler *compiler)
{
	return compiler->end - compiler->at > 2 && compiler->source[compiler->at + 2] == '-' &&
	       compiler->source[compiler->at] == '{';
}

static bool check_foreign(struct compiler *compiler, size_t start, size_t end)
{
	size_t at, length;

	if (!compiler->template->is_marketing || !suggest_foreign(compiler->source + start, end - start, &at, &length))
		return true;
	return compile_fault(compiler, start + at,
			     "%.*s is a placeholder of another system: write {{ contact.first_name }}.",
			     SUGGEST_QUOTE(compiler->source + start + at, length));
}

/* In a header also the literal text must not hold a line end. */
static bool put_text(struct compiler *compiler, struct op *op, size_t start, size_t end)
{
	char *clean;
	uint32_t length = 0;

	op->bytes = compiler->source + start;
	op->length = (uint32_t)(end - start);
	if (compiler->template->slot != TEMPLATE_SLOT_HEADER)
		return true;
	if ((clean = emit_memory(compiler, end - start)) == NULL)
		return false;
	for (size_t i = start; i < end; i++)
		if ((unsigned char)compiler->source[i] >= 0x20 && compiler->source[i] != 0x7F)
			clean[length++] = compiler->source[i];
	op->bytes = clean;
	op->length = length;
	return true;
}

static bool add_text(struct compiler *compiler, size_t start, size_t end)
{
	struct op *op;

	if (!check_foreign(compiler, start, end))
		return false;
	if (compiler->trim)
		start = trim_start(compiler, start, end);
	compiler->trim = false;
	if (next_trims(compiler))
		end = trim_end(compiler, start, end);
	if (start == end)
		return true;
	if (trim_start(compiler, start, end) < end)
		compile_not_blank(compiler);
	op = emit(compiler, OP_TEXT, start);
	return op != NULL && put_text(compiler, op, start, end);
}

void compile_not_blank(struct compiler *compiler)
{
	if (compiler->block_count > 0)
		compiler->blocks[compiler->block_count - 1].is_blank = false;
	else
		compiler->is_blank = false;
}

bool compile_output(struct compiler *compiler, size_t place, size_t start, size_t end)
{
	compile_not_blank(compiler);
	expression_start(compiler, start, end);
	if (compiler->token.kind == TOKEN_END && !compiler->template->is_marketing)
		return true;
	(void)place;
	return parse_filtered(compiler, true);
}

struct block *block_innermost(struct compiler *compiler)
{
	return compiler->block_count > compiler->liquid_base ? &compiler->blocks[compiler->block_count - 1] : NULL;
}

struct block *block_open(struct compiler *compiler, enum block_kind kind, size_t place)
{
	struct block *block;

	if (compiler->block_count == TEMPLATE_BLOCKS_MAX) {
		compile_fault(compiler, place, "Blocks stand more than %d deep within each other: take some apart.",
			      TEMPLATE_BLOCKS_MAX);
		compiler->fault->kind = TEMPLATE_FAULT_LIMIT;
		return NULL;
	}
	block = &compiler->blocks[compiler->block_count++];
	*block = (struct block){.kind = kind,
				.place = place,
				.start = compiler->template->op_count,
				.skip = TEMPLATE_NOTHING,
				.leave = TEMPLATE_NOTHING,
				.is_blank = true,
				.guard_count = compiler->guard_count};
	return block;
}

/* But not those in a tablerow or ifchanged, which print around them. */
static void remove_blanks(struct template *template, int32_t from)
{
	int depth = 0;

	for (int32_t i = from; i < template->op_count; i++) {
		struct op *op = &template->ops[i];

		depth += op->kind == OP_TABLEROW || op->kind == OP_IFCHANGED;
		depth -= op->kind == OP_TABLEROW_NEXT || op->kind == OP_IFCHANGED_END;
		if (op->kind == OP_TEXT && depth == 0)
			op->length = 0;
	}
}

void block_close(struct compiler *compiler, bool removes_blanks)
{
	struct block *block = &compiler->blocks[compiler->block_count - 1];
	struct template *template = compiler->template;

	emit_land_all(compiler, block);
	if (removes_blanks && block->is_blank)
		remove_blanks(template, block->start);
	compiler->guard_count = block->guard_count;
	compiler->block_count--;
	if (!block->is_blank && block->kind != BLOCK_CAPTURE)
		compile_not_blank(compiler);
}

static const char *const block_words[] = {"if", "unless", "case", "for", "tablerow", "capture", "ifchanged"};

static bool check_closed(struct compiler *compiler, size_t base)
{
	const struct block *block;

	if (compiler->block_count == base)
		return true;
	block = &compiler->blocks[compiler->block_count - 1];
	return compile_fault(compiler, block->place, "This %s is never closed: put {%% end%s %%} where it ends.",
			     block_words[block->kind], block_words[block->kind]);
}

static const struct tag *const tag_tables[] = {flow_tags, loop_tags, text_tags, partial_tags};

static const struct tag *find_tag(const struct compiler *compiler, const char *name, size_t length)
{
	for (size_t i = 0; i < ARRAY_LENGTH(tag_tables); i++)
		for (const struct tag *tag = tag_tables[i]; tag->name != NULL; tag++)
			if (name_is(name, length, tag->name) &&
			    (!tag->is_marketing || compiler->template->is_marketing))
				return tag;
	return NULL;
}

static bool unknown_tag(struct compiler *compiler, size_t place, const char *name, size_t length)
{
	static const char *const inner[] = {"else",       "elsif",  "when",        "endif",      "endunless",
					    "endcase",    "endfor", "endtablerow", "endcapture", "endifchanged",
					    "endcomment", "endraw", "enddoc"};
	const struct block *block = block_innermost(compiler);
	const char *nearest = NULL;
	int best = SUGGEST_FAR;

	for (size_t i = 0; i < ARRAY_LENGTH(inner); i++)
		if (name_is(name, length, inner[i]))
			return block != NULL
				       ? compile_fault(compiler, place,
						       "%s does not belong to the %s that is open here: close "
						       "that with {%% end%s %%} first.",
						       inner[i], block_words[block->kind], block_words[block->kind])
				       : compile_fault(compiler, place,
						       "%s stands alone: nothing is open here that it belongs to.",
						       inner[i]);
	for (size_t i = 0; i < ARRAY_LENGTH(tag_tables) + 1; i++)
		for (size_t j = 0;
		     i < ARRAY_LENGTH(tag_tables) ? tag_tables[i][j].name != NULL : j < ARRAY_LENGTH(inner); j++) {
			const char *word = i < ARRAY_LENGTH(tag_tables) ? tag_tables[i][j].name : inner[j];

			if (suggest_distance(name, length, word) < best) {
				best = suggest_distance(name, length, word);
				nearest = word;
			}
		}
	if (nearest != NULL)
		return compile_fault(compiler, place, "There is no tag \"%.*s\": did you mean %s?",
				     SUGGEST_QUOTE(name, length), nearest);
	return compile_fault(compiler, place, "There is no tag \"%.*s\": the tags are listed in the handbook.",
			     SUGGEST_QUOTE(name, length));
}

/* The word a tag begins with; # is one also. */
static size_t tag_name(const struct compiler *compiler, size_t start, size_t end)
{
	size_t at = start;

	if (at < end && compiler->source[at] == '#')
		return 1;
	while (at < end && lex_is_word(compiler->source[at]))
		at++;
	return at - start;
}

bool compile_tag(struct compiler *compiler, size_t place, size_t start, size_t end)
{
	struct block *block = block_innermost(compiler);
	const struct tag *tag;
	const char *name;
	size_t length;
	bool handled = false;

	while (start < end && lex_is_blank(compiler->source[start]))
		start++;
	name = compiler->source + start;
	length = tag_name(compiler, start, end);
	if (length == 0)
		return compile_fault(compiler, place, "This tag has no name: write {%% if ... %%}, for instance.");
	expression_start(compiler, start + length, end);
	compiler->lexer.at = start + length; /* where the markup begins, for tags that read it themselves */
	if (block != NULL && (!flow_inner_tag(compiler, block, place, name, length, &handled) ||
			      !loop_inner_tag(compiler, block, place, name, length, &handled) ||
			      !text_inner_tag(compiler, block, place, name, length, &handled)))
		return false;
	if (handled)
		return true;
	tag = find_tag(compiler, name, length);
	if (tag == NULL)
		return unknown_tag(compiler, place, name, length);
	return tag->parse(compiler, place);
}

static bool unclosed(struct compiler *compiler, const struct source_token *token)
{
	if (compiler->source[token->start + 1] == '{')
		return compile_fault(compiler, token->start, "This {{ is not closed: put }} behind the name.");
	return compile_fault(compiler, token->start, "This {%% is not closed: put %%} behind the tag.");
}

/* {{ name, {{ other }}: the first is to blame, and not what the words between look like. */
static bool blame_unclosed(struct compiler *compiler, const struct source_token *token)
{
	size_t inner = token->inner + 1;

	if (inner >= token->inner_end || compiler->fault->kind != TEMPLATE_FAULT_SYNTAX ||
	    memmem(compiler->source + inner, token->inner_end - inner, "{{", 2) == NULL)
		return false;
	return unclosed(compiler, token);
}

static bool compile_token(struct compiler *compiler, const struct source_token *token)
{
	switch (token->kind) {
	case SOURCE_TEXT:
		return add_text(compiler, token->start, token->end);
	case SOURCE_OUTPUT:
		compiler->trim = token->trims_after;
		return compile_output(compiler, token->start, token->inner, token->inner_end) ||
		       blame_unclosed(compiler, token);
	case SOURCE_TAG:
		compiler->trim = token->trims_after;
		return compile_tag(compiler, token->start, token->inner, token->inner_end);
	default:
		return unclosed(compiler, token);
	}
}

bool compile_unit(struct compiler *compiler)
{
	struct source_token token;

	compiler->source = compiler->unit->source;
	compiler->at = 0;
	compiler->end = compiler->unit->length;
	compiler->tag_close = compiler->value_close = 0;
	compiler->trim = compiler->in_liquid = false;
	compiler->is_blank = true;
	compiler->unit->entry = compiler->template->op_count;
	while (source_next(compiler, &token))
		if (!compile_token(compiler, &token))
			return false;
	return check_closed(compiler, 0) && emit(compiler, OP_RETURN, compiler->unit->length) != NULL;
}

bool compile_liquid(struct compiler *compiler, size_t start, size_t end)
{
	size_t at = compiler->at, outer_end = compiler->end, base = compiler->liquid_base;
	bool compiles = true, trim = compiler->trim;

	compiler->in_liquid = true;
	compiler->liquid_base = compiler->block_count;
	compiler->at = start;
	compiler->end = end;
	while (compiles && compiler->at < compiler->end) {
		size_t line = compiler->at;
		const char *newline = memchr(compiler->source + line, '\n', compiler->end - line);
		size_t line_end = newline != NULL ? (size_t)(newline - compiler->source) : compiler->end;

		compiler->at = newline != NULL ? line_end + 1 : compiler->end;
		/* liquid within liquid is the rest of its line */
		while (trim_start(compiler, line, line_end) < line_end) {
			line = trim_start(compiler, line, line_end);
			if (tag_name(compiler, line, line_end) != 6 ||
			    memcmp(compiler->source + line, "liquid", 6) != 0)
				break;
			line += 6;
		}
		if (trim_start(compiler, line, line_end) < line_end)
			compiles = compile_tag(compiler, line, line, line_end);
	}
	compiles = compiles && check_closed(compiler, compiler->liquid_base);
	compiler->in_liquid = false;
	compiler->liquid_base = base;
	compiler->at = at;
	compiler->end = outer_end;
	compiler->trim = trim;
	return compiles;
}
