#include <string.h>

#include "worker/template/compile.h"

static bool add_argument(struct compiler *compiler, int32_t *names, int32_t *count)
{
	struct token name = compiler->token;

	next_token(compiler);
	if (!take_token(compiler, TOKEN_COLON))
		return compile_unexpected(compiler, "a colon");
	if (*count == TEMPLATE_ARGUMENTS_MAX)
		return compile_limit(compiler, "A partial is given at most %d values.", TEMPLATE_ARGUMENTS_MAX);
	if (!emit_name(compiler, compiler->source + name.start, name.length, &names[*count]) ||
	    !parse_expression(compiler, true))
		return false;
	compiler->template->names[names[(*count)++]].is_bound = true;
	return true;
}

/* , first: value, second: value */
static bool parse_arguments(struct compiler *compiler, struct call_plan *plan)
{
	int32_t names[TEMPLATE_ARGUMENTS_MAX], count = 0, *kept;

	(void)take_token(compiler, TOKEN_COMMA);
	while (compiler->token.kind == TOKEN_NAME) {
		if (!add_argument(compiler, names, &count))
			return false;
		(void)take_token(compiler, TOKEN_COMMA);
	}
	if (compiler->token.kind != TOKEN_END)
		return compile_unexpected(compiler, "name: value or the end");
	if ((kept = emit_memory(compiler, (size_t)count * sizeof(*kept))) == NULL)
		return false;
	memcpy(kept, names, (size_t)count * sizeof(*kept));
	plan->arguments = kept;
	plan->argument_count = count;
	return true;
}

/* What a partial is handed over is called like the partial, without its folder. */
static void default_variable(const struct token *name, const char *source, const char **bytes, size_t *length)
{
	*bytes = source + name->start;
	*length = name->length;
	for (size_t i = name->length; i-- > 0;)
		if (source[name->start + i] == '/') {
			*bytes = source + name->start + i + 1;
			*length = name->length - i - 1;
			return;
		}
}

static bool bind_variable(struct compiler *compiler, struct call_plan *plan, const char *bytes, size_t length)
{
	if (!emit_name(compiler, bytes, length, &plan->variable))
		return false;
	compiler->template->names[plan->variable].is_bound = true;
	return true;
}

/* An include without with hands over the variable that is called like the partial. */
static bool push_namesake(struct compiler *compiler, const struct token *name)
{
	struct path *path = emit_memory(compiler, sizeof(*path));

	if (path == NULL)
		return false;
	*path = (struct path){.text = compiler->source + name->start,
			      .text_length = name->length,
			      .node = TEMPLATE_ROOT,
			      .place = (uint32_t)name->place};
	if (!emit_name(compiler, path->text, path->text_length, &path->name) ||
	    !emit_node(compiler, &path->node, path->text, path->text_length, TEMPLATE_NOTHING))
		return false;
	compiler->template->names[path->name].node = path->node;
	return emit_path(compiler, path, false, true);
}

static bool parse_value(struct compiler *compiler, struct call_plan *plan, const struct token *name)
{
	const char *bytes = NULL;
	size_t length = 0;
	bool is_for = take_word(compiler, "for");

	plan->variable = TEMPLATE_NOTHING;
	plan->has_value = is_for || take_word(compiler, "with");
	plan->is_each = is_for;
	if (plan->has_value && !parse_expression(compiler, true))
		return false;
	if (take_word(compiler, "as")) {
		bytes = compiler->source + compiler->token.start;
		length = compiler->token.length;
		if (!take_token(compiler, TOKEN_NAME))
			return compile_unexpected(compiler, "a name");
	} else if (!plan->is_chosen) {
		default_variable(name, compiler->source, &bytes, &length);
	}
	if (!plan->has_value && !plan->is_render && !plan->is_chosen) {
		plan->has_value = true;
		if (!push_namesake(compiler, name))
			return false;
	}
	return bytes == NULL || bind_variable(compiler, plan, bytes, length);
}

static bool bind_forloop(struct compiler *compiler, int32_t *number)
{
	return emit_name(compiler, "forloop", 7, number) && (compiler->template->names[*number].is_bound = true);
}

static bool parse_call(struct compiler *compiler, size_t place, bool is_render)
{
	struct call_plan *plan = emit_memory(compiler, sizeof(*plan));
	struct token name;
	struct op *op;
	int32_t forloop;

	if (plan == NULL || !bind_forloop(compiler, &forloop))
		return false;
	compile_not_blank(compiler);
	next_token(compiler);
	name = compiler->token;
	plan->is_render = is_render;
	plan->is_chosen = name.kind != TOKEN_TEXT;
	if (plan->is_chosen && is_render)
		return compile_unexpected(compiler, "a partial's name in quotes");
	if (plan->is_chosen) {
		compiler->chooses_partials = true;
		if (!parse_expression(compiler, true))
			return false;
	} else {
		next_token(compiler);
		if (!emit_partial(compiler, compiler->source + name.start, name.length, &plan->partial))
			return false;
	}
	if (!parse_value(compiler, plan, &name) || !parse_arguments(compiler, plan) ||
	    (op = emit(compiler, OP_CALL, place)) == NULL)
		return false;
	op->call = plan;
	op->a = forloop;
	return true;
}

static bool parse_include(struct compiler *compiler, size_t place)
{
	return parse_call(compiler, place, false);
}

static bool parse_render(struct compiler *compiler, size_t place)
{
	return parse_call(compiler, place, true);
}

const struct tag partial_tags[] = {
	{.name = "include", .parse = parse_include},
	{.name = "render", .parse = parse_render},
	{.name = NULL},
};
