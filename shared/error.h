/* error - why a call failed: a kind that decides and a sentence that explains.
 *
 * A function that can fail returns bool, is MUST_CHECK and takes
 * `struct error *err` last. True leaves err alone; false leaves the outputs
 * alone. Whoever decides what to do about it is the one that logs it.
 *
 *     if (!message_decode(&message, body, length, err))
 *         return error_wrap(err, "job on lane %s", lane->queue);
 *
 * An error owns nothing: it is a value and may be copied. A sentence longer than
 * ERROR_TEXT_MAX is cut, never overrun. err may not be NULL.
 */
#ifndef POSTRIDER_SHARED_ERROR_H
#define POSTRIDER_SHARED_ERROR_H

#include "shared/base.h"

#define ERROR_TEXT_MAX 400

enum error_kind {
	ERROR_NONE,
	ERROR_TRANSIENT, /* the same call may succeed later */
	ERROR_REFUSED,   /* the other side said no; asking again changes nothing */
	ERROR_INVALID,   /* what we were given makes no sense */
	ERROR_UNCERTAIN, /* it may have happened; we did not hear back */
};

struct error {
	enum error_kind kind;
	char text[ERROR_TEXT_MAX];
};

/* Sets kind and sentence; always returns false, so that it can be returned. */
bool error_set(struct error *err, enum error_kind kind, const char *format, ...) PRINTF_LIKE(3, 4);

/* Puts "context: " before the sentence and keeps the kind; returns false. */
bool error_wrap(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* "transient", "refused", ... for logs. */
const char *error_kind_name(enum error_kind kind);

#endif
