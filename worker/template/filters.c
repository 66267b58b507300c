#include <string.h>

#include "worker/template/compile.h"
#include "worker/template/filter.h"
#include "worker/template/suggest.h"

/* An expression with filters, while it is read. */
struct chain {
	int32_t start; /* its first operation */
	int32_t path;  /* the operation that reads what is filtered; TEMPLATE_NOTHING: no path */
	size_t need;   /* of that path, when it has one */
	bool has_need;
	bool has_default;
};

static bool is_keyword(struct compiler *compiler)
{
	struct token token = compiler->token;
	struct lexer lexer = compiler->lexer;
	bool is;

	if (token.kind != TOKEN_NAME)
		return false;
	next_token(compiler);
	is = compiler->token.kind == TOKEN_COLON;
	compiler->token = token;
	compiler->lexer = lexer;
	return is;
}

/* allow_false: true. *keyword: its position among the arguments, from 1. */
static bool parse_keyword(struct compiler *compiler, const struct filter *filter, uint16_t position, int32_t *keyword)
{
	if (filter->keyword == NULL || !token_is(compiler, filter->keyword) || *keyword != 0)
		return compile_fault(compiler, compiler->token.place,
				     "The filter %s has no argument called \"%.*s\": give the value alone.",
				     filter->name,
				     SUGGEST_QUOTE(compiler->source + compiler->token.start, compiler->token.length));
	next_token(compiler);
	next_token(compiler);
	*keyword = position;
	return parse_expression(compiler, false);
}

static bool parse_arguments(struct compiler *compiler, const struct filter *filter, uint16_t *count, int32_t *keyword)
{
	do {
		if (*count == TEMPLATE_ARGUMENTS_MAX)
			return compile_limit(compiler, "A filter has at most %d arguments.", TEMPLATE_ARGUMENTS_MAX);
		(*count)++;
		if (!(is_keyword(compiler) ? parse_keyword(compiler, filter, *count, keyword)
					   : parse_expression(compiler, false)))
			return false;
	} while (take_token(compiler, TOKEN_COMMA));
	return true;
}

static bool check_count(struct compiler *compiler, const struct filter *filter, size_t place, int count)
{
	if (count >= filter->least && count <= filter->most)
		return true;
	if (filter->most == 0)
		return compile_fault(compiler, place,
				     "The filter %s takes nothing behind its name: remove the colon "
				     "and what follows it.",
				     filter->name);
	if (filter->least == filter->most)
		return compile_fault(compiler, place, "The filter %s takes %d argument%s and has %d here: %s.",
				     filter->name, filter->least, filter->least == 1 ? "" : "s", count,
				     filter->example);
	return compile_fault(compiler, place, "The filter %s takes %d to %d arguments and has %d here: %s.",
			     filter->name, filter->least, filter->most, count, filter->example);
}

/* What a default prints, for the list of needs. */
static void note_default(struct compiler *compiler, const struct chain *chain, const struct token *literal)
{
	const struct template *template = compiler->template;
	struct need *need;

	if (!chain->has_need)
		return;
	need = &template->needs[chain->need];
	need->is_guarded = true;
	if (need->has_default || (literal->kind != TOKEN_TEXT && literal->kind != TOKEN_NUMBER))
		return;
	need->has_default = true;
	need->default_value = compiler->source + literal->start;
	need->default_length = literal->length;
}

static const struct filter *find_filter(struct compiler *compiler, size_t place, const char *name, size_t length)
{
	const struct filter *filter = filter_find(name, length, compiler->template->is_marketing);
	const char *nearest;

	if (filter != NULL)
		return filter;
	nearest = filter_nearest(name, length, compiler->template->is_marketing);
	if (nearest != NULL)
		compile_fault(compiler, place, "There is no filter \"%.*s\": did you mean %s?",
			      SUGGEST_QUOTE(name, length), nearest);
	else
		compile_fault(compiler, place, "There is no filter \"%.*s\": the filters are listed in the handbook.",
			      SUGGEST_QUOTE(name, length));
	return NULL;
}

/* At the token behind |. */
static bool parse_filter(struct compiler *compiler, struct chain *chain)
{
	struct token token = compiler->token, literal;
	const char *name = compiler->source + token.start;
	const struct filter *filter;
	uint16_t count = 0;
	int32_t keyword = 0;
	struct op *op;

	if (token.kind != TOKEN_NAME)
		return compile_unexpected(compiler, "a filter's name, such as default,");
	if ((filter = find_filter(compiler, token.place, name, token.length)) == NULL)
		return false;
	next_token(compiler);
	if (take_token(compiler, TOKEN_COLON)) {
		literal = compiler->token;
		if (!parse_arguments(compiler, filter, &count, &keyword))
			return false;
		if (filter->is_default)
			note_default(compiler, chain, &literal);
	}
	chain->has_default |= filter->is_default;
	if (!check_count(compiler, filter, token.place, count - (keyword != 0)) ||
	    (op = emit(compiler, OP_FILTER, token.place)) == NULL)
		return false;
	op->a = filter_number(filter);
	op->b = keyword;
	op->count = count;
	return true;
}

/* What is filtered by default needs no value, and no filter of that chain does. */
static void mark_guarded(struct compiler *compiler, const struct chain *chain)
{
	struct template *template = compiler->template;

	if (chain->path != TEMPLATE_NOTHING)
		template->ops[chain->path].flags |= OP_GUARDED;
	for (int32_t i = chain->start; i < template->op_count; i++)
		if (template->ops[i].kind == OP_FILTER)
			template->ops[i].flags |= OP_GUARDED;
}

bool parse_filtered(struct compiler *compiler, bool is_printed)
{
	struct template *template = compiler->template;
	struct chain chain = {.start = template->op_count, .path = TEMPLATE_NOTHING, .need = template->need_count};
	int32_t filter_start;
	bool is_guarded;
	struct op *op;

	if (!parse_expression(compiler, false))
		return false;
	if (compiler->last_path != TEMPLATE_NOTHING)
		chain.path = template->op_count - 1;
	chain.has_need = chain.path != TEMPLATE_NOTHING && template->need_count > chain.need;
	chain.need = template->need_count - 1;
	filter_start = template->op_count;
	while (take_token(compiler, TOKEN_PIPE))
		if (!parse_filter(compiler, &chain))
			return false;
	if (compiler->token.kind != TOKEN_END)
		return compile_unexpected(compiler,
					  template->op_count > filter_start ? ": or | or the end" : "| or the end");
	is_guarded =
		chain.has_default || (chain.path != TEMPLATE_NOTHING && (template->ops[chain.path].flags & OP_GUARDED));
	/* assign alone expects nothing: the print of what was assigned will. */
	if (is_guarded || (!is_printed && filter_start == template->op_count))
		mark_guarded(compiler, &chain);
	if (!is_printed)
		return true;
	if ((op = emit(compiler, OP_PRINT, template->ops[chain.start].place)) == NULL)
		return false;
	op->flags = is_guarded ? OP_GUARDED : 0;
	return true;
}

static const struct {
	const char *mark;
	enum comparison comparison;
} comparisons[] = {
	{"==", COMPARISON_EQUAL},
	{"!=", COMPARISON_NOT_EQUAL},
	{"<>", COMPARISON_NOT_EQUAL},
	{"<", COMPARISON_LESS},
	{"<=", COMPARISON_LESS_OR_EQUAL},
	{">", COMPARISON_GREATER},
	{">=", COMPARISON_GREATER_OR_EQUAL},
	{"contains", COMPARISON_CONTAINS},
};

static bool parse_comparison(struct compiler *compiler)
{
	struct token token;
	struct op *op;

	if (!parse_expression(compiler, true))
		return false;
	token = compiler->token;
	if (!take_token(compiler, TOKEN_COMPARISON))
		return true;
	if (!parse_expression(compiler, true) || (op = emit(compiler, OP_COMPARE, token.place)) == NULL)
		return false;
	for (size_t i = 0; i < ARRAY_LENGTH(comparisons); i++)
		if (name_is(compiler->source + token.start, token.length, comparisons[i].mark))
			op->a = (int32_t)comparisons[i].comparison;
	return true;
}

static bool unknown_operator(struct compiler *compiler)
{
	return compile_unexpected(compiler, "and, or, ==, !=, <, >, <=, >=, contains or the end");
}

/* Liquid reads and, or from the right: a and b or c is a and (b or c). So each one jumps to the very end. */
bool parse_condition(struct compiler *compiler)
{
	int32_t leave = TEMPLATE_NOTHING, number;

	for (;;) {
		bool is_and;
		size_t place = compiler->token.place;

		if (!parse_comparison(compiler))
			return false;
		is_and = token_is(compiler, "and");
		if (!is_and && !token_is(compiler, "or"))
			break;
		next_token(compiler);
		if (!emit_jump(compiler, is_and ? OP_AND : OP_OR, place, &number))
			return false;
		compiler->template->ops[number].b = leave;
		leave = number;
	}
	if (compiler->token.kind != TOKEN_END)
		return unknown_operator(compiler);
	while (leave != TEMPLATE_NOTHING) {
		number = leave;
		leave = compiler->template->ops[number].b;
		emit_land(compiler, number);
	}
	return true;
}
