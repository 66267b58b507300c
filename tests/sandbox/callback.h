/* callback - one thing that a vendor tells of a message, and how each vendor says it. What is told, when and to whom is
 * callbacks.c's business. */
#ifndef POSTRIDER_TESTS_SANDBOX_CALLBACK_H
#define POSTRIDER_TESTS_SANDBOX_CALLBACK_H

#include <openssl/types.h>

#include "tests/sandbox/span.h"

enum callback_kind {
	CALLBACK_SENT,
	CALLBACK_DEFERRED,
	CALLBACK_DELIVERED,
	CALLBACK_BOUNCED,      /* the address will never work */
	CALLBACK_BOUNCED_SOFT, /* it may work later */
	CALLBACK_FAILED,       /* says nothing about the address */
	CALLBACK_OPENED,
	CALLBACK_CLICKED,
	CALLBACK_COMPLAINED,
	CALLBACK_UNSUBSCRIBED,
	CALLBACK_REPLIED,
	CALLBACK_KIND_COUNT,
};

#define CALLBACK_BIT(kind) (1u << (kind))

struct callback {
	enum callback_kind kind;
	char id[33]; /* the vendor's number of the event; the same when it is told again */
	char *delivery, *recipient, *message, *to; /* to: whom a reply was sent to */
	char *text;                                /* of a reply */
	int code;                                  /* the vendor's error code; 0: its usual one for the kind */
	int64_t at_ms;
};

/* What the signature is over, and with what. */
struct callback_seal {
	struct span public_url, body, secret;
	EVP_PKEY *key; /* vendors that sign with a key pair */
	int64_t now_ms;
	const char *id; /* of the first event */
};

struct callback_style {
	const char *content_type;
	unsigned kinds;       /* CALLBACK_BIT of what this vendor can tell */
	size_t batch_max;     /* events in one request */
	int retries;          /* after the first try */
	bool retries_status;  /* also where there was an answer; false: only where no connection came about */
	bool url_per_message; /* where to is said with each message */
	void (*write)(const struct callback *const *callbacks, size_t count, struct text *body);
	/* Adds "Name: value\r\n" lines. */
	void (*sign)(const struct callback_seal *seal, struct text *headers);
};

#endif
