/* text - a growing string with a ceiling.
 *
 * Every text states at birth the most it may hold. An append over the ceiling
 * keeps nothing of that append and sticks: add freely, then ask text_ok() once.
 * The bytes are always NUL-terminated and may contain NULs of their own; the
 * length counts. text_clear() keeps the memory for the next use.
 *
 *     struct text body;
 *     text_init(&body, 64 * 1024);
 *     text_add(&body, "Hello ");
 *     text_add_html(&body, name, name_length);
 *     if (!text_ok(&body)) ...
 *     text_release(&body);
 */
#ifndef POSTRIDER_SHARED_TEXT_H
#define POSTRIDER_SHARED_TEXT_H

#include "shared/base.h"

struct text {
	char *bytes; /* never NULL after the first append; "" from text_string() before it */
	size_t length;
	size_t capacity;
	size_t ceiling;
	bool overflowed;
};

void text_init(struct text *text, size_t ceiling_bytes);
void text_release(struct text *text); /* also for a zeroed struct */
void text_clear(struct text *text);   /* empties, forgets an overflow, keeps the memory */
bool text_ok(const struct text *text);
const char *text_string(const struct text *text); /* borrowed until the next change */

void text_add(struct text *text, const char *string);
void text_add_bytes(struct text *text, const void *bytes, size_t length);
void text_add_char(struct text *text, char character);
void text_addf(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);
void text_add_int64(struct text *text, int64_t number); /* much faster than text_addf */

/* Escapes for one place each. Input is bytes; JSON replaces invalid UTF-8 by U+FFFD. */
void text_add_json_string(struct text *text, const char *bytes, size_t length); /* with the quotes */
void text_add_html(struct text *text, const char *bytes, size_t length);        /* & < > " ' */
void text_add_url(struct text *text, const char *bytes, size_t length);         /* RFC 3986 unreserved stay */
void text_add_header(struct text *text, const char *bytes, size_t length);      /* drops CR, LF, NUL, controls */

/* How many bytes the valid UTF-8 character at the start has; 0 when it is none. */
size_t text_utf8_length(const char *bytes, size_t length);

/* Moves the bytes to the caller (free()), leaves the text empty. */
char *text_take(struct text *text, size_t *length) MUST_CHECK;

#endif
