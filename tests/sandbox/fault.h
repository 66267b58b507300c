/* fault - what is to go wrong, ordered over the control address, see README.md.
 *
 * Each place where something can go wrong asks fault_take() with the kinds that are possible there. The share is kept
 * by counting, not by chance: 0.1 is every tenth that matches, so two runs are alike.
 */
#ifndef POSTRIDER_TESTS_SANDBOX_FAULT_H
#define POSTRIDER_TESTS_SANDBOX_FAULT_H

#include <jansson.h>

#include "shared/error.h"

enum fault_kind {
	FAULT_STATUS,            /* answer `status` instead of accepting; with body_bytes a long answer */
	FAULT_RETRY_AFTER,       /* answer `status` (429) with Retry-After */
	FAULT_HANG,              /* never answer */
	FAULT_RESET_AFTER_BODY,  /* RST instead of an answer */
	FAULT_CLOSE_ON_REUSE,    /* HTTP: read a connection's second request, then close without a byte */
	FAULT_ACCEPT_THEN_RESET, /* accept, then RST instead of the answer */
	FAULT_SLOW,              /* accept, answer after latency_ms */
	FAULT_GARBAGE,           /* answer with bytes that are no answer */
	FAULT_REFUSE_RCPT,       /* SMTP: `status` (550) to RCPT TO */
	FAULT_GREYLIST,          /* SMTP: 451 to a recipient's first RCPT TO */
	FAULT_DROP_BEFORE_DOT,   /* SMTP: close instead of the answer to DATA */
	FAULT_DROP_AFTER_DOT,    /* SMTP: close instead of the answer to the final dot */
	FAULT_BANNER_421,        /* SMTP: 421 as the greeting */
	FAULT_GOAWAY,            /* HTTP/2: GOAWAY that does not cover the request */
	FAULT_REFUSED_STREAM,    /* HTTP/2: RST_STREAM with REFUSED_STREAM */
	FAULT_KIND_COUNT,
};

#define FAULT_BIT(kind) (1u << (kind))

struct fault {
	int protocol; /* enum ledger_protocol */
	enum fault_kind kind;
	int status;
	char *retry_after;
	char *recipient; /* only where the address contains this; NULL: everywhere */
	char *vendor;    /* only at this one; NULL: every message, but no request for a token */
	int64_t latency_ms;
	int64_t times; /* how often still; below 0: for ever */
	size_t body_bytes;
	double share;
	bool accept; /* the message counts as accepted, whatever is answered */
	int64_t seen, fired;
};

struct fault_list {
	struct fault *faults;
	size_t count;
};

/* Where something could go wrong now. */
struct fault_place {
	int protocol;        /* enum ledger_protocol */
	unsigned kinds;      /* FAULT_BIT of those that are possible */
	const char *vendor;  /* NULL: the mail relay */
	bool is_side_matter; /* no message: only faults that name the vendor */
	const char *recipient;
	size_t recipient_length;
};

/* The first that matches, counted; borrowed until the list changes. NULL: all is well. */
const struct fault *fault_take(struct fault_list *list, const struct fault_place *place);
bool fault_add(struct fault_list *list, const json_t *order, struct error *err) MUST_CHECK;
void fault_clear(struct fault_list *list);
json_t *fault_describe(const struct fault_list *list) MUST_CHECK;

#endif
