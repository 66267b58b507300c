#include <string.h>

#include "worker/template/compile.h"

/* limit: and the like, wherever they stand; the machine wants them in one order. */
struct attribute {
	const char *name;
	bool is_given;
	size_t start;
};

static bool read_attribute(struct compiler *compiler, struct attribute *attributes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int32_t ops = compiler->template->op_count;
		size_t needs = compiler->template->need_count;

		if (!token_is(compiler, attributes[i].name))
			continue;
		next_token(compiler);
		if (!take_token(compiler, TOKEN_COLON))
			return compile_unexpected(compiler, "a colon");
		attributes[i].is_given = true;
		attributes[i].start = compiler->token.place;
		/* Only to find its end; it is compiled in its turn. */
		if (!parse_expression(compiler, true))
			return false;
		compiler->template->op_count = ops;
		compiler->template->need_count = needs;
		return true;
	}
	return compile_unexpected(compiler, count == 2 ? "limit:, offset:, reversed or the end"
						       : "cols:, limit:, offset: or the end");
}

static bool read_attributes(struct compiler *compiler, struct attribute *attributes, size_t count)
{
	while (compiler->token.kind != TOKEN_END) {
		(void)take_token(compiler, TOKEN_COMMA);
		if (compiler->token.kind != TOKEN_END && !read_attribute(compiler, attributes, count))
			return false;
	}
	return true;
}

static bool push_attribute(struct compiler *compiler, const struct attribute *attribute, size_t place, bool *is_given)
{
	*is_given = attribute->is_given;
	if (!attribute->is_given)
		return emit_constant(compiler, place, value_nil());
	expression_start(compiler, attribute->start, compiler->lexer.end);
	return parse_expression(compiler, true);
}

/* Loops of the same name share the place where offset: continue goes on. */
static bool find_place(struct compiler *compiler, struct loop_plan *plan)
{
	struct template *template = compiler->template;

	for (plan->place = 0; plan->place < template->loop_count; plan->place++) {
		const struct value *name = &compiler->loop_names[plan->place];

		if (name->length == plan->name.length && memcmp(name->bytes, plan->name.bytes, name->length) == 0)
			return true;
	}
	if (template->loop_count == LOOP_NAMES_MAX)
		return compile_limit(compiler, "The template has more than %d different loops: use fewer.",
				     LOOP_NAMES_MAX);
	compiler->loop_names[template->loop_count++] = plan->name;
	return true;
}

/* "item-collection": what the collection's words are, without the blanks between them. */
static bool name_loop(struct compiler *compiler, struct loop_plan *plan, const char *variable, size_t length,
		      size_t start, size_t end)
{
	char *name = emit_memory(compiler, length + 1 + end - start);
	size_t at = length;
	char quote = '\0';

	if (name == NULL)
		return false;
	memcpy(name, variable, length);
	name[at++] = '-';
	for (size_t i = start; i < end; i++) {
		char byte = compiler->source[i];

		if (quote == '\0' && lex_is_blank(byte))
			continue;
		if (byte == '"' || byte == '\'')
			quote = quote == '\0' ? byte : quote == byte ? '\0' : quote;
		name[at++] = byte;
	}
	plan->name = value_string(name, at);
	return find_place(compiler, plan);
}

/* x in collection */
static bool parse_head(struct compiler *compiler, struct block *block)
{
	struct token variable;
	size_t start, needs = compiler->template->need_count;

	block->plan = emit_memory(compiler, sizeof(*block->plan));
	if (block->plan == NULL)
		return false;
	block->plan->variable = TEMPLATE_NOTHING;
	next_token(compiler);
	variable = compiler->token;
	if (!take_token(compiler, TOKEN_NAME))
		return compile_unexpected(compiler, "a name for the element, as in for offer in offers,");
	if (!take_word(compiler, "in"))
		return compile_unexpected(compiler, "in");
	start = compiler->token.place;
	if (!parse_expression(compiler, true) || !name_loop(compiler, block->plan, compiler->source + variable.start,
							    variable.length, start, compiler->token.place))
		return false;
	if (compiler->last_path != TEMPLATE_NOTHING && compiler->template->need_count > needs) {
		const struct need *need = &compiler->template->needs[compiler->template->need_count - 1];

		block->alias = need->path;
		block->alias_length = need->length;
	}
	return emit_name(compiler, compiler->source + variable.start, variable.length, &block->plan->variable) &&
	       (compiler->template->names[block->plan->variable].is_bound = true);
}

static bool start_body(struct compiler *compiler, struct block *block, enum op_kind kind, int32_t self, size_t place)
{
	struct op *op;

	block->skip = compiler->template->op_count;
	if ((op = emit(compiler, kind, place)) == NULL)
		return false;
	op->loop = block->plan;
	op->b = self;
	block->body = compiler->template->op_count;
	return true;
}

static bool bind_word(struct compiler *compiler, const char *word, int32_t *number)
{
	return emit_name(compiler, word, strlen(word), number) && (compiler->template->names[*number].is_bound = true);
}

static bool parse_for(struct compiler *compiler, size_t place)
{
	struct attribute attributes[] = {{.name = "limit"}, {.name = "offset"}};
	struct block *block = block_open(compiler, BLOCK_FOR, place);
	struct loop_plan *plan;
	int32_t self;

	if (block == NULL || !bind_word(compiler, "forloop", &self) || !parse_head(compiler, block))
		return false;
	plan = block->plan;
	plan->is_reversed = take_word(compiler, "reversed");
	if (!read_attributes(compiler, attributes, ARRAY_LENGTH(attributes)) ||
	    !push_attribute(compiler, &attributes[0], place, &plan->has_limit))
		return false;
	if (attributes[1].is_given) {
		expression_start(compiler, attributes[1].start, compiler->lexer.end);
		plan->continues = token_is(compiler, "continue");
	}
	if (plan->continues)
		attributes[1].is_given = false;
	return push_attribute(compiler, &attributes[1], place, &plan->has_offset) &&
	       start_body(compiler, block, OP_FOR, self, place);
}

static bool parse_tablerow(struct compiler *compiler, size_t place)
{
	struct attribute attributes[] = {{.name = "limit"}, {.name = "offset"}, {.name = "cols"}};
	struct block *block = block_open(compiler, BLOCK_TABLEROW, place);
	struct loop_plan *plan;
	int32_t self;

	if (block == NULL || !bind_word(compiler, "tablerowloop", &self) || !parse_head(compiler, block))
		return false;
	plan = block->plan;
	return read_attributes(compiler, attributes, ARRAY_LENGTH(attributes)) &&
	       push_attribute(compiler, &attributes[0], place, &plan->has_limit) &&
	       push_attribute(compiler, &attributes[1], place, &plan->has_offset) &&
	       push_attribute(compiler, &attributes[2], place, &plan->has_columns) &&
	       start_body(compiler, block, OP_TABLEROW, self, place);
}

/* The loop's own end; what is empty goes on behind it, at the else if there is one. */
static bool end_body(struct compiler *compiler, struct block *block, enum op_kind kind, size_t place)
{
	struct op *op;

	block->plan->next = compiler->template->op_count;
	if ((op = emit(compiler, kind, place)) == NULL)
		return false;
	op->a = block->body;
	return true;
}

static bool inner_for(struct compiler *compiler, struct block *block, size_t place, const char *name, size_t length,
		      bool *handled)
{
	*handled = true;
	if (name_is(name, length, "else")) {
		if (block->has_else)
			return compile_fault(compiler, place, "This for has an else already: remove one.");
		if (!end_body(compiler, block, OP_NEXT, place) || !emit_leave(compiler, block, place))
			return false;
		block->has_else = true;
		emit_land(compiler, block->skip);
		return true;
	}
	if (name_is(name, length, "endfor")) {
		if (!block->has_else) {
			if (!end_body(compiler, block, OP_NEXT, place))
				return false;
			emit_land(compiler, block->skip);
		}
		block_close(compiler, true);
		return true;
	}
	*handled = false;
	return true;
}

bool loop_inner_tag(struct compiler *compiler, struct block *block, size_t place, const char *name, size_t length,
		    bool *handled)
{
	if (*handled)
		return true;
	if (block->kind == BLOCK_FOR)
		return inner_for(compiler, block, place, name, length, handled);
	if (block->kind != BLOCK_TABLEROW || !name_is(name, length, "endtablerow"))
		return true;
	*handled = true;
	if (!end_body(compiler, block, OP_TABLEROW_NEXT, place))
		return false;
	emit_land(compiler, block->skip);
	block_close(compiler, false);
	return true;
}

static bool interrupt(struct compiler *compiler, size_t place, bool breaks)
{
	struct op *op = emit(compiler, OP_INTERRUPT, place);

	compile_not_blank(compiler);
	if (op != NULL)
		op->a = breaks;
	return op != NULL;
}

static bool parse_break(struct compiler *compiler, size_t place)
{
	return interrupt(compiler, place, true);
}

static bool parse_continue(struct compiler *compiler, size_t place)
{
	return interrupt(compiler, place, false);
}

/* Without a name a cycle is known by its values; one that reads variables is known by itself alone. */
static bool name_cycle(struct compiler *compiler, size_t place, int32_t key)
{
	struct template *template = compiler->template;
	size_t length = 8, at = 0;
	bool reads = false;
	struct value *constant = (struct value *)(uintptr_t) template->ops[key].constant;
	char *name;

	for (int32_t i = key + 1; i < template->op_count; i++) {
		reads |= template->ops[i].kind != OP_CONSTANT;
		if (template->ops[i].kind == OP_CONSTANT)
			length +=
				3 + (template->ops[i].constant->kind == VALUE_STRING ? template->ops[i].constant->length
										     : sizeof(int64_t));
	}
	if ((name = emit_memory(compiler, length)) == NULL)
		return false;
	memcpy(name, "\0cycle", 6);
	at = 6;
	if (reads) {
		*constant = value_integer(INT64_MIN + (int64_t)place + ((int64_t)compiler->unit_number << 32));
		return true;
	}
	for (int32_t i = key + 1; i < template->op_count; i++) {
		const struct value *value = template->ops[i].constant;
		size_t bytes = value->kind == VALUE_STRING ? value->length : sizeof(int64_t);

		name[at++] = (char)value->kind;
		memcpy(name + at, value->kind == VALUE_STRING ? value->bytes : (const char *)&value->integer, bytes);
		at += bytes;
		name[at++] = '\0';
	}
	*constant = value_string(name, at);
	return true;
}

static bool parse_cycle_values(struct compiler *compiler, uint16_t *count)
{
	do {
		if (*count > 0 && compiler->token.kind == TOKEN_END)
			return true; /* a comma at the end is harmless */
		if (*count == TEMPLATE_ARGUMENTS_MAX)
			return compile_limit(compiler, "A cycle has at most %d values.", TEMPLATE_ARGUMENTS_MAX);
		if (!parse_expression(compiler, false))
			return false;
		(*count)++;
	} while (take_token(compiler, TOKEN_COMMA));
	return expect_end(compiler);
}

static bool parse_cycle(struct compiler *compiler, size_t place)
{
	struct token token;
	struct lexer lexer;
	int32_t key = compiler->template->op_count;
	uint16_t count = 0;
	bool is_named;
	struct op *op;

	compile_not_blank(compiler);
	next_token(compiler);
	token = compiler->token;
	lexer = compiler->lexer;
	if (!parse_expression(compiler, true))
		return false;
	is_named = take_token(compiler, TOKEN_COLON);
	if (!is_named) {
		compiler->template->op_count = key;
		compiler->token = token;
		compiler->lexer = lexer;
		if (!emit_constant(compiler, place, value_nil()))
			return false;
	}
	if (!parse_cycle_values(compiler, &count) || (!is_named && !name_cycle(compiler, place, key)) ||
	    (op = emit(compiler, OP_CYCLE, place)) == NULL)
		return false;
	op->count = count;
	return true;
}

const struct tag loop_tags[] = {
	{.name = "for", .parse = parse_for},     {.name = "tablerow", .parse = parse_tablerow},
	{.name = "break", .parse = parse_break}, {.name = "continue", .parse = parse_continue},
	{.name = "cycle", .parse = parse_cycle}, {.name = NULL},
};
