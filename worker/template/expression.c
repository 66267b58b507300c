#include <string.h>

#include "worker/template/compile.h"
#include "worker/template/filter.h"
#include "worker/template/number.h"
#include "worker/template/suggest.h"

#define SEGMENTS_MAX 64

void expression_start(struct compiler *compiler, size_t start, size_t end)
{
	compiler->lexer = (struct lexer){
		.source = compiler->source, .at = start, .end = end, .nbsp_is_blank = compiler->template->is_marketing};
	next_token(compiler);
}

void next_token(struct compiler *compiler)
{
	compiler->token = lex_next(&compiler->lexer);
}

bool token_is(const struct compiler *compiler, const char *name)
{
	return compiler->token.kind == TOKEN_NAME &&
	       name_is(compiler->source + compiler->token.start, compiler->token.length, name);
}

bool take_token(struct compiler *compiler, enum token_kind kind)
{
	if (compiler->token.kind != kind)
		return false;
	next_token(compiler);
	return true;
}

bool take_word(struct compiler *compiler, const char *name)
{
	if (!token_is(compiler, name))
		return false;
	next_token(compiler);
	return true;
}

bool expect_end(struct compiler *compiler)
{
	return compiler->token.kind == TOKEN_END || compile_unexpected(compiler, "the end of the tag");
}

/* nil, true, blank ... False: it is a name like any other. */
static bool literal_of(const struct compiler *compiler, const struct token *word, bool is_condition,
		       struct value *value)
{
	static const struct {
		const char *name;
		struct value value, in_condition;
	} literals[] = {
		{"nil", {.kind = VALUE_NIL}, {.kind = VALUE_NIL}},
		{"null", {.kind = VALUE_NIL}, {.kind = VALUE_NIL}},
		{"true", {.kind = VALUE_BOOLEAN, .boolean = true}, {.kind = VALUE_BOOLEAN, .boolean = true}},
		{"false", {.kind = VALUE_BOOLEAN}, {.kind = VALUE_BOOLEAN}},
		{"blank", {.kind = VALUE_STRING, .bytes = ""}, {.kind = VALUE_BLANK}},
		{"empty", {.kind = VALUE_STRING, .bytes = ""}, {.kind = VALUE_EMPTY}},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(literals); i++) {
		if (!name_is(compiler->source + word->start, word->length, literals[i].name))
			continue;
		*value = is_condition ? literals[i].in_condition : literals[i].value;
		return true;
	}
	return false;
}

struct path_parts {
	struct path path;
	struct segment segments[SEGMENTS_MAX];
	bool is_static; /* so far */
};

static bool add_segment(struct compiler *compiler, struct path_parts *parts, struct segment segment)
{
	struct path *path = &parts->path;

	if (path->segment_count == SEGMENTS_MAX)
		return compile_limit(compiler, "A name has at most %d parts.", SEGMENTS_MAX);
	parts->is_static &= segment.kind == SEGMENT_NAME
				    ? !segment.is_command
				    : segment.kind == SEGMENT_INDEX && segment.index >= 0 && segment.index < INT32_MAX;
	if (parts->is_static) {
		if (!emit_node(compiler, &path->node, segment.name, segment.name_length,
			       segment.kind == SEGMENT_INDEX ? (int32_t)segment.index : TEMPLATE_NOTHING))
			return false;
		path->static_count++;
	}
	path->dynamic_count += segment.kind == SEGMENT_DYNAMIC;
	parts->segments[path->segment_count++] = segment;
	return true;
}

static bool parse_dot(struct compiler *compiler, struct path_parts *parts)
{
	const char *name = compiler->source + compiler->token.start;
	size_t length = compiler->token.length;

	if (compiler->token.kind != TOKEN_NAME)
		return compile_unexpected(compiler, "a name, such as contact.first_name,");
	next_token(compiler);
	return add_segment(compiler, parts,
			   (struct segment){.kind = SEGMENT_NAME,
					    .name = name,
					    .name_length = length,
					    .is_command = name_is(name, length, "size") ||
							  name_is(name, length, "first") ||
							  name_is(name, length, "last")});
}

static bool parse_bracket_expression(struct compiler *compiler)
{
	if (!parse_expression(compiler, false))
		return false;
	if (compiler->token.kind != TOKEN_CLOSE_BRACKET)
		return compile_unexpected(compiler, "]");
	next_token(compiler);
	return true;
}

/* What is known before takes no operation. */
static bool parse_bracket(struct compiler *compiler, struct path_parts *parts)
{
	struct token token = compiler->token;
	struct lexer lexer = compiler->lexer;
	struct segment segment = {.kind = SEGMENT_DYNAMIC};
	const char *bytes = compiler->source + token.start;

	next_token(compiler);
	if (compiler->token.kind == TOKEN_CLOSE_BRACKET) {
		if (token.kind == TOKEN_TEXT)
			segment = (struct segment){.kind = SEGMENT_NAME, .name = bytes, .name_length = token.length};
		else if (token.kind == TOKEN_NUMBER && number_read_integer(bytes, token.length, &segment.index))
			segment.kind = SEGMENT_INDEX;
	}
	if (segment.kind != SEGMENT_DYNAMIC) {
		next_token(compiler);
		return add_segment(compiler, parts, segment);
	}
	compiler->token = token;
	compiler->lexer = lexer;
	return parse_bracket_expression(compiler) && add_segment(compiler, parts, segment);
}

/* The parts behind a path's root. previous_end: where the root ends. */
static bool parse_segments(struct compiler *compiler, struct path_parts *parts, size_t previous_end)
{
	for (;;) {
		parts->path.text_length = (size_t)(compiler->source + previous_end - parts->path.text);
		if (take_token(compiler, TOKEN_DOT)) {
			previous_end = compiler->token.start + compiler->token.length;
			if (!parse_dot(compiler, parts))
				return false;
		} else if (take_token(compiler, TOKEN_OPEN_BRACKET)) {
			if (!parse_bracket(compiler, parts))
				return false;
			previous_end = compiler->token.place;
			while (compiler->source[previous_end - 1] != ']')
				previous_end--;
		} else {
			return true;
		}
	}
}

static bool finish_path(struct compiler *compiler, struct path_parts *parts, size_t root_end, bool is_condition)
{
	struct segment *segments;
	struct path *path;

	if (!parse_segments(compiler, parts, root_end))
		return false;
	path = emit_memory(compiler, sizeof(*path));
	segments = emit_memory(compiler, parts->path.segment_count * sizeof(*segments));
	if (path == NULL || segments == NULL)
		return false;
	memcpy(segments, parts->segments, parts->path.segment_count * sizeof(*segments));
	*path = parts->path;
	path->segments = segments;
	compiler->template->reads_data = true;
	return emit_path(compiler, path, is_condition, false);
}

/* The root's node in the data is the first below the tree's own. */
static bool start_path(struct compiler *compiler, struct path_parts *parts, const char *name, size_t length)
{
	struct path *path = &parts->path;

	path->node = TEMPLATE_ROOT;
	if (!emit_name(compiler, name, length, &path->name) ||
	    !emit_node(compiler, &path->node, name, length, TEMPLATE_NOTHING))
		return false;
	compiler->template->names[path->name].node = path->node;
	parts->is_static = true;
	return true;
}

/* At the token behind the name. */
static bool parse_named_path(struct compiler *compiler, const struct token *name, bool is_condition)
{
	struct path_parts parts TEMPLATE_NOT_ZEROED;

	parts.path = (struct path){.text = compiler->source + name->start, .place = (uint32_t)name->place};
	return start_path(compiler, &parts, compiler->source + name->start, name->length) &&
	       finish_path(compiler, &parts, name->start + name->length, is_condition);
}

/* ["a name"] or [name]: the root itself stands in brackets. */
static bool parse_bracketed_path(struct compiler *compiler, size_t place, bool is_condition)
{
	struct path_parts parts TEMPLATE_NOT_ZEROED;
	struct token token = compiler->token;
	size_t end;

	parts.path = (struct path){.text = compiler->source + place, .place = (uint32_t)place};
	if (token.kind == TOKEN_TEXT) {
		if (!start_path(compiler, &parts, compiler->source + token.start, token.length))
			return false;
		next_token(compiler);
		if (compiler->token.kind != TOKEN_CLOSE_BRACKET)
			return compile_unexpected(compiler, "]");
		end = compiler->token.start + 1;
		next_token(compiler);
		return finish_path(compiler, &parts, end, is_condition);
	}
	parts.path.name = TEMPLATE_NOTHING;
	parts.path.node = TEMPLATE_ROOT;
	parts.path.dynamic_count = 1;
	parts.is_static = false;
	if (!parse_bracket_expression(compiler))
		return false;
	return finish_path(compiler, &parts, compiler->token.place, is_condition);
}

static bool parse_range(struct compiler *compiler, size_t place, bool is_condition)
{
	int32_t first = compiler->template->op_count;
	struct op *op;

	if (!parse_expression(compiler, false))
		return false;
	if (!take_token(compiler, TOKEN_DOTS))
		return compile_unexpected(compiler, "..");
	if (!parse_expression(compiler, false))
		return false;
	if (!take_token(compiler, TOKEN_CLOSE_PARENTHESIS))
		return compile_unexpected(compiler, ")");
	if ((op = emit(compiler, OP_RANGE, place)) == NULL)
		return false;
	/* Two literals are cut to integers; of anything else a decimal is refused. */
	op->b = compiler->template->op_count - first == 3 && op[-1].kind == OP_CONSTANT && op[-2].kind == OP_CONSTANT;
	compiler->last_path = TEMPLATE_NOTHING;
	(void)is_condition;
	return true;
}

static bool parse_word(struct compiler *compiler, bool is_condition)
{
	struct token word = compiler->token;
	struct value value;

	next_token(compiler);
	if (compiler->token.kind != TOKEN_DOT && compiler->token.kind != TOKEN_OPEN_BRACKET &&
	    literal_of(compiler, &word, is_condition, &value))
		return emit_constant(compiler, word.place, value);
	return parse_named_path(compiler, &word, is_condition);
}

static bool parse_any(struct compiler *compiler, bool is_condition)
{
	struct token token = compiler->token;
	const char *bytes = compiler->source + token.start;

	switch (token.kind) {
	case TOKEN_NAME:
		return parse_word(compiler, is_condition);
	case TOKEN_TEXT:
		next_token(compiler);
		return emit_constant(compiler, token.place, value_string(bytes, token.length));
	case TOKEN_NUMBER:
		next_token(compiler);
		return emit_constant(compiler, token.place, value_from_number(bytes, token.length));
	case TOKEN_OPEN_BRACKET:
		next_token(compiler);
		return parse_bracketed_path(compiler, token.place, is_condition);
	case TOKEN_OPEN_PARENTHESIS:
		next_token(compiler);
		return parse_range(compiler, token.place, is_condition);
	default:
		return compile_unexpected(compiler, "a name, a number or a text in quotes");
	}
}

bool parse_expression(struct compiler *compiler, bool is_condition)
{
	bool parsed;

	if (compiler->nesting == TEMPLATE_NESTING_MAX)
		return compile_fault(compiler, compiler->token.place,
				     "Brackets stand more than %d deep within each other: take some apart with assign.",
				     TEMPLATE_NESTING_MAX);
	compiler->nesting++;
	compiler->last_path = TEMPLATE_NOTHING;
	parsed = parse_any(compiler, is_condition);
	compiler->nesting--;
	return parsed;
}
