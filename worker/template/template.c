#include "worker/template/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "worker/template/compile.h"
#include "worker/template/suggest.h"

static char *copy(struct compiler *compiler, const char *bytes, size_t length)
{
	char *copied = arena_take(&compiler->template->arena, length + 1);

	if (copied == NULL) {
		compile_limit(compiler, "The template and its partials have more than %zu bytes: make them shorter.",
			      TEMPLATE_PROGRAM_BYTES);
		return NULL;
	}
	if (length > 0)
		memcpy(copied, bytes, length);
	copied[length] = '\0';
	return copied;
}

static bool set_source(struct compiler *compiler, struct unit *unit, const char *source, size_t length)
{
	if (length > TEMPLATE_SOURCE_MAX)
		return compile_limit(compiler, "The template has %zu bytes; at most %d are allowed.", length,
				     TEMPLATE_SOURCE_MAX);
	unit->length = length;
	unit->source = copy(compiler, source, length);
	return unit->source != NULL;
}

static void start_unit(struct compiler *compiler, int32_t number)
{
	compiler->unit = &compiler->template->units[number];
	compiler->unit_number = (uint16_t)number;
	compiler->block_count = compiler->liquid_base = compiler->guard_count = 0;
	compiler->nesting = 0;
	compiler->last_path = TEMPLATE_NOTHING;
}

/* In pure Liquid a broken partial only matters when it is reached. */
static bool postpone_fault(struct compiler *compiler, int32_t entry)
{
	size_t length = strlen(compiler->fault->text);
	char *text;
	struct op *op;

	if (compiler->fault->kind != TEMPLATE_FAULT_SYNTAX || compiler->template->is_marketing)
		return false;
	compiler->template->op_count = entry;
	if ((text = copy(compiler, compiler->fault->text, length)) == NULL ||
	    (op = emit(compiler, OP_FAULT, 0)) == NULL)
		return false;
	op->bytes = text;
	op->length = (uint32_t)length;
	compiler->unit->entry = entry;
	return true;
}

static bool compile_partial(struct compiler *compiler, int32_t number)
{
	const struct template_partials *partials = &compiler->options->partials;
	int32_t entry = compiler->template->op_count;
	const char *source;
	size_t length;

	start_unit(compiler, number);
	if (partials->find == NULL ||
	    !partials->find(partials->context, compiler->unit->name, compiler->unit->name_length, &source, &length)) {
		compiler->fault->kind = TEMPLATE_FAULT_SYNTAX;
		compiler->fault->line = compiler->fault->column = 0;
		(void)snprintf(compiler->fault->text, sizeof(compiler->fault->text),
			       "There is no partial called \"%.*s\": create it, or correct its name.",
			       SUGGEST_QUOTE(compiler->unit->name, compiler->unit->name_length));
		return postpone_fault(compiler, entry);
	}
	if (!set_source(compiler, compiler->unit, source, length))
		return false;
	return compile_unit(compiler) || postpone_fault(compiler, entry);
}

/* A template that chooses a partial by a variable may choose any. */
static bool add_all_partials(struct compiler *compiler)
{
	const struct template_partials *partials = &compiler->options->partials;
	const char *name;
	int32_t number;

	if (partials->name_at == NULL)
		return true;
	for (size_t i = 0; (name = partials->name_at(partials->context, i)) != NULL; i++) {
		char *kept = copy(compiler, name, strlen(name));

		if (kept == NULL || !emit_partial(compiler, kept, strlen(name), &number))
			return false;
	}
	return true;
}

static bool compile_all(struct compiler *compiler, const char *source, size_t length)
{
	struct template *template = compiler->template;
	int32_t root = TEMPLATE_NOTHING, number;
	bool added = false;

	if (!emit_node(compiler, &root, NULL, 0, TEMPLATE_NOTHING) || !emit_partial(compiler, NULL, 0, &number))
		return false;
	start_unit(compiler, 0);
	if (!set_source(compiler, compiler->unit, source, length) || !compile_unit(compiler))
		return false;
	/* Partials add what they name themselves behind the others. */
	for (number = 1;; number++) {
		if (compiler->chooses_partials && !added) {
			added = true;
			if (!add_all_partials(compiler))
				return false;
		}
		if (number >= template->unit_count)
			break;
		if (!compile_partial(compiler, number))
			return false;
	}
	return emit_finish(compiler);
}

/* Counted once, from the start of each unit: needs stand in the order of the source. */
static void place_needs(struct template *template)
{
	for (size_t i = 0; i < template->need_count; i++) {
		struct need *need = &template->needs[i];

		template_place_after(&template->units[need->unit], i > 0 ? need - 1 : NULL, need);
	}
}

struct template *template_compile(const char *source, size_t length, const struct template_options *options,
				  struct template_fault *fault)
{
	struct compiler *compiler = memory_new(sizeof(*compiler));
	struct template *template = memory_new(sizeof(*template));

	arena_init(&template->arena, TEMPLATE_PROGRAM_BYTES);
	template->is_marketing = options->is_marketing;
	template->slot = options->is_marketing ? options->slot : TEMPLATE_SLOT_PLAIN;
	compiler->template = template;
	compiler->options = options;
	compiler->fault = fault;
	if (compile_all(compiler, source, length))
		place_needs(template);
	else
		template_free(&template);
	free(compiler);
	return template;
}

void template_free(struct template **template)
{
	if (*template == NULL)
		return;
	free((*template)->ops);
	free((*template)->nodes);
	free((*template)->names);
	free((*template)->units);
	free((void *)(*template)->paths);
	free((*template)->needs);
	arena_release(&(*template)->arena);
	free(*template);
	*template = NULL;
}

size_t template_need_count(const struct template *template)
{
	return template->need_count;
}

struct template_need template_need_at(const struct template *template, size_t index)
{
	const struct need *need = &template->needs[index];

	return (struct template_need){.path = need->path,
				      .path_length = need->length,
				      .partial = template->units[need->unit].name,
				      .line = need->line,
				      .column = need->column,
				      .is_guarded = need->is_guarded,
				      .default_value = need->has_default ? need->default_value : NULL,
				      .default_length = need->default_length};
}
