#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "worker/template/compile.h"

/* Grows by doubling. */
#define ROOM(array, count, room)                                                                                       \
	do {                                                                                                           \
		if ((size_t)(count) == (room)) {                                                                       \
			(room) = (room) == 0 ? 8 : 2 * (room);                                                         \
			(array) = memory_grow((array), (room), sizeof(*(array)));                                      \
		}                                                                                                      \
	} while (0)

void *emit_memory(struct compiler *compiler, size_t size_bytes)
{
	void *taken = arena_take(&compiler->template->arena, size_bytes);

	if (taken == NULL)
		compile_limit(compiler, "The compiled template needs more than %zu bytes: make it shorter.",
			      TEMPLATE_PROGRAM_BYTES);
	else
		memset(taken, 0, size_bytes);
	return taken;
}

struct op *emit(struct compiler *compiler, enum op_kind kind, size_t place)
{
	struct template *template = compiler->template;
	struct op *op;

	if (template->op_count == TEMPLATE_OPS_MAX) {
		compile_limit(compiler, "The template has more than %d pieces: make it shorter.", TEMPLATE_OPS_MAX);
		return NULL;
	}
	ROOM(template->ops, template->op_count, compiler->op_room);
	op = &template->ops[template->op_count++];
	*op = (struct op){.kind = (uint8_t)kind, .unit = compiler->unit_number, .place = (uint32_t)place};
	return op;
}

bool emit_jump(struct compiler *compiler, enum op_kind kind, size_t place, int32_t *number)
{
	*number = compiler->template->op_count;
	return emit(compiler, kind, place) != NULL;
}

void emit_land(struct compiler *compiler, int32_t number)
{
	if (number != TEMPLATE_NOTHING)
		compiler->template->ops[number].a = compiler->template->op_count;
}

bool emit_leave(struct compiler *compiler, struct block *block, size_t place)
{
	int32_t number;

	if (!emit_jump(compiler, OP_JUMP, place, &number))
		return false;
	compiler->template->ops[number].b = block->leave;
	block->leave = number;
	return true;
}

void emit_land_all(struct compiler *compiler, struct block *block)
{
	while (block->leave != TEMPLATE_NOTHING) {
		int32_t number = block->leave;

		block->leave = compiler->template->ops[number].b;
		emit_land(compiler, number);
	}
}

bool emit_constant(struct compiler *compiler, size_t place, struct value value)
{
	struct value *constant = emit_memory(compiler, sizeof(*constant));
	struct op *op;

	if (constant == NULL || (op = emit(compiler, OP_CONSTANT, place)) == NULL)
		return false;
	*constant = value;
	op->constant = constant;
	return true;
}

static size_t slot_of(const char *bytes, size_t length)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * 16777619u;
	return hash % NAME_SLOTS;
}

bool emit_name(struct compiler *compiler, const char *bytes, size_t length, int32_t *number)
{
	struct template *template = compiler->template;
	size_t slot = slot_of(bytes, length);

	for (; compiler->name_slots[slot] != 0; slot = (slot + 1) % NAME_SLOTS) {
		const struct name *name = &template->names[compiler->name_slots[slot] - 1];

		*number = compiler->name_slots[slot] - 1;
		if (name->length == length && memcmp(name->bytes, bytes, length) == 0)
			return true;
	}
	if (template->name_count == TEMPLATE_NAMES_MAX)
		return compile_limit(compiler, "The template uses more than %d different names: use fewer.",
				     TEMPLATE_NAMES_MAX);
	ROOM(template->names, template->name_count, compiler->name_room);
	*number = template->name_count++;
	template->names[*number] = (struct name){.bytes = bytes, .length = length, .node = TEMPLATE_NOTHING};
	compiler->name_slots[slot] = (int16_t)(*number + 1);
	return true;
}

static int32_t find_child(const struct template *template, int32_t parent, const char *name, size_t length,
			  int32_t element)
{
	int32_t child = template->nodes[parent].first_child;

	for (; child >= 0; child = template->nodes[child].next_sibling) {
		const struct template_node *node = &template->nodes[child];

		if (node->element != element)
			continue;
		if (element >= 0 || (node->name_length == length && memcmp(node->name, name, length) == 0))
			return child;
	}
	return TEMPLATE_NOTHING;
}

static int32_t new_node(struct compiler *compiler, int32_t parent)
{
	struct template *template = compiler->template;
	int32_t number = (int32_t) template->node_count;
	struct template_node *node;

	ROOM(template->nodes, template->node_count, compiler->node_room);
	node = &template->nodes[template->node_count++];
	*node = (struct template_node){.element = TEMPLATE_NOTHING,
				       .parent = parent,
				       .first_child = TEMPLATE_NOTHING,
				       .next_sibling = TEMPLATE_NOTHING};
	if (parent >= 0) {
		node->next_sibling = template->nodes[parent].first_child;
		template->nodes[parent].first_child = number;
	}
	return number;
}

bool emit_node(struct compiler *compiler, int32_t *node, const char *name, size_t length, int32_t element)
{
	struct template *template = compiler->template;
	int32_t parent = *node, child;

	if (parent == TEMPLATE_NOTHING) {
		*node = new_node(compiler, TEMPLATE_NOTHING);
		return true;
	}
	child = find_child(template, parent, name, length, element);
	if (child < 0) {
		if (template->node_count == TEMPLATE_NODES_MAX)
			return compile_limit(compiler, "The template reads more than %d different values: use fewer.",
					     TEMPLATE_NODES_MAX - 1);
		child = new_node(compiler, parent);
		template->nodes[child].element = element;
		template->nodes[child].name = name;
		template->nodes[child].name_length = length;
		if (element < 0)
			template->nodes[parent].child_lengths |= UINT64_C(1) << (length & 63);
	}
	*node = child;
	return true;
}

bool emit_partial(struct compiler *compiler, const char *name, size_t length, int32_t *number)
{
	struct template *template = compiler->template;
	struct unit unit = {.name = name, .name_length = length, .entry = TEMPLATE_NOTHING};

	for (*number = 1; *number < template->unit_count; (*number)++)
		if (template->units[*number].name_length == length &&
		    memcmp(template->units[*number].name, name, length) == 0)
			return true;
	if (template->unit_count > TEMPLATE_PARTIALS_MAX)
		return compile_limit(compiler, "The template uses more than %d partials: use fewer.",
				     TEMPLATE_PARTIALS_MAX);
	if (name != NULL) {
		char *kept = emit_memory(compiler, length + 1);

		if (kept == NULL)
			return false;
		memcpy(kept, name, length);
		unit.name = kept;
	}
	ROOM(template->units, template->unit_count, compiler->unit_room);
	template->units[template->unit_count++] = unit;
	compiler->unit = &template->units[compiler->unit_number];
	return true;
}

static bool remember_path(struct compiler *compiler, const struct path *path)
{
	struct template *template = compiler->template;

	if (template->path_count == TEMPLATE_PATHS_MAX)
		return compile_limit(compiler, "The template reads values in more than %d places: make it shorter.",
				     TEMPLATE_PATHS_MAX);
	ROOM(template->paths, template->path_count, compiler->path_room);
	template->paths[template->path_count++] = path;
	return true;
}

/* A path below the variable of a loop is one below each element of what the loop walks. */
static const struct block *alias_of(const struct compiler *compiler, const struct path *path)
{
	for (size_t i = compiler->block_count; i-- > 0;) {
		const struct block *block = &compiler->blocks[i];

		if (path->name != TEMPLATE_NOTHING && block->plan != NULL && block->plan->variable == path->name)
			return block;
	}
	return NULL;
}

static bool remember_need(struct compiler *compiler, const struct path *path, bool is_guarded)
{
	struct template *template = compiler->template;
	const struct block *loop = alias_of(compiler, path);
	const char *root_end = path->text;
	struct need need = {.path = path->text,
			    .length = path->text_length,
			    .unit = path->unit,
			    .place = path->place,
			    .is_guarded = is_guarded};
	size_t rest;
	char *text;

	if (loop != NULL && loop->alias == NULL)
		return true;
	if (loop == NULL && (path->name == TEMPLATE_NOTHING || template->names[path->name].is_bound))
		return true;
	if (loop != NULL) {
		root_end += template->names[path->name].length;
		rest = path->text_length - template->names[path->name].length;
		if (rest > path->text_length || (text = emit_memory(compiler, loop->alias_length + 2 + rest)) == NULL)
			return rest > path->text_length;
		memcpy(text, loop->alias, loop->alias_length);
		memcpy(text + loop->alias_length, "[]", 2);
		memcpy(text + loop->alias_length + 2, root_end, rest);
		need.path = text;
		need.length = loop->alias_length + 2 + rest;
	}
	ROOM(template->needs, template->need_count, compiler->need_room);
	template->needs[template->need_count++] = need;
	return true;
}

static bool is_guarded_here(const struct compiler *compiler, const struct path *path)
{
	for (size_t i = 0; i < compiler->guard_count; i++)
		if (compiler->guards[i].length == path->text_length &&
		    memcmp(compiler->guards[i].text, path->text, path->text_length) == 0)
			return true;
	return false;
}

static void add_guard(struct compiler *compiler, const struct path *path)
{
	if (compiler->guard_count < GUARDS_MAX)
		compiler->guards[compiler->guard_count++] =
			(struct guard){.text = path->text, .length = path->text_length};
}

bool emit_path(struct compiler *compiler, struct path *path, bool is_condition, bool is_hidden)
{
	bool is_guarded = is_condition || is_hidden || is_guarded_here(compiler, path);
	struct op *op = emit(compiler, OP_PATH, path->place);

	if (op == NULL)
		return false;
	op->path = path;
	op->flags = is_guarded ? OP_GUARDED : 0;
	path->number = compiler->template->path_count;
	path->unit = compiler->unit_number;
	compiler->last_path = path->number;
	if (is_condition)
		add_guard(compiler, path);
	return remember_path(compiler, path) && (is_hidden || remember_need(compiler, path, is_guarded));
}

static bool jumps(const struct op *op)
{
	switch (op->kind) {
	case OP_JUMP:
	case OP_JUMP_UNLESS:
	case OP_JUMP_IF:
	case OP_AND:
	case OP_OR:
	case OP_WHEN_ENTER:
	case OP_WHEN_AGAIN:
	case OP_CASE_ELSE:
	case OP_FOR:
	case OP_NEXT:
	case OP_TABLEROW:
	case OP_TABLEROW_NEXT:
		return true;
	default:
		return false;
	}
}

/* {{ contact.name }} where nothing is ever assigned to contact needs no stack. */
static void join_path_and_print(struct template *template, int32_t number)
{
	struct op *path = &template->ops[number], *print = path + 1;

	if (path->kind != OP_PATH || number + 1 == template->op_count || print->kind != OP_PRINT)
		return;
	if (path->path->name == TEMPLATE_NOTHING || template->names[path->path->name].is_bound ||
	    path->path->static_count < path->path->segment_count)
		return;
	path->kind = OP_PRINT_FOUND;
	*print = (struct op){.kind = OP_TEXT};
}

bool emit_finish(struct compiler *compiler)
{
	struct template *template = compiler->template;
	int32_t *moved = emit_memory(compiler, ((size_t) template->op_count + 1) * sizeof(*moved)), count = 0;

	if (moved == NULL)
		return false;
	for (int32_t i = 0; i < template->op_count; i++) {
		join_path_and_print(template, i);
		moved[i] = count;
		if (template->ops[i].kind != OP_TEXT || template->ops[i].length > 0)
			template->ops[count++] = template->ops[i];
	}
	moved[template->op_count] = count;
	template->op_count = count;
	for (int32_t i = 0; i < count; i++) {
		struct op *op = &template->ops[i];

		if (jumps(op))
			op->a = moved[op->a];
		if (op->kind == OP_FOR || op->kind == OP_TABLEROW)
			op->loop->next = moved[op->loop->next];
	}
	for (int32_t i = 0; i < template->unit_count; i++)
		if (template->units[i].entry >= 0)
			template->units[i].entry = moved[template->units[i].entry];
	return true;
}
