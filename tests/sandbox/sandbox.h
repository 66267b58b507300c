/* sandbox - what all look-alikes share. One process, one loop; made and released by main.c. */
#ifndef POSTRIDER_TESTS_SANDBOX_SANDBOX_H
#define POSTRIDER_TESTS_SANDBOX_SANDBOX_H

#include <event2/event.h>

#include "shared/text.h"
#include "tests/sandbox/fault.h"
#include "tests/sandbox/ledger.h"
#include "tests/sandbox/span.h"

struct accounts;
struct apns_tokens;
struct callbacks;
struct certificates;
struct digest_hmac;
struct keys;
struct rate;
struct tls_context;

struct sandbox {
	struct event_base *base;
	struct ledger *ledger;
	struct fault_list faults;
	struct digest_hmac *webhook_hmac;  /* NULL: signatures are not asked for */
	struct tls_context *tls;           /* of STARTTLS; NULL: what certificates show */
	struct certificates *certificates; /* of the HTTPS port and STARTTLS; NULL: there are none */
	struct accounts *accounts;
	struct apns_tokens *apns_tokens;
	struct callbacks *callbacks;
	struct rate *rates; /* uthash */
	int http_port;
	const char *smtp_user, *smtp_password;
	struct keys *greylisted;
	int64_t latency_ms; /* every message's answer waits so long */
	bool strict;        /* answer only when the ledger is durable */
	int64_t requests;   /* HTTP requests and SMTP transactions, also the refused */
	size_t connections, connections_max;
};

void http_accept(struct sandbox *sandbox, int fd);
void https_accept(struct sandbox *sandbox, int fd);
void smtp_accept(struct sandbox *sandbox, int fd);

/* Answers a request under /_sandbox/: fills a JSON body, returns the status. */
int control_answer(struct sandbox *sandbox, struct span method, struct span path, struct span body,
		   struct text *answer);

#endif
