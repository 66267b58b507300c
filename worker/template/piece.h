/* piece - a value found in JSON, still as its bytes, and how to walk into it.
 *
 * Nothing is decoded or copied. All of this is for JSON that a scan has found well-formed: it does not check again.
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_PIECE_H
#define POSTRIDER_WORKER_TEMPLATE_PIECE_H

#include "shared/base.h"

enum piece_kind {
	PIECE_MISSING, /* the path is not there */
	PIECE_NULL,
	PIECE_FALSE,
	PIECE_TRUE,
	PIECE_NUMBER,
	PIECE_STRING,  /* without its quotes, nothing escaped in it */
	PIECE_ESCAPED, /* without its quotes, with backslashes in it */
	PIECE_ARRAY,   /* with its brackets */
	PIECE_OBJECT,  /* with its braces */
};

struct piece {
	enum piece_kind kind;
	const char *bytes; /* within the data */
	size_t length;
};

/* Steps through an array or object. */
struct piece_walk {
	const char *at, *end;
	bool is_object;
};

struct piece_walk piece_walk(const struct piece *container);
/* False: there is no more. key is only set in an object. */
bool piece_walk_next(struct piece_walk *walk, struct piece *key, struct piece *value);

/* Of a repeated key the last counts. MISSING: there is none, or it is no object. */
struct piece piece_member(const struct piece *object, const char *name, size_t name_length);
/* A negative index counts from the end. */
struct piece piece_element(const struct piece *array, int64_t index);
size_t piece_count(const struct piece *container);

/* Whether a text, a key say, is this once its escapes are resolved. */
bool piece_text_is(const struct piece *text, const char *bytes, size_t length);

/* One \ escape of a JSON string: writes 1 to 4 bytes of UTF-8 and tells how many bytes of the source it took. Half a
 * surrogate pair becomes U+FFFD: a broken emoji costs nobody a message. */
size_t piece_unescape_one(const char *bytes, size_t length, char utf8[4], size_t *utf8_length);

/* Resolves all escapes of a text; the result is never longer. Returns its length. */
size_t piece_unescape(const struct piece *text, char *out);

#endif
