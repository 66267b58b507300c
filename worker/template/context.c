#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "worker/template/run.h"
#include "worker/template/scan.h"

struct template_context *template_context_new(void)
{
	struct template_context *context = memory_new(sizeof(*context));

	arena_init(&context->arena, TEMPLATE_MEMORY_BYTES_MAX);
	context->zones = zone_cache_new();
	return context;
}

void template_context_free(struct template_context **context)
{
	if (*context == NULL)
		return;
	arena_release(&(*context)->arena);
	zone_cache_free(&(*context)->zones);
	free(*context);
	*context = NULL;
}

static bool is_utc(const char *name)
{
	return name == NULL || *name == '\0' || strcmp(name, "UTC") == 0;
}

void template_context_set(struct template_context *context, const struct template_settings *settings)
{
	const char *name = settings->time_zone;

	context->settings = *settings;
	context->settings.time_zone = NULL; /* the caller's own */
	context->zone = is_utc(name) ? NULL : zone_cache_get(context->zones, name);
	context->zone_is_known = is_utc(name) || context->zone != NULL;
}

bool template_context_zone_is_known(const struct template_context *context)
{
	return context->zone_is_known;
}

struct template_usage template_context_usage(const struct template_context *context)
{
	return (struct template_usage){.steps = context->steps, .memory_bytes = context->arena.handed_out_bytes};
}

static void undo(struct text *out, size_t length)
{
	out->length = length;
	out->overflowed = false;
	if (out->bytes != NULL)
		out->bytes[length] = '\0';
}

static bool run(struct run *run)
{
	if ((run->frame = run_frame(run)) == NULL)
		return false;
	run->frame->sees_data = true;
	return run_program(run);
}

bool template_load(const struct template *template, struct template_context *context, const struct template_data *data,
		   struct template_fault *fault)
{
	return !template->reads_data || template_scan(template, data, context->found, fault);
}

bool template_run(const struct template *template, struct template_context *context, struct text *out,
		  struct template_fault *fault)
{
	const struct template_limits *limits = &context->settings.limits;
	size_t before = out->length;
	struct run machine = {
		.template = template,
		.context = context,
		.arena = &context->arena,
		.found = context->found,
		.out = out,
		.out_start = before,
		.output_max = limits->output_bytes_max != 0 ? limits->output_bytes_max : TEMPLATE_OUTPUT_BYTES_MAX,
		.steps_max = limits->steps_max != 0 ? limits->steps_max : TEMPLATE_STEPS_MAX,
		.fault = fault,
		.op = template->ops,
		.stack = context->stack,
		.controls = context->controls,
		.watches_undefined = template->is_marketing && context->settings.undefined != TEMPLATE_UNDEFINED_BLANK,
	};
	bool rendered;

	if (!text_ok(out)) {
		*fault = (struct template_fault){.kind = TEMPLATE_FAULT_LIMIT};
		memcpy(fault->text, "The output was full before this template.", 42);
		return false;
	}
	arena_reset(&context->arena,
		    limits->memory_bytes_max != 0 ? limits->memory_bytes_max : TEMPLATE_MEMORY_BYTES_MAX);
	rendered = run(&machine);
	context->steps = machine.steps;
	if (!rendered)
		undo(out, before);
	else if (out->bytes != NULL)
		out->bytes[out->length] = '\0'; /* a capture at the end has only taken the length back */
	return rendered;
}

bool template_render(const struct template *template, struct template_context *context,
		     const struct template_data *data, struct text *out, struct template_fault *fault)
{
	return template_load(template, context, data, fault) && template_run(template, context, out, fault);
}
