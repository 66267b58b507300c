/* compile - what the files that read a template share. Only they include it.
 *
 * One pass over the source: each tag puts its operations behind the earlier ones and remembers the jumps it does not
 * know the end of yet in its block. Blocks lie on a stack of their own, so that no input makes C recurse.
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_COMPILE_H
#define POSTRIDER_WORKER_TEMPLATE_COMPILE_H

#include "worker/template/lex.h"
#include "worker/template/program.h"

#define GUARDS_MAX     256
#define NAME_SLOTS     1024 /* twice the names */
#define LOOP_NAMES_MAX 1024

enum block_kind { BLOCK_IF, BLOCK_UNLESS, BLOCK_CASE, BLOCK_FOR, BLOCK_TABLEROW, BLOCK_CAPTURE, BLOCK_IFCHANGED };

struct block {
	enum block_kind kind;
	size_t place;  /* of its tag */
	int32_t start; /* its first operation */
	int32_t skip;  /* the jump to the next branch; TEMPLATE_NOTHING: there is none open */
	int32_t leave; /* the last of a chain of jumps to the end; their b points to the one before */
	int32_t body;  /* first operation of a loop's or when's body */
	bool is_blank; /* nothing in it prints more than blanks */
	bool has_else;
	bool in_body;                /* case: behind a when or else */
	bool in_liquid;              /* opened inside {% liquid %} */
	size_t guard_count;          /* outside of it */
	size_t subject, subject_end; /* case: what it compares, in the source */
	struct loop_plan *plan;
	const char *alias; /* for: the path it walks, for the list of needs */
	size_t alias_length;
};

struct guard {
	const char *text;
	size_t length;
};

struct compiler {
	struct template *template;
	const struct template_options *options;
	struct template_fault *fault;

	struct unit *unit;
	uint16_t unit_number;
	const char *source;
	size_t at, end;                /* what is still to be read: of the unit, or of a {% liquid %} tag in it */
	bool in_liquid;                /* a line is a tag */
	bool trim;                     /* the text that follows loses its leading blanks */
	size_t tag_close, value_close; /* where the next %} and }} are, once looked for */
	bool is_blank;                 /* outside of all blocks */

	struct lexer lexer;
	struct token token; /* the one looked at */
	int nesting;

	struct block blocks[TEMPLATE_BLOCKS_MAX];
	size_t block_count, liquid_base;
	struct guard guards[GUARDS_MAX];
	size_t guard_count;

	size_t op_room, node_room, name_room, unit_room, path_room, need_room;
	int16_t name_slots[NAME_SLOTS]; /* number + 1 */
	struct value loop_names[LOOP_NAMES_MAX];
	bool chooses_partials; /* {% include which %} */
	int32_t last_path;     /* number of the path that the last expression was; TEMPLATE_NOTHING: something else */
};

/* -- faults; all return false -- */
bool compile_fault(struct compiler *compiler, size_t place, const char *format, ...) PRINTF_LIKE(3, 4);
bool compile_limit(struct compiler *compiler, const char *format, ...) PRINTF_LIKE(2, 3);
/* What is wrong with the token looked at, for a person who edits a message. */
bool compile_unexpected(struct compiler *compiler, const char *expected);

/* -- emit.c: putting the program together; NULL or false when a limit is reached -- */
void *emit_memory(struct compiler *compiler, size_t size_bytes);
struct op *emit(struct compiler *compiler, enum op_kind kind, size_t place);
bool emit_jump(struct compiler *compiler, enum op_kind kind, size_t place, int32_t *number);
bool emit_constant(struct compiler *compiler, size_t place, struct value value);
/* The jump goes to what is emitted next. */
void emit_land(struct compiler *compiler, int32_t number);
/* A jump to the end of the block, and all of them landing. */
bool emit_leave(struct compiler *compiler, struct block *block, size_t place);
void emit_land_all(struct compiler *compiler, struct block *block);
bool emit_name(struct compiler *compiler, const char *bytes, size_t length, int32_t *number);
bool emit_node(struct compiler *compiler, int32_t *node, const char *name, size_t length, int32_t element);
bool emit_path(struct compiler *compiler, struct path *path, bool is_condition, bool is_hidden);
bool emit_partial(struct compiler *compiler, const char *name, size_t length, int32_t *number);
/* Puts jumps straight, drops what does nothing. */
bool emit_finish(struct compiler *compiler);

/* -- expression.c -- */
void expression_start(struct compiler *compiler, size_t start, size_t end);
void next_token(struct compiler *compiler);
bool token_is(const struct compiler *compiler, const char *name);
bool take_token(struct compiler *compiler, enum token_kind kind); /* looks at the next when it is one */
bool take_word(struct compiler *compiler, const char *name);
bool expect_end(struct compiler *compiler);
/* Pushes one value. is_condition: blank and empty are themselves, and nothing needs a value. */
bool parse_expression(struct compiler *compiler, bool is_condition);
/* An expression with its filters. */
bool parse_filtered(struct compiler *compiler, bool is_printed);
/* a == b and c: pushes whether it holds. */
bool parse_condition(struct compiler *compiler);

/* -- tags -- */
struct tag {
	const char *name;
	bool (*parse)(struct compiler *compiler, size_t place);
	bool is_marketing;
};
extern const struct tag flow_tags[], loop_tags[], text_tags[], partial_tags[]; /* each ends with a NULL name */

/* The innermost block, of what is open in the same {% liquid %}; NULL: none. */
struct block *block_innermost(struct compiler *compiler);
struct block *block_open(struct compiler *compiler, enum block_kind kind, size_t place);
/* A tag inside of the block: else, elsif, when, endif ... *handled: it was one of those. */
bool flow_inner_tag(struct compiler *compiler, struct block *block, size_t place, const char *name, size_t length,
		    bool *handled);
bool loop_inner_tag(struct compiler *compiler, struct block *block, size_t place, const char *name, size_t length,
		    bool *handled);
bool text_inner_tag(struct compiler *compiler, struct block *block, size_t place, const char *name, size_t length,
		    bool *handled);
/* removes_blanks: a block of nothing but blanks prints nothing. */
void block_close(struct compiler *compiler, bool removes_blanks);
/* Something that prints stands here. */
void compile_not_blank(struct compiler *compiler);
/* The whole source of compiler->unit. */
bool compile_unit(struct compiler *compiler);
bool compile_liquid(struct compiler *compiler, size_t start, size_t end);
bool compile_output(struct compiler *compiler, size_t place, size_t start, size_t end);
/* A tag's name and markup. */
bool compile_tag(struct compiler *compiler, size_t place, size_t start, size_t end);

/* -- source.c: text, {{ and {% apart -- */
enum source_kind { SOURCE_TEXT, SOURCE_OUTPUT, SOURCE_TAG, SOURCE_UNCLOSED };

struct source_token {
	enum source_kind kind;
	size_t start, end; /* braces included */
	size_t inner, inner_end;
	bool trims_before, trims_after;
};

/* False: the source has ended. */
bool source_next(struct compiler *compiler, struct source_token *token);
/* The last tag within a token whose name is a word; false: there is none. */
bool source_last_tag(const struct compiler *compiler, const struct source_token *token, size_t *brace, size_t *name,
		     size_t *name_length);
bool name_is(const char *bytes, size_t length, const char *name);

#endif
