/* program - what a compiled template is made of. Only the files of this folder include it.
 *
 * A flat list of operations for a machine with a stack, with all partials behind the template itself; the paths they
 * read; and a tree of the names in the data, so that one scan of the JSON finds what is read: `contact.tier` and
 * `contact.points[0]` make four nodes below the root. A node's number is also the number of its value in a scan.
 * Everything lies in the template's own arena and never changes.
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_PROGRAM_H
#define POSTRIDER_WORKER_TEMPLATE_PROGRAM_H

#include "worker/template/template.h"
#include "worker/template/value.h"

#define TEMPLATE_NODES_MAX     512                        /* names in the data that one template may read */
#define TEMPLATE_NAMES_MAX     512                        /* variables, partials' also */
#define TEMPLATE_OPS_MAX       100000                     /* of a template with its partials */
#define TEMPLATE_PATHS_MAX     20000                      /* places where a variable is read */
#define TEMPLATE_PARTIALS_MAX  200                        /* different ones */
#define TEMPLATE_PROGRAM_BYTES ((size_t)12 * 1024 * 1024) /* a compiled template and what compiling it takes */
#define TEMPLATE_BLOCKS_MAX    100                        /* blocks within blocks */
#define TEMPLATE_CALLS_MAX     100                        /* partials within partials, while rendering */
#define TEMPLATE_NESTING_MAX   32                         /* brackets and ranges within each other */
#define TEMPLATE_ARGUMENTS_MAX 64                         /* of one filter or cycle */
#define TEMPLATE_STACK_MAX     256
#define TEMPLATE_CONTROLS_MAX  400 /* open loops, captures and partials, while rendering */
#define TEMPLATE_ROOT          0
#define TEMPLATE_NOTHING       (-1)

/* Release builds zero every variable on the stack; for these large ones, written before they are read, that would be
 * a quarter of the work. */
#define TEMPLATE_NOT_ZEROED __attribute__((uninitialized))

enum op_kind {
	OP_TEXT,        /* bytes, length: as it stands */
	OP_PRINT,       /* pops; flag GUARDED */
	OP_PRINT_FOUND, /* path: straight from the scan; flag GUARDED */
	OP_CONSTANT,    /* pushes *constant */
	OP_PATH,        /* path; pops what its brackets hold, pushes; flag GUARDED */
	OP_RANGE,       /* pops last and first, pushes */
	OP_FILTER,      /* a: number, count: arguments; pops them and the input, pushes */
	OP_COMPARE,     /* a: enum comparison; pops two, pushes */
	OP_JUMP,        /* a */
	OP_JUMP_UNLESS, /* pops; a */
	OP_JUMP_IF,     /* pops; a */
	OP_AND,         /* a: where to, with the value, when it is falsy; else pops */
	OP_OR,          /* a: the same when it is truthy */
	OP_ASSIGN,      /* a: name; pops */
	OP_CAPTURE,     /* a: name */
	OP_CAPTURE_END,
	OP_COUNT, /* a: name; b: 1 increment, 0 decrement */
	OP_CYCLE, /* count: values; pops them and the key, prints */
	OP_IFCHANGED,
	OP_IFCHANGED_END,
	OP_CASE,       /* opens */
	OP_WHEN,       /* pops two, notes whether they are equal */
	OP_WHEN_ENTER, /* a: where to when none was */
	OP_WHEN_AGAIN, /* a: the body, once more for each further value that was equal */
	OP_CASE_ELSE,  /* a: where to when one was equal so far */
	OP_CASE_END,
	OP_FOR,      /* loop; b: the name forloop; pops offset, limit and collection; opens, or goes to a */
	OP_NEXT,     /* a: the body */
	OP_TABLEROW, /* loop; b: the name tablerowloop; pops cols, offset, limit, collection; opens, or goes to a */
	OP_TABLEROW_NEXT, /* a: the body */
	OP_INTERRUPT,     /* a: 1 break, 0 continue */
	OP_CALL,          /* call: pops arguments, variable and a chosen name */
	OP_RETURN,
	OP_ABORT, /* pops the reason */
	OP_FAULT, /* bytes: a partial that does not compile */
};

enum op_flag {
	OP_GUARDED = 1, /* what has no value here was expected */
};

enum comparison {
	COMPARISON_EQUAL,
	COMPARISON_NOT_EQUAL,
	COMPARISON_LESS,
	COMPARISON_LESS_OR_EQUAL,
	COMPARISON_GREATER,
	COMPARISON_GREATER_OR_EQUAL,
	COMPARISON_CONTAINS,
};

/* A for or tablerow as it was written. */
struct loop_plan {
	int32_t variable;  /* its name */
	int32_t place;     /* for offset: continue: loops of the same name share it */
	int32_t next;      /* the operation that goes on to the next element */
	struct value name; /* forloop.name */
	bool is_reversed, continues, has_offset, has_limit, has_columns;
};

struct call_plan {
	bool is_render;   /* or include */
	bool is_each;     /* for: once per element */
	bool is_chosen;   /* the name is on the stack */
	bool has_value;   /* with or for */
	int32_t partial;  /* unless it is chosen */
	int32_t variable; /* name of what with or for hand over; TEMPLATE_NOTHING: from the chosen name */
	const int32_t *arguments;
	int32_t argument_count;
};

struct op {
	uint8_t kind, flags;
	uint16_t count;
	uint16_t unit;  /* whose source... */
	uint32_t place; /* ... it stands in, and at which byte */
	int32_t a, b;
	uint32_t length;
	union {
		const char *bytes;
		const struct value *constant;
		const struct path *path;
		struct loop_plan *loop;
		const struct call_plan *call;
	};
};

enum segment_kind {
	SEGMENT_NAME,    /* .name or ["name"] */
	SEGMENT_INDEX,   /* [0] */
	SEGMENT_DYNAMIC, /* [name]: on the stack */
};

struct segment {
	enum segment_kind kind;
	bool is_command; /* .size, .first, .last, when there is no such key */
	const char *name;
	size_t name_length;
	int64_t index;
};

/* contact.points[0] */
struct path {
	const char *text; /* as the author wrote it */
	size_t text_length;
	int32_t number;       /* of this place; below TEMPLATE_PATHS_MAX */
	int32_t name;         /* of its root; TEMPLATE_NOTHING: [name], which is on the stack */
	int32_t node;         /* of as much as is known before */
	size_t static_count;  /* segments that node covers */
	size_t dynamic_count; /* values on the stack, the root's included */
	size_t segment_count;
	const struct segment *segments;
	uint16_t unit;
	uint32_t place;
};

struct template_node {
	const char *name;
	size_t name_length;
	int32_t element; /* 0 and more: an array's element; else TEMPLATE_NOTHING */
	int32_t parent, first_child, next_sibling;
	uint64_t child_lengths; /* a bit for each length (modulo 64) of the children's names: most keys stop here */
};

struct name {
	const char *bytes;
	size_t length;
	int32_t node;  /* in the data */
	bool is_bound; /* somewhere something is assigned to it */
};

/* The template itself (unit 0) or a partial. */
struct unit {
	const char *name; /* NULL: the template itself */
	size_t name_length;
	const char *source;
	size_t length;
	int32_t entry; /* its first operation; TEMPLATE_NOTHING: there is no such partial */
};

struct need {
	const char *path;
	size_t length;
	uint16_t unit;
	uint32_t place;
	int line, column;
	bool is_guarded, has_default;
	const char *default_value;
	size_t default_length;
};

struct template
{
	struct arena arena;
	enum template_slot slot;
	bool is_marketing, reads_data;
	struct op *ops;
	int32_t op_count;
	struct template_node *nodes;
	size_t node_count;
	struct name *names;
	int32_t name_count;
	struct unit *units;
	int32_t unit_count;
	int32_t loop_count; /* places for offset: continue */
	const struct path **paths;
	int32_t path_count;
	struct need *needs;
	size_t need_count;
};

/* Line and column of a byte of a unit's source, both from 1, in characters. */
void template_place(const struct unit *unit, size_t offset, int *line, int *column);
/* The same for a need, counted on from the one before it where that stands in the same source. */
void template_place_after(const struct unit *unit, const struct need *before, struct need *need);

#endif
