/* program - what a compiled template is made of. Only the files of this folder include it.
 *
 * A list of operations and a tree of the names that they read: `contact.tier` and `contact.points[0]` make
 * four nodes below the root. A node's number is also the number of its value in a scan. All texts lie
 * in one block, so that a compiled template is four allocations and never changes.
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_PROGRAM_H
#define POSTRIDER_WORKER_TEMPLATE_PROGRAM_H

#include "worker/template/template.h"

#define TEMPLATE_NODES_MAX 512   /* names that one template may read; their values lie on the stack */
#define TEMPLATE_OPS_MAX   20000 /* pieces of text and values */
#define TEMPLATE_ROOT      0
#define TEMPLATE_NOTHING   (-1)

/* Release builds zero every variable on the stack; for these large ones, written before they are read, that would be
 * a quarter of the work. */
#define TEMPLATE_NOT_ZEROED __attribute__((uninitialized))

enum template_op_kind {
	TEMPLATE_OP_LITERAL, /* text as it stands */
	TEMPLATE_OP_VALUE,   /* a path's value, or the default */
};

struct template_piece {
	uint32_t start, length; /* within the template's bytes */
};

struct template_op {
	enum template_op_kind kind;
	struct template_piece text; /* LITERAL: the text; VALUE: the default, escaped already */
	struct template_piece path; /* VALUE: as the author wrote it */
	bool has_default;
	int32_t node;
	int line, column;
};

struct template_node {
	struct template_piece name;
	int32_t element; /* 0 and more: an array's element; else TEMPLATE_NOTHING */
	int32_t parent, first_child, next_sibling;
	uint64_t child_lengths; /* a bit for each length (modulo 64) of the children's names: most keys stop here */
};

struct template
{
	enum template_slot slot;
	struct template_op *ops;
	size_t op_count;
	struct template_node *nodes;
	size_t node_count;
	struct text bytes;
};

static inline const char *template_bytes(const struct template *template, struct template_piece piece)
{
	return text_string(&template->bytes) + piece.start;
}

#endif
