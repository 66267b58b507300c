#include <string.h>

#include "worker/template/run.h"
#include "worker/template/suggest.h"

/* What the stack holds for a call: a chosen name, the value of with or for, the arguments. */
struct given {
	const struct value *name, *value, *arguments;
};

static struct given take_given(struct run *run, const struct call_plan *plan)
{
	struct given given;

	run->height -= plan->argument_count;
	given.arguments = &run->stack[run->height];
	run->height -= plan->has_value;
	given.value = &run->stack[run->height];
	run->height -= plan->is_chosen;
	given.name = &run->stack[run->height];
	return given;
}

static int32_t find_partial(const struct run *run, const struct value *name)
{
	for (int32_t i = 1; i < run->template->unit_count; i++)
		if (run->template->units[i].name_length == name->length &&
		    memcmp(run->template->units[i].name, name->bytes, name->length) == 0)
			return i;
	return TEMPLATE_NOTHING;
}

static bool choose(struct run *run, const struct call_plan *plan, const struct value *name, int32_t *partial)
{
	*partial = plan->partial;
	if (!plan->is_chosen)
		return true;
	if (name->kind != VALUE_STRING)
		return run_fault(run, "A partial is chosen by its name, which is a text: give one.");
	*partial = find_partial(run, name);
	return *partial != TEMPLATE_NOTHING ||
	       run_fault(run, "There is no partial called \"%.*s\": create it, or correct its name.",
			 SUGGEST_QUOTE(name->bytes, name->length));
}

/* The name that a chosen partial's value goes by: that of the partial, without its folder. */
static int32_t variable_of(const struct run *run, const struct call_plan *plan, int32_t partial)
{
	const struct unit *unit = &run->template->units[partial];
	const char *name = unit->name;
	size_t length = unit->name_length;

	if (plan->variable != TEMPLATE_NOTHING)
		return plan->variable;
	for (size_t i = unit->name_length; i-- > 0;)
		if (unit->name[i] == '/') {
			name = unit->name + i + 1;
			length = unit->name_length - i - 1;
			break;
		}
	for (int32_t i = 0; i < run->template->name_count; i++)
		if (run->template->names[i].length == length &&
		    memcmp(run->template->names[i].bytes, name, length) == 0)
			return i;
	return TEMPLATE_NOTHING; /* the partial never reads it */
}

/* In a render of its own the value is like an assigned one: the partial may assign it anew. */
static bool bind_value(struct run *run, struct control *control)
{
	const struct value *value = &control->loop->items[control->loop->index];

	if (control->variable == TEMPLATE_NOTHING)
		return true;
	if (control->call->is_render)
		run->frame->bindings[control->variable].assigned = *value;
	else
		run->frame->bindings[control->variable].scoped = *value;
	return true;
}

static void hide(struct run *run, struct control *control, int32_t count, int32_t name)
{
	control->saved[count] = (struct saved){.name = name, .value = run->frame->bindings[name].scoped};
}

/* include sees the variables around it; what it is handed hides some of them for a while. */
static bool open_include(struct run *run, struct control *control)
{
	const struct call_plan *plan = control->call;
	size_t size = ((size_t)plan->argument_count + 1) * sizeof(*control->saved);
	int32_t i;

	if ((control->saved = run_memory(run, size)) == NULL)
		return false;
	for (i = 0; i < plan->argument_count; i++) {
		hide(run, control, i, plan->arguments[i]);
		run->frame->bindings[plan->arguments[i]].scoped = control->arguments[i];
	}
	if (control->variable != TEMPLATE_NOTHING)
		hide(run, control, i, control->variable);
	return bind_value(run, control);
}

/* render sees nothing but what it is handed, and in the marketing layer the data. */
static bool open_render(struct run *run, struct control *control)
{
	const struct call_plan *plan = control->call;
	struct frame *frame = run_frame(run);

	if (frame == NULL)
		return false;
	frame->sees_data = run->template->is_marketing;
	frame->is_render = true;
	run->frame = frame;
	run->loop = NULL;
	for (int32_t i = 0; i < plan->argument_count; i++)
		frame->bindings[plan->arguments[i]].assigned = control->arguments[i];
	if (plan->is_each && control->loop->columns >= 0)
		frame->bindings[control->name].assigned = (struct value){.kind = VALUE_LOOP, .loop = control->loop};
	if (plan->has_value && control->loop->items[control->loop->index].kind != VALUE_NIL)
		return bind_value(run, control);
	return true;
}

static bool enter(struct run *run, struct control *control, int32_t *at)
{
	*at = control->entry;
	return control->call->is_render ? open_render(run, control) : open_include(run, control);
}

/* The values that the partial is run with, one after the other. columns below 0: it is one, and no loop. */
static bool spread(struct run *run, const struct call_plan *plan, const struct value *value, struct loop *loop)
{
	struct value list, *one;
	bool is_each = plan->is_render ? plan->is_each && (value_is_array(value) || value->kind == VALUE_RANGE ||
							   value->kind == VALUE_JSON_OBJECT)
				       : plan->has_value && value_is_array(value);

	if (is_each) {
		if (!run_elements(run, value, &list))
			return false;
		loop->items = list.items;
		loop->count = list.length;
		return true;
	}
	if ((one = run_memory(run, sizeof(*one))) == NULL)
		return false;
	*one = plan->has_value ? *value : value_nil();
	loop->items = one;
	loop->count = 1;
	loop->columns = -1;
	return true;
}

/* The value that include hands over when none is written: the variable that is called like the partial. */
static bool namesake(struct run *run, const struct call_plan *plan, const struct given *given, struct value *value)
{
	*value = plan->has_value ? *given->value : value_nil();
	if (plan->has_value || plan->is_render)
		return true;
	return run_find_variable(run, given->name->bytes, given->name->length, value);
}

static const struct value *keep_arguments(struct run *run, const struct call_plan *plan, const struct value *arguments)
{
	size_t size = (size_t)plan->argument_count * sizeof(*arguments);
	struct value *kept = run_memory(run, size);

	if (kept != NULL && size > 0)
		memcpy(kept, arguments, size);
	return kept;
}

bool run_call(struct run *run, const struct op *op, int32_t *at)
{
	const struct call_plan *plan = op->call;
	struct given given = take_given(run, plan);
	struct loop *loop = run_memory(run, sizeof(*loop));
	struct control *control;
	struct value value;
	int32_t partial;

	if (loop == NULL || !choose(run, plan, given.name, &partial))
		return false;
	if (run->frame->is_render && !plan->is_render)
		return run_fault(run, "include cannot be used within render: write render instead.");
	if (run->call_count == TEMPLATE_CALLS_MAX)
		return run_limit(run, "Partials stand more than %d deep within each other: does one include itself?",
				 TEMPLATE_CALLS_MAX);
	*loop = (struct loop){
		.name = value_string(run->template->units[partial].name, run->template->units[partial].name_length)};
	if (!namesake(run, plan, &given, &value) || !spread(run, plan, &value, loop))
		return false;
	if (loop->count == 0)
		return true;
	if ((control = run_open(run, CONTROL_CALL)) == NULL)
		return false;
	control->call = plan;
	control->loop = loop;
	control->entry = run->template->units[partial].entry;
	control->back = *at;
	control->variable = variable_of(run, plan, partial);
	control->name = op->a;
	control->frame = run->frame;
	control->outer_loop = run->loop;
	control->arguments = keep_arguments(run, plan, given.arguments);
	run->call_count++;
	return control->arguments != NULL && enter(run, control, at);
}

static void restore(struct run *run, const struct control *control)
{
	const struct call_plan *plan = control->call;
	int32_t count = plan->argument_count + (control->variable != TEMPLATE_NOTHING);

	for (int32_t i = count; i-- > 0;)
		run->frame->bindings[control->saved[i].name].scoped = control->saved[i].value;
}

bool run_leave_include(struct run *run)
{
	struct control *control = &run->controls[--run->control_count];

	restore(run, control);
	run->call_count--;
	return true;
}

bool run_return(struct run *run, int32_t *at)
{
	struct control *control = run->control_count > 0 ? &run->controls[run->control_count - 1] : NULL;

	if (control == NULL) {
		*at = -1;
		return true;
	}
	if (control->call->is_render) {
		run->frame = control->frame;
		run->loop = control->outer_loop;
	} else {
		restore(run, control);
	}
	if (++control->loop->index < control->loop->count)
		return enter(run, control, at);
	*at = control->back;
	run->height = control->stack;
	run->control_count--;
	run->call_count--;
	return true;
}
