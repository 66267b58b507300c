#include <string.h>

#include "worker/template/compile.h"

/* Condition, jump to the next branch unless it holds. */
static bool open_branch(struct compiler *compiler, struct block *block, size_t place, enum op_kind jump)
{
	return parse_condition(compiler) && emit_jump(compiler, jump, place, &block->skip);
}

static bool parse_if(struct compiler *compiler, size_t place)
{
	struct block *block = block_open(compiler, BLOCK_IF, place);

	return block != NULL && (next_token(compiler), open_branch(compiler, block, place, OP_JUMP_UNLESS));
}

static bool parse_unless(struct compiler *compiler, size_t place)
{
	struct block *block = block_open(compiler, BLOCK_UNLESS, place);

	return block != NULL && (next_token(compiler), open_branch(compiler, block, place, OP_JUMP_IF));
}

/* The end of one branch and the start of the next. What follows an else is never reached, but must be well-formed. */
static bool next_branch(struct compiler *compiler, struct block *block, size_t place)
{
	if (!emit_leave(compiler, block, place))
		return false;
	if (!block->has_else)
		emit_land(compiler, block->skip);
	block->skip = TEMPLATE_NOTHING;
	return true;
}

static bool inner_if(struct compiler *compiler, struct block *block, size_t place, const char *name, size_t length,
		     bool *handled)
{
	*handled = true;
	if (name_is(name, length, "else")) {
		if (!next_branch(compiler, block, place))
			return false;
		block->has_else = true;
		return true;
	}
	if (name_is(name, length, "elsif")) {
		next_token(compiler);
		return next_branch(compiler, block, place) && open_branch(compiler, block, place, OP_JUMP_UNLESS) &&
		       (!block->has_else || (emit_land(compiler, block->skip), block->skip = TEMPLATE_NOTHING, true));
	}
	if (name_is(name, length, block->kind == BLOCK_IF ? "endif" : "endunless")) {
		emit_land(compiler, block->skip);
		block_close(compiler, true);
		return true;
	}
	*handled = false;
	return true;
}

static bool parse_case(struct compiler *compiler, size_t place)
{
	struct block *block = block_open(compiler, BLOCK_CASE, place);

	if (block == NULL)
		return false;
	block->subject = compiler->lexer.at;
	block->subject_end = compiler->lexer.end;
	block->start = compiler->template->op_count;
	if (emit(compiler, OP_CASE, place) == NULL)
		return false;
	/* Read once for its faults and its needs; each when reads it again. */
	next_token(compiler);
	if (!parse_expression(compiler, true) || !expect_end(compiler))
		return false;
	compiler->template->op_count = block->start + 1;
	/* What stands before the first when is never printed. */
	return emit_jump(compiler, OP_JUMP, place, &block->skip);
}

static bool parse_subject(struct compiler *compiler, const struct block *block)
{
	struct token token = compiler->token;
	struct lexer lexer = compiler->lexer;
	size_t needs = compiler->template->need_count, guards = compiler->guard_count;
	bool parsed;

	expression_start(compiler, block->subject, block->subject_end);
	parsed = parse_expression(compiler, true);
	compiler->template->need_count = needs;
	compiler->guard_count = guards;
	compiler->token = token;
	compiler->lexer = lexer;
	return parsed;
}

/* when a, b or c */
static bool parse_when(struct compiler *compiler, struct block *block, size_t place)
{
	do {
		if (!parse_subject(compiler, block) || !parse_expression(compiler, true) ||
		    emit(compiler, OP_WHEN, place) == NULL)
			return false;
	} while (take_token(compiler, TOKEN_COMMA) || take_word(compiler, "or"));
	if (compiler->token.kind != TOKEN_END)
		return compile_unexpected(compiler, "a comma, or, or the end");
	if (!emit_jump(compiler, OP_WHEN_ENTER, place, &block->skip))
		return false;
	block->body = compiler->template->op_count;
	return true;
}

/* A branch that several values of its when are equal to is printed several times, as in the reference implementation. */
static bool end_case_branch(struct compiler *compiler, struct block *block, size_t place)
{
	struct op *op;

	if (block->body > 0) {
		if ((op = emit(compiler, OP_WHEN_AGAIN, place)) == NULL)
			return false;
		op->a = block->body;
	}
	emit_land(compiler, block->skip);
	block->skip = TEMPLATE_NOTHING;
	block->body = 0;
	return true;
}

static bool inner_case(struct compiler *compiler, struct block *block, size_t place, const char *name, size_t length,
		       bool *handled)
{
	*handled = true;
	if (name_is(name, length, "when")) {
		next_token(compiler);
		return end_case_branch(compiler, block, place) && parse_when(compiler, block, place);
	}
	if (name_is(name, length, "else")) {
		next_token(compiler);
		return end_case_branch(compiler, block, place) && expect_end(compiler) &&
		       emit_jump(compiler, OP_CASE_ELSE, place, &block->skip);
	}
	if (name_is(name, length, "endcase")) {
		if (!end_case_branch(compiler, block, place) || emit(compiler, OP_CASE_END, place) == NULL)
			return false;
		block_close(compiler, true);
		return true;
	}
	*handled = false;
	return true;
}

bool flow_inner_tag(struct compiler *compiler, struct block *block, size_t place, const char *name, size_t length,
		    bool *handled)
{
	if (block->kind == BLOCK_IF || block->kind == BLOCK_UNLESS)
		return inner_if(compiler, block, place, name, length, handled);
	if (block->kind == BLOCK_CASE)
		return inner_case(compiler, block, place, name, length, handled);
	return true;
}

const struct tag flow_tags[] = {
	{.name = "if", .parse = parse_if},
	{.name = "unless", .parse = parse_unless},
	{.name = "case", .parse = parse_case},
	{.name = NULL},
};
