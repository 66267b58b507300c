#include <stdlib.h>
#include "shared/memory.h"
#include "worker/template/fault.h"
#include "worker/template/program.h"
#include "worker/template/scan.h"
#include "worker/template/value.h"

static bool fault_undefined(const struct template *template, const struct template_op *op, struct template_fault *fault)
{
	return template_fault_set(
		fault, TEMPLATE_FAULT_UNDEFINED, op->line, op->column,
		"%.*s (line %d) has no value for this recipient: give it a default or fill the profile.",
		TEMPLATE_QUOTE(template_bytes(template, op->path), op->path.length), op->line);
}

static bool print_value(const struct template *template, const struct template_op *op,
			const struct template_value *value, enum template_undefined undefined, struct text *out,
			struct template_fault *fault)
{
	if (op->has_default && template_value_wants_default(value))
		text_add_bytes(out, template_bytes(template, op->text), op->text.length);
	else if (undefined == TEMPLATE_UNDEFINED_SKIP && template_value_is_undefined(value))
		return fault_undefined(template, op, fault);
	else
		template_value_print(value, template->slot, out);
	return true;
}

static bool run(const struct template *template, const struct template_value *values, enum template_undefined undefined,
		struct text *out, struct template_fault *fault)
{
	for (size_t i = 0; i < template->op_count; i++) {
		const struct template_op *op = &template->ops[i];

		if (op->kind == TEMPLATE_OP_LITERAL)
			text_add_bytes(out, template_bytes(template, op->text), op->text.length);
		else if (!print_value(template, op, &values[op->node], undefined, out, fault))
			return false;
	}
	return true;
}

static void undo(struct text *out, size_t length)
{
	out->length = length;
	out->overflowed = false;
	if (out->bytes != NULL)
		out->bytes[length] = '\0';
}

struct template_context {
	struct template_settings settings;
};

struct template_context *template_context_new(void)
{
	return memory_new(sizeof(struct template_context));
}

void template_context_free(struct template_context **context)
{
	free(*context);
	*context = NULL;
}

void template_context_set(struct template_context *context, const struct template_settings *settings)
{
	context->settings = *settings;
}

bool template_context_zone_is_known(const struct template_context *context)
{
	return context->settings.time_zone == NULL;
}

struct template_usage template_context_usage(const struct template_context *context)
{
	(void)context;
	return (struct template_usage){.steps = 0};
}

size_t template_need_count(const struct template *template)
{
	size_t count = 0;

	for (size_t i = 0; i < template->op_count; i++)
		count += template->ops[i].kind == TEMPLATE_OP_VALUE;
	return count;
}

struct template_need template_need_at(const struct template *template, size_t index)
{
	const struct template_op *op = template->ops;

	while (op->kind != TEMPLATE_OP_VALUE || index-- > 0)
		op++;
	return (struct template_need){.path = template_bytes(template, op->path),
				      .path_length = op->path.length,
				      .line = op->line,
				      .column = op->column,
				      .is_guarded = op->has_default,
				      .default_value = op->has_default ? template_bytes(template, op->text) : NULL,
				      .default_length = op->has_default ? op->text.length : 0};
}

bool template_render(const struct template *template, struct template_context *context,
		     const struct template_data *data, struct text *out, struct template_fault *fault)
{
	struct template_value values[TEMPLATE_NODES_MAX] TEMPLATE_NOT_ZEROED;
	size_t before = out->length;

	if (!text_ok(out))
		return template_fault_set(fault, TEMPLATE_FAULT_LIMIT, 0, 0,
					  "The output was full before this template.");
	if (template->node_count > 1 && !template_scan(template, data, values, fault))
		return false;
	if (!run(template, values, context->settings.undefined, out, fault)) {
		undo(out, before);
		return false;
	}
	if (text_ok(out))
		return true;
	undo(out, before);
	return template_fault_set(fault, TEMPLATE_FAULT_LIMIT, 0, 0,
				  "The rendered text is longer than %zu bytes: shorten the template or its values.",
				  out->ceiling);
}
