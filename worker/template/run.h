/* run - the machine that renders: a stack of values, the variables, open loops and calls, and what is left to spend.
 *
 * Every instruction and every 64 bytes of work cost a step; everything kept comes from the context's arena; both have a
 * ceiling, so that no template can hold a worker up. A function that returns false has set the fault.
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_RUN_H
#define POSTRIDER_WORKER_TEMPLATE_RUN_H

#include "worker/template/program.h"
#include "worker/template/zone.h"

/* What is walked by a for or a tablerow, and forloop itself. */
struct loop {
	const struct value *items; /* NULL: a range from first on */
	int64_t first;
	int64_t count, index;
	bool is_reversed;
	const struct loop *parent;
	struct value name;
	int64_t columns, column, row; /* tablerow */
};

/* What a name stands for, from the inside out. */
struct binding {
	struct value scoped;   /* loop variables and what a partial was handed */
	struct value assigned; /* assign and capture */
	struct value counter;  /* increment and decrement */
};

struct cycle_state {
	struct value key;
	int64_t index;
	struct cycle_state *next;
};

/* The variables of a template with what it includes; render opens one of its own. */
struct frame {
	struct binding *bindings;
	int64_t *places; /* for offset: continue */
	struct cycle_state *cycles;
	struct value changed; /* what ifchanged printed last */
	bool sees_data;       /* pure Liquid hides the data from what is rendered */
	bool is_render;
};

enum control_kind { CONTROL_LOOP, CONTROL_TABLEROW, CONTROL_CAPTURE, CONTROL_IFCHANGED, CONTROL_CASE, CONTROL_CALL };

struct saved {
	int32_t name;
	struct value value;
};

/* Something open: popped at its end, or by break and continue on their way out. */
struct control {
	enum control_kind kind;
	int32_t stack; /* height of the value stack outside */
	struct loop *loop;
	const struct loop_plan *plan;
	struct value saved_variable, saved_loop;
	size_t out_start;            /* capture, ifchanged */
	int32_t name;                /* capture */
	int32_t matches, is_matched; /* case */
	const struct call_plan *call;
	int32_t entry, back; /* call: its first operation, and where to go on */
	int32_t variable;
	struct saved *saved; /* include: what it hides */
	struct frame *frame; /* render: the one outside */
	const struct loop *outer_loop;
	const struct value *arguments;
};

struct run {
	const struct template *template;
	struct template_context *context;
	struct arena *arena;
	const struct piece *found; /* a scan's */
	struct text *out;
	size_t out_start, output_max;
	uint64_t steps, steps_max;
	struct template_fault *fault;
	const struct op *op; /* the one at work, for faults */
	struct frame *frame;
	const struct loop *loop; /* the innermost: parentloop */
	struct value *stack;
	int32_t height;
	struct control *controls;
	int32_t control_count, call_count;
	bool watches_undefined;
};

struct template_context {
	struct template_settings settings;
	char zone_name[ZONE_NAME_MAX];
	const struct zone *zone;
	bool zone_is_known;
	struct zone_cache *zones;
	struct arena arena;
	uint64_t steps;
	struct piece found[TEMPLATE_NODES_MAX];
	struct value stack[TEMPLATE_STACK_MAX];
	struct control controls[TEMPLATE_CONTROLS_MAX];
};

/* -- faults and bounds -- */
bool run_fault(struct run *run, const char *format, ...) PRINTF_LIKE(2, 3);
bool run_limit(struct run *run, const char *format, ...) PRINTF_LIKE(2, 3);
bool run_out_of_steps(struct run *run);
bool run_out_of_memory(struct run *run);

/* Pays for work on so many bytes. */
MUST_CHECK static inline bool run_charge(struct run *run, size_t bytes)
{
	if (bytes / 64 > run->steps_max - run->steps)
		return run_out_of_steps(run);
	run->steps += bytes / 64;
	return true;
}

/* Looking for a text in so many bytes: an eighth of a step for each, as badly chosen texts make that slow. */
MUST_CHECK static inline bool run_charge_search(struct run *run, size_t bytes)
{
	return run_charge(run, 8 * bytes);
}

/* NULL: the fault is set. */
MUST_CHECK static inline void *run_memory(struct run *run, size_t size_bytes)
{
	void *taken = arena_take(run->arena, size_bytes);

	if (taken == NULL)
		run_out_of_memory(run);
	return taken;
}

/* From the template's first operation to its last. */
bool run_program(struct run *run) MUST_CHECK;

/* -- values in a run -- */
/* From the data; decodes what is escaped. */
bool run_value(struct run *run, const struct piece *piece, struct value *value) MUST_CHECK;
/* A text's bytes are its own; anything else is printed into the arena. */
bool run_string(struct run *run, const struct value *value, struct value *string) MUST_CHECK;
/* What a filter walks: nested arrays are flattened, an object is one element, nil is none. */
bool run_list(struct run *run, const struct value *value, struct value *list) MUST_CHECK;
/* The elements as they are: what a for walks. Pairs of an object. */
bool run_elements(struct run *run, const struct value *value, struct value *list) MUST_CHECK;
/* object.name, array[0]; *found: there was one. is_command: size, first and last also. */
bool run_member(struct run *run, const struct value *of, const struct value *key, bool is_command,
		struct value *value) MUST_CHECK;
bool run_find_variable(struct run *run, const char *name, size_t length, struct value *value) MUST_CHECK;
bool run_path(struct run *run, const struct op *op) MUST_CHECK;
/* Ruby's to_i as limit and slice use it: "12" is 12, "a" and 1.5 are faults. */
bool run_integer(struct run *run, const struct value *value, int64_t *integer) MUST_CHECK;
struct value run_loop_member(const struct value *loop, const char *name, size_t length);

/* -- printing -- */
/* Into the output, escaped for the slot. */
bool run_print(struct run *run, const struct value *value) MUST_CHECK;
bool run_print_found(struct run *run, const struct op *op) MUST_CHECK;
/* As a text, unescaped: what join and append see. */
bool print_plain(struct run *run, const struct value *value, struct text *out) MUST_CHECK;

/* -- what has no value -- */
/* What to do about it: *value may become a default. path: its number. */
bool run_undefined(struct run *run, int32_t path, struct value *value) MUST_CHECK;

/* -- comparing -- */
bool value_equals(struct run *run, const struct value *left, const struct value *right, bool *equal) MUST_CHECK;
bool run_compare(struct run *run, enum comparison comparison, const struct value *left, const struct value *right,
		 bool *holds) MUST_CHECK;
/* For sort: below 0, 0, above; a fault where they cannot be compared. */
bool run_order(struct run *run, const struct value *left, const struct value *right, int *order) MUST_CHECK;

/* -- loops and calls; *at is the next operation -- */
bool run_for(struct run *run, const struct op *op, int32_t *at) MUST_CHECK;
bool run_next(struct run *run, const struct op *op, int32_t *at) MUST_CHECK;
bool run_tablerow(struct run *run, const struct op *op, int32_t *at) MUST_CHECK;
bool run_tablerow_next(struct run *run, const struct op *op, int32_t *at) MUST_CHECK;
bool run_interrupt(struct run *run, bool breaks, int32_t *at) MUST_CHECK;
bool run_cycle(struct run *run, const struct op *op) MUST_CHECK;
bool run_call(struct run *run, const struct op *op, int32_t *at) MUST_CHECK;
bool run_return(struct run *run, int32_t *at) MUST_CHECK;
/* Gives back what an include hid. */
bool run_leave_include(struct run *run) MUST_CHECK;
bool run_capture_end(struct run *run, struct control *control) MUST_CHECK;
bool run_ifchanged_end(struct run *run, struct control *control) MUST_CHECK;
struct control *run_open(struct run *run, enum control_kind kind);
struct frame *run_frame(struct run *run);

#endif
