#include "worker/template/number.h"
#include "worker/template/run.h"

/* A for with offset and limit covers [from, to) of a collection of that length. */
static void cut(int64_t length, int64_t from, bool has_limit, int64_t limit, int64_t *start, int64_t *count)
{
	int64_t to = length;

	if (has_limit && __builtin_add_overflow(from, limit, &to))
		to = limit < 0 ? 0 : length;
	to = to > length ? length : to;
	*start = from < 0 ? 0 : from;
	*count = to > *start ? to - *start : 0;
}

/* A range stays a range; all else is spread out. */
static bool open_collection(struct run *run, const struct value *collection, struct loop *loop)
{
	struct value list;
	int64_t size;

	if (collection->kind == VALUE_RANGE) {
		if (__builtin_sub_overflow(collection->range->last, collection->range->first, &size) ||
		    __builtin_add_overflow(size, 1, &size))
			return run_limit(run, "A range is longer than 64 bits: use smaller numbers.");
		loop->first = collection->range->first;
		loop->count = size < 0 ? 0 : size;
		return true;
	}
	if (!run_elements(run, collection, &list))
		return false;
	loop->items = list.items;
	loop->count = list.length;
	return true;
}

static void narrow(struct loop *loop, int64_t from, bool has_limit, int64_t limit)
{
	int64_t start, count;

	cut(loop->count, from, has_limit, limit, &start, &count);
	if (loop->items != NULL && count > 0)
		loop->items += start;
	else
		loop->first += start;
	loop->count = count;
}

static struct value current(const struct loop *loop)
{
	int64_t index = loop->is_reversed ? loop->count - 1 - loop->index : loop->index;

	return loop->items != NULL ? loop->items[index] : value_integer(loop->first + index);
}

static bool plan_limits(struct run *run, const struct loop_plan *plan, const struct value *limit,
			const struct value *offset, bool *has_limit, int64_t *limit_number, int64_t *from)
{
	*has_limit = plan->has_limit && limit->kind != VALUE_NIL;
	*limit_number = 0;
	*from = plan->continues ? run->frame->places[plan->place] : 0;
	if (*has_limit && !run_integer(run, limit, limit_number))
		return false;
	return !plan->has_offset || offset->kind == VALUE_NIL || run_integer(run, offset, from);
}

static bool open_loop(struct run *run, struct loop *loop, const struct op *op, enum control_kind kind,
		      int32_t loop_name)
{
	struct control *control = run_open(run, kind);
	struct binding *variable = &run->frame->bindings[op->loop->variable];
	struct binding *self = &run->frame->bindings[loop_name];

	if (control == NULL)
		return false;
	control->loop = loop;
	control->plan = op->loop;
	control->name = loop_name;
	control->saved_loop = self->scoped;
	self->scoped = (struct value){.kind = kind == CONTROL_LOOP ? VALUE_LOOP : VALUE_TABLE_LOOP, .loop = loop};
	control->saved_variable = variable->scoped;
	variable->scoped = current(loop);
	if (kind == CONTROL_LOOP)
		run->loop = loop;
	return true;
}

bool run_for(struct run *run, const struct op *op, int32_t *at)
{
	struct value *offset = &run->stack[--run->height], *limit = &run->stack[--run->height];
	struct value *collection = &run->stack[--run->height];
	struct loop *loop = run_memory(run, sizeof(*loop));
	int64_t limit_number, from;
	bool has_limit;

	if (loop == NULL)
		return false;
	*loop = (struct loop){.is_reversed = op->loop->is_reversed, .parent = run->loop, .name = op->loop->name};
	if (!plan_limits(run, op->loop, limit, offset, &has_limit, &limit_number, &from) ||
	    !open_collection(run, collection, loop))
		return false;
	narrow(loop, from, has_limit, limit_number);
	if (__builtin_add_overflow(from, loop->count, &run->frame->places[op->loop->place]))
		run->frame->places[op->loop->place] = INT64_MAX;
	if (loop->count == 0) {
		*at = op->a;
		return true;
	}
	return open_loop(run, loop, op, CONTROL_LOOP, op->b);
}

static void close_loop(struct run *run)
{
	struct control *control = &run->controls[--run->control_count];

	run->frame->bindings[control->plan->variable].scoped = control->saved_variable;
	run->frame->bindings[control->name].scoped = control->saved_loop;
	if (control->kind == CONTROL_LOOP)
		run->loop = control->loop->parent;
	run->height = control->stack;
}

bool run_next(struct run *run, const struct op *op, int32_t *at)
{
	struct control *control = &run->controls[run->control_count - 1];
	struct loop *loop = control->loop;

	if (++loop->index < loop->count) {
		run->frame->bindings[control->plan->variable].scoped = current(loop);
		*at = op->a;
		return true;
	}
	close_loop(run);
	return true;
}

/* Like Ruby's to_i: a text's leading digits, nil is 0. */
static bool loose_integer(struct run *run, const struct value *value, int64_t *integer)
{
	struct value number;

	if (value->kind != VALUE_NIL && value->kind != VALUE_INTEGER && value->kind != VALUE_FLOAT &&
	    value->kind != VALUE_STRING)
		return run_fault(run, "A whole number is expected here: write 2, for instance.");
	if (!number_of(value, &number))
		return run_fault(run, "A number is beyond 64 bits: use a smaller one.");
	if (number.kind == VALUE_FLOAT)
		number.integer = number.real > 9e18 || number.real < -9e18 ? 0 : (int64_t)number.real;
	*integer = number.integer;
	return true;
}

static void print_cell(struct run *run, const struct loop *loop)
{
	text_addf(run->out, "<td class=\"col%" PRId64 "\">", loop->column);
}

bool run_tablerow(struct run *run, const struct op *op, int32_t *at)
{
	struct value *columns = &run->stack[--run->height], *offset = &run->stack[--run->height];
	struct value *limit = &run->stack[--run->height], *collection = &run->stack[--run->height];
	struct loop *loop = run_memory(run, sizeof(*loop));
	int64_t from, limit_number;

	if (loop == NULL)
		return false;
	*loop = (struct loop){.column = 1, .row = 1};
	if (!value_is_truthy(collection)) {
		*at = op->a;
		return true;
	}
	if (!loose_integer(run, offset, &from) || !loose_integer(run, limit, &limit_number) ||
	    !loose_integer(run, columns, &loop->columns) || !open_collection(run, collection, loop))
		return false;
	narrow(loop, from, op->loop->has_limit, limit_number);
	if (!op->loop->has_columns)
		loop->columns = loop->count;
	text_add(run->out, "<tr class=\"row1\">\n");
	if (loop->count == 0) {
		text_add(run->out, "</tr>\n");
		*at = op->a;
		return true;
	}
	print_cell(run, loop);
	return open_loop(run, loop, op, CONTROL_TABLEROW, op->b);
}

bool run_tablerow_next(struct run *run, const struct op *op, int32_t *at)
{
	struct control *control = &run->controls[run->control_count - 1];
	struct loop *loop = control->loop;

	text_add(run->out, "</td>");
	if (++loop->index == loop->count) {
		text_add(run->out, "</tr>\n");
		close_loop(run);
		return true;
	}
	if (loop->column == loop->columns) {
		loop->column = 0;
		loop->row++;
		text_addf(run->out, "</tr>\n<tr class=\"row%" PRId64 "\">", loop->row);
	}
	loop->column++;
	print_cell(run, loop);
	run->frame->bindings[control->plan->variable].scoped = current(loop);
	*at = op->a;
	return true;
}

/* Out of a loop, closing on the way what was opened in it. Without a loop the rest of the template is left out; out of
 * an include the loop around it is left, out of a render it is not. */
bool run_interrupt(struct run *run, bool breaks, int32_t *at)
{
	while (run->control_count > 0) {
		struct control *control = &run->controls[run->control_count - 1];

		switch (control->kind) {
		case CONTROL_CAPTURE:
			run->control_count--;
			if (!run_capture_end(run, control))
				return false;
			break;
		case CONTROL_IFCHANGED:
			run->control_count--;
			if (!run_ifchanged_end(run, control))
				return false;
			break;
		case CONTROL_CASE:
			run->control_count--;
			break;
		case CONTROL_CALL:
			if (control->call->is_render)
				return run_return(run, at);
			if (!run_leave_include(run))
				return false;
			break;
		case CONTROL_LOOP:
		case CONTROL_TABLEROW:
			*at = control->plan->next;
			if (!breaks)
				return true;
			control->loop->index = control->loop->count - 1; /* the step that follows is the last */
			return true;
		}
	}
	*at = -1;
	return true;
}

bool run_cycle(struct run *run, const struct op *op)
{
	struct value *values = &run->stack[run->height - op->count], *key = values - 1;
	struct cycle_state *state = run->frame->cycles;
	bool equal = false;

	for (; state != NULL; state = state->next) {
		if (!value_equals(run, &state->key, key, &equal))
			return false;
		if (equal)
			break;
	}
	if (state == NULL) {
		if ((state = run_memory(run, sizeof(*state))) == NULL)
			return false;
		*state = (struct cycle_state){.key = *key, .next = run->frame->cycles};
		run->frame->cycles = state;
	}
	run->height -= op->count + 1;
	if (state->index < op->count && !run_print(run, &values[state->index]))
		return false;
	if (++state->index >= op->count)
		state->index = 0;
	return true;
}
