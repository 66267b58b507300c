#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "worker/template/filter.h"
#include "worker/template/number.h"
#include "worker/template/run.h"
#include "worker/template/suggest.h"

static bool set_fault(struct run *run, enum template_fault_kind kind, const char *format, va_list arguments)
{
	struct template_fault *fault = run->fault;
	const struct unit *unit = &run->template->units[run->op->unit];
	char sentence[TEMPLATE_FAULT_MAX];

	fault->kind = kind;
	template_place(unit, run->op->place, &fault->line, &fault->column);
	(void)vsnprintf(sentence, sizeof(sentence), format, arguments);
	if (unit->name != NULL)
		(void)snprintf(fault->text, sizeof(fault->text), "In the partial \"%.*s\": %.200s",
			       SUGGEST_QUOTE(unit->name, unit->name_length), sentence);
	else
		(void)snprintf(fault->text, sizeof(fault->text), "%s", sentence);
	return false;
}

bool run_fault(struct run *run, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	set_fault(run, TEMPLATE_FAULT_SYNTAX, format, arguments);
	va_end(arguments);
	return false;
}

bool run_limit(struct run *run, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	set_fault(run, TEMPLATE_FAULT_LIMIT, format, arguments);
	va_end(arguments);
	return false;
}

bool run_out_of_steps(struct run *run)
{
	return run_limit(run, "The template takes more than %" PRIu64 " steps: make its loops shorter.",
			 run->steps_max);
}

bool run_out_of_memory(struct run *run)
{
	return run_limit(run, "The template keeps more than %zu bytes: capture, assign and join less.",
			 run->arena->ceiling_bytes);
}

static void undefined_fault(struct run *run, const struct path *path)
{
	struct template_fault *fault = run->fault;
	const struct unit *unit = &run->template->units[path->unit];

	fault->kind = TEMPLATE_FAULT_UNDEFINED;
	template_place(unit, path->place, &fault->line, &fault->column);
	if (unit->name != NULL)
		(void)snprintf(
			fault->text, sizeof(fault->text),
			"%.*s (line %d of the partial \"%.*s\") has no value for this recipient: give it a default or "
			"fill the profile.",
			SUGGEST_QUOTE(path->text, path->text_length), fault->line,
			SUGGEST_QUOTE(unit->name, unit->name_length));
	else
		(void)snprintf(fault->text, sizeof(fault->text),
			       "%.*s (line %d) has no value for this recipient: give it a default or fill the profile.",
			       SUGGEST_QUOTE(path->text, path->text_length), fault->line);
}

bool run_undefined(struct run *run, int32_t number, struct value *value)
{
	const struct template_settings *settings = &run->context->settings;
	const struct path *path = run->template->paths[number];
	const char *text;
	size_t length;

	if (settings->undefined == TEMPLATE_UNDEFINED_DEFAULT && settings->token_default != NULL &&
	    settings->token_default(settings->token_context, path->text, path->text_length, &text, &length)) {
		char *kept = run_memory(run, length);

		if (kept == NULL)
			return false;
		memcpy(kept, text, length);
		*value = value_string(kept, length);
		return true;
	}
	undefined_fault(run, path);
	return false;
}

struct frame *run_frame(struct run *run)
{
	const struct template *template = run->template;
	size_t bindings = (size_t) template->name_count * sizeof(struct binding);
	size_t places = (size_t) template->loop_count * sizeof(int64_t);
	struct frame *frame = run_memory(run, sizeof(*frame) + bindings + places);

	if (frame == NULL || !run_charge(run, bindings + places))
		return NULL;
	memset(frame, 0, sizeof(*frame) + bindings + places);
	frame->bindings = (struct binding *)(frame + 1);
	frame->places = (int64_t *)(frame->bindings + template->name_count);
	return frame;
}

struct control *run_open(struct run *run, enum control_kind kind)
{
	struct control *control;

	if (run->control_count == TEMPLATE_CONTROLS_MAX) {
		run_limit(run, "Loops, captures and partials stand more than %d deep within each other.",
			  TEMPLATE_CONTROLS_MAX);
		return NULL;
	}
	control = &run->controls[run->control_count++];
	control->kind = kind;
	control->stack = run->height;
	control->out_start = run->out->length;
	return control;
}

static inline struct value *push(struct run *run)
{
	return &run->stack[run->height++];
}

static inline struct value *pop(struct run *run)
{
	return &run->stack[--run->height];
}

static bool apply_filter(struct run *run, const struct op *op)
{
	struct value *arguments = &run->stack[run->height - op->count - 1];
	const struct filter *filter = filter_at(op->a);
	struct filter_call call = {.run = run, .op = op, .filter = filter, .arguments = arguments, .count = op->count};
	bool is_safe = filter->keeps_safe && arguments[0].is_safe;
	struct value result;

	if (run->watches_undefined && arguments[0].missing != 0 && !(op->flags & OP_GUARDED) &&
	    !run_undefined(run, arguments[0].missing - 1, &arguments[0]))
		return false;
	if (!filter->apply(&call, &result))
		return false;
	result.is_safe |= is_safe;
	run->height -= op->count;
	arguments[0] = result;
	return true;
}

/* What is no number counts as 0, a decimal that was computed is refused. */
static bool range_end(struct run *run, const struct value *value, int64_t *end)
{
	*end = 0;
	if (value->kind == VALUE_NIL)
		return true;
	if (value->kind != VALUE_STRING)
		return run_integer(run, value, end);
	return number_read_leading_integer(value->bytes, value->length, end) ||
	       run_fault(run, "A range ends beyond 64 bits: use smaller numbers.");
}

static bool make_range(struct run *run, const struct op *op)
{
	struct value *last = pop(run), *first = &run->stack[run->height - 1];
	struct value_range *range = run_memory(run, sizeof(*range));
	struct value *ends[] = {first, last};
	int64_t numbers[2];

	if (range == NULL)
		return false;
	for (int i = 0; i < 2; i++) {
		if (op->b && ends[i]->kind == VALUE_FLOAT)
			*ends[i] = value_integer(
				ends[i]->real < -9e18 || ends[i]->real > 9e18 ? 0 : (int64_t)ends[i]->real);
		if (!range_end(run, ends[i], &numbers[i]))
			return false;
	}
	*range = (struct value_range){.first = numbers[0], .last = numbers[1]};
	*first = (struct value){.kind = VALUE_RANGE, .range = range};
	return true;
}

/* assign and capture write outside of all loops. */
static void assign(struct run *run, int32_t name, const struct value *value)
{
	run->frame->bindings[name].assigned = *value;
}

bool run_capture_end(struct run *run, struct control *control)
{
	size_t length = run->out->length - control->out_start;
	char *bytes = run_memory(run, length);
	struct value value;

	if (bytes == NULL || !run_charge(run, length))
		return false;
	if (length > 0)
		memcpy(bytes, run->out->bytes + control->out_start, length);
	run->out->length = control->out_start;
	value = value_string(bytes, length);
	value.is_safe = run->template->slot != TEMPLATE_SLOT_PLAIN;
	assign(run, control->name, &value);
	return true;
}

bool run_ifchanged_end(struct run *run, struct control *control)
{
	size_t length = run->out->length - control->out_start;
	struct value *changed = &run->frame->changed;
	char *bytes;

	if (changed->kind == VALUE_STRING && changed->length == length &&
	    (length == 0 || memcmp(changed->bytes, run->out->bytes + control->out_start, length) == 0)) {
		run->out->length = control->out_start;
		return true;
	}
	if ((bytes = run_memory(run, length)) == NULL || !run_charge(run, length))
		return false;
	if (length > 0)
		memcpy(bytes, run->out->bytes + control->out_start, length);
	*changed = value_string(bytes, length);
	return true;
}

static bool end_output(struct run *run, bool is_capture)
{
	struct control *control = &run->controls[--run->control_count];

	return is_capture ? run_capture_end(run, control) : run_ifchanged_end(run, control);
}

static bool print_top(struct run *run, const struct op *op)
{
	struct value *value = pop(run);

	if (run->watches_undefined && value->missing != 0 && !(op->flags & OP_GUARDED) &&
	    !run_undefined(run, value->missing - 1, value))
		return false;
	return run_print(run, value);
}

static bool compare_top(struct run *run, const struct op *op)
{
	struct value *right = pop(run), *left = &run->stack[run->height - 1];
	bool holds;

	if (!run_compare(run, (enum comparison)op->a, left, right, &holds))
		return false;
	*left = value_boolean(holds);
	return true;
}

/* A counter starts from what the data calls so, when that is an integer. */
static bool count(struct run *run, const struct op *op)
{
	struct value *counter = &run->frame->bindings[op->a].counter, printed;
	const struct name *name = &run->template->names[op->a];
	int64_t next;

	if (counter->kind == VALUE_UNSET) {
		*counter = value_integer(0);
		if (name->node >= 0 && run->frame->sees_data) {
			struct value start;

			if (!run_value(run, &run->found[name->node], &start))
				return false;
			if (start.kind == VALUE_INTEGER)
				*counter = start;
		}
	}
	if (__builtin_add_overflow(counter->integer, op->b ? 1 : -1, &next))
		return run_fault(run, "The counter %.*s is beyond 64 bits.", SUGGEST_QUOTE(name->bytes, name->length));
	printed = op->b ? *counter : value_integer(next);
	*counter = value_integer(next);
	return run_print(run, &printed);
}

static bool when(struct run *run)
{
	struct control *control = &run->controls[run->control_count - 1];
	struct value *right = pop(run), *left = pop(run);
	bool equal;

	if (!value_equals(run, left, right, &equal))
		return false;
	control->matches += equal;
	control->is_matched |= equal;
	return true;
}

static bool open_case(struct run *run)
{
	struct control *control = run_open(run, CONTROL_CASE);

	if (control != NULL)
		control->matches = control->is_matched = 0;
	return control != NULL;
}

static bool abort_message(struct run *run)
{
	struct value reason, *top = pop(run);
	struct template_fault *fault = run->fault;

	if (!run_string(run, top, &reason))
		return false;
	fault->kind = TEMPLATE_FAULT_ABORTED;
	template_place(&run->template->units[run->op->unit], run->op->place, &fault->line, &fault->column);
	(void)snprintf(fault->text, sizeof(fault->text), "%.*s",
		       (int)(reason.length < TEMPLATE_FAULT_MAX ? reason.length : TEMPLATE_FAULT_MAX - 1),
		       reason.length > 0 ? reason.bytes : "");
	return false;
}

static bool check_output(struct run *run)
{
	if (!text_ok(run->out))
		return run_limit(run, "The rendered text is longer than %zu bytes: shorten the template or its values.",
				 run->out->ceiling);
	if (run->out->length - run->out_start > run->output_max)
		return run_limit(run, "The rendered text is longer than %zu bytes: shorten the template or its values.",
				 run->output_max);
	return true;
}

static bool print_text(struct run *run, const struct op *op)
{
	text_add_bytes(run->out, op->bytes, op->length);
	return run_charge(run, op->length) && check_output(run);
}

/* The rarer ones. */
static bool step_other(struct run *run, const struct op *op, int32_t *at)
{
	struct control *control = &run->controls[run->control_count > 0 ? run->control_count - 1 : 0];

	switch ((enum op_kind)op->kind) {
	case OP_RANGE:
		return make_range(run, op);
	case OP_CAPTURE:
		if ((control = run_open(run, CONTROL_CAPTURE)) == NULL)
			return false;
		control->name = op->a;
		return true;
	case OP_CAPTURE_END:
		return end_output(run, true);
	case OP_IFCHANGED:
		return run_open(run, CONTROL_IFCHANGED) != NULL;
	case OP_IFCHANGED_END:
		return end_output(run, false);
	case OP_COUNT:
		return count(run, op);
	case OP_CYCLE:
		return run_cycle(run, op);
	case OP_CASE:
		return open_case(run);
	case OP_WHEN:
		return when(run);
	case OP_WHEN_ENTER:
		if (control->matches == 0)
			*at = op->a;
		return true;
	case OP_WHEN_AGAIN:
		if (--control->matches > 0)
			*at = op->a;
		return true;
	case OP_CASE_ELSE:
		if (control->is_matched)
			*at = op->a;
		return true;
	case OP_CASE_END:
		run->control_count--;
		return true;
	case OP_FOR:
		return run_for(run, op, at);
	case OP_NEXT:
		return run_next(run, op, at);
	case OP_TABLEROW:
		return run_tablerow(run, op, at);
	case OP_TABLEROW_NEXT:
		return run_tablerow_next(run, op, at) && check_output(run);
	case OP_INTERRUPT:
		return run_interrupt(run, op->a != 0, at);
	case OP_CALL:
		return run_call(run, op, at);
	case OP_RETURN:
		return run_return(run, at);
	case OP_ABORT:
		return abort_message(run);
	case OP_FAULT:
		return run_fault(run, "%.*s", (int)op->length, op->bytes);
	default:
		return false;
	}
}

static inline bool step(struct run *run, const struct op *op, int32_t *at)
{
	switch ((enum op_kind)op->kind) {
	case OP_TEXT:
		return print_text(run, op);
	case OP_PRINT_FOUND:
		return run_print_found(run, op) && check_output(run);
	case OP_PRINT:
		return print_top(run, op) && check_output(run);
	case OP_CONSTANT:
		*push(run) = *op->constant;
		return true;
	case OP_PATH:
		return run_path(run, op);
	case OP_FILTER:
		return apply_filter(run, op);
	case OP_COMPARE:
		return compare_top(run, op);
	case OP_JUMP:
		*at = op->a;
		return true;
	case OP_JUMP_UNLESS:
		if (!value_is_truthy(pop(run)))
			*at = op->a;
		return true;
	case OP_JUMP_IF:
		if (value_is_truthy(pop(run)))
			*at = op->a;
		return true;
	case OP_AND:
	case OP_OR:
		if (value_is_truthy(&run->stack[run->height - 1]) == (op->kind == OP_OR))
			*at = op->a;
		else
			run->height--;
		return true;
	case OP_ASSIGN:
		assign(run, op->a, pop(run));
		return true;
	default:
		return step_other(run, op, at);
	}
}

/* at below 0: the template has returned. */
bool run_program(struct run *run)
{
	const struct op *ops = run->template->ops;
	int32_t at = run->template->units[0].entry;

	while (at >= 0) {
		const struct op *op = &ops[at++];

		run->op = op;
		if (run->steps == run->steps_max)
			return run_out_of_steps(run);
		run->steps++;
		if (run->height > TEMPLATE_STACK_MAX - 2)
			return run_limit(run, "An expression is too long: take it apart with assign.");
		if (!step(run, op, &at))
			return false;
	}
	return true;
}
