/* value - what an expression is worth while a template is rendered.
 *
 * Sixteen bytes, copied freely. Texts, lists and loops lie in the data, in the program or in the context's arena and
 * live until the render ends. Arrays and objects of the data stay JSON and are walked when they are asked for.
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_VALUE_H
#define POSTRIDER_WORKER_TEMPLATE_VALUE_H

#include "worker/template/arena.h"
#include "worker/template/piece.h"

enum value_kind {
	VALUE_UNSET, /* a name that was never given a value; never on the stack */
	VALUE_NIL,
	VALUE_BOOLEAN,
	VALUE_INTEGER,
	VALUE_FLOAT,
	VALUE_BIG, /* an integer beyond 64 bits, as its digits: can be printed and compared only */
	VALUE_STRING,
	VALUE_ARRAY,       /* of values */
	VALUE_RANGE,       /* (1..3): never spread out before it must be */
	VALUE_JSON_ARRAY,  /* as its bytes */
	VALUE_JSON_OBJECT, /* as its bytes */
	VALUE_LOOP,        /* forloop */
	VALUE_TABLE_LOOP,  /* tablerowloop */
	VALUE_BLANK,       /* the word in a condition; elsewhere it is "" */
	VALUE_EMPTY,
};

struct value_range {
	int64_t first, last;
};

struct loop;

struct value {
	uint8_t kind;
	bool is_safe;     /* escaped for HTML already: not to be escaped again */
	uint16_t missing; /* which path had no value (its number + 1), when this is nil or "" because of that */
	uint32_t length;  /* bytes, or items */
	union {
		bool boolean;
		int64_t integer;
		double real;
		const char *bytes;
		const struct value *items;
		const struct value_range *range;
		const struct loop *loop;
	};
};

static inline struct value value_nil(void)
{
	return (struct value){.kind = VALUE_NIL};
}

static inline struct value value_boolean(bool boolean)
{
	return (struct value){.kind = VALUE_BOOLEAN, .boolean = boolean};
}

static inline struct value value_integer(int64_t integer)
{
	return (struct value){.kind = VALUE_INTEGER, .integer = integer};
}

static inline struct value value_float(double real)
{
	return (struct value){.kind = VALUE_FLOAT, .real = real};
}

static inline struct value value_string(const char *bytes, size_t length)
{
	return (struct value){.kind = VALUE_STRING, .length = (uint32_t)length, .bytes = bytes};
}

static inline struct value value_array(const struct value *items, size_t count)
{
	return (struct value){.kind = VALUE_ARRAY, .length = (uint32_t)count, .items = items};
}

static inline bool value_is_truthy(const struct value *value)
{
	return value->kind != VALUE_NIL && !(value->kind == VALUE_BOOLEAN && !value->boolean);
}

static inline bool value_is_array(const struct value *value)
{
	return value->kind == VALUE_ARRAY || value->kind == VALUE_JSON_ARRAY;
}

/* Of an array or object that is still JSON. */
static inline struct piece value_piece(const struct value *value)
{
	return (struct piece){.kind = value->kind == VALUE_JSON_ARRAY ? PIECE_ARRAY : PIECE_OBJECT,
			      .bytes = value->bytes,
			      .length = value->length};
}

/* False: the arena is full (a text with escapes is decoded into it). MISSING becomes nil. */
bool value_from_piece(const struct piece *piece, struct arena *arena, struct value *value) MUST_CHECK;

/* A number's digits, with or without decimals and exponent, as they stand in JSON or in a template. */
struct value value_from_number(const char *bytes, size_t length);

#endif
