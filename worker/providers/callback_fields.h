/* callback_fields - reads what providers write into their callbacks: texts, our delivery id, times, words for events.
 *
 * Whatever is missing or of another type is empty or 0, never a failure: a provider adds and drops fields as it likes.
 */
#ifndef POSTRIDER_WORKER_PROVIDERS_CALLBACK_FIELDS_H
#define POSTRIDER_WORKER_PROVIDERS_CALLBACK_FIELDS_H

#include "worker/providers/provider.h"

#define CALLBACK_WORDS_MAX 256
/* How old, and how far ahead of our clock, a signed callback may be. */
#define CALLBACK_TOLERANCE_S 300

/* Which event a provider's word means; tables end with a row without a word, which says what all others mean. */
struct callback_word {
	const char *word;
	enum provider_event_kind kind;
};
enum provider_event_kind callback_kind(const struct callback_word *words, struct slice word);

bool callback_slice_is(struct slice slice, const char *text);

/* A text of a JSON object, borrowed from it. One with a NUL in it is taken for empty: no database keeps it. */
struct slice callback_text(const json_t *object, const char *name);

/* Digits, at most 18 of them; 0 when it is anything else. */
int64_t callback_number(struct slice digits);

/* The same of a field of a URL's query, such as delivery=42; 0 when it is not there. */
int64_t callback_query_number(const char *query, const char *name);

/* Our delivery id, from a text or a number. */
int64_t callback_delivery_id(const json_t *object, const char *name);

/* Seconds of the epoch, a number or a text, as milliseconds; otherwise_ms when there are none. */
int64_t callback_seconds_ms(const json_t *object, const char *name, int64_t otherwise_ms);

/* A time as RFC 3339 writes it, "2026-11-21T22:26:40.123Z"; otherwise_ms when it is none. */
int64_t callback_time_ms(struct slice text, int64_t otherwise_ms);

/* The body as JSON (json_decref() it). False and ERROR_INVALID when it is none. */
bool callback_json(struct slice body, json_t **json, struct error *err) MUST_CHECK;

/* A signed moment, seconds of the epoch: ERROR_REFUSED when it is not within the tolerance around now. */
bool callback_check_age(struct slice seconds, int64_t now_ms, int64_t tolerance_s, struct error *err) MUST_CHECK;

#endif
