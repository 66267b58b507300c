/* outcome - what one call to a provider came to.
 *
 * A driver fills it from the provider's answer, retry.h decides what follows, the recorder writes it.
 * The class decides; code and words are the provider's own, for people. Strings are
 * copied into the struct and cut to their size; words never hold an address or a body.
 */
#ifndef POSTRIDER_WORKER_OUTCOME_H
#define POSTRIDER_WORKER_OUTCOME_H

#include "shared/base.h"

enum outcome_class {
	OUTCOME_ACCEPTED,        /* the provider has taken the message */
	OUTCOME_NOT_SENT,        /* provably nothing left us: name look-up, connect, TLS, before the final dot */
	OUTCOME_THROTTLED,       /* too fast; the provider did nothing; the lane waits, no attempt is used up */
	OUTCOME_TRANSIENT,       /* refused for now; try again later */
	OUTCOME_UNCERTAIN,       /* it may have been taken; we did not hear */
	OUTCOME_BAD_ADDRESS,     /* this address will never work; the endpoint is dropped, not the person */
	OUTCOME_BAD_PAYLOAD,     /* this message will never be taken */
	OUTCOME_BAD_CREDENTIALS, /* the account is refused; the lane waits for a person */
	OUTCOME_EXPIRED,         /* its time had passed before it was sent */
	OUTCOME_CLASS_COUNT,
};

struct outcome {
	enum outcome_class class;
	char code[64];   /* "250", "550 5.1.1", "timeout", "connect" */
	char words[256]; /* a sentence: the provider's, or ours */
	char provider_message_id[160];
	/* throttled, bad_credentials: it says nothing about the account, only about this delivery; only that waits. */
	bool alone;
	int64_t retry_after_ms; /* what the provider asked for; 0: nothing */
};

/* "accepted", "not_sent", ... the same words as delivery.outcome_class in SQL. */
const char *outcome_class_name(enum outcome_class class);

/* Sets class, code and words; words is a format. Clears the rest. */
void outcome_set(struct outcome *outcome, enum outcome_class class, const char *code, const char *words, ...)
	__attribute__((format(printf, 4, 5)));

#endif
