/* exchange - one HTTP request and its answer, whatever version of HTTP carries them.
 *
 * http.c and http2.c fill the request, call exchange_run() and send what stands in the answer afterwards. A vendor reads
 * the request through the functions below and fills the answer; where it takes the message, it calls exchange_accept()
 * and sets what the ledger is to say of it.
 *
 * The request is borrowed; the texts are the exchange's own and are kept for the next request: one exchange serves a
 * connection for its whole life.
 */
#ifndef POSTRIDER_TESTS_SANDBOX_EXCHANGE_H
#define POSTRIDER_TESTS_SANDBOX_EXCHANGE_H

#include <jansson.h>

#include "tests/sandbox/sandbox.h"
#include "tests/sandbox/span.h"

struct connection;
struct vendor;

#define EXCHANGE_HEADERS_MAX 64

struct exchange_header {
	struct span name, value;
};

struct exchange {
	struct sandbox *sandbox;
	struct connection *connection;
	const struct vendor *vendor;
	bool is_http2;

	struct span method, path, query, body; /* path without query */
	struct exchange_header fields[EXCHANGE_HEADERS_MAX];
	size_t field_count;

	int status;
	const char *content_type; /* NULL: no body of any kind */
	struct text headers;      /* more "Name: value\r\n" lines */
	struct text answer;

	bool accepted;
	struct text key, delivery, recipient;
	struct text message;      /* the vendor's number of the message */
	struct text credential;   /* which of the vendor's customers it is */
	struct text callback_url; /* where this message's status goes, for vendors that are told with each */
	/* What the ledger gets the hash of, where the body will not do: it is encrypted, or counts the seconds that are left. */
	struct text said;

	int64_t delay_ms; /* the answer waits so long */
	bool is_early;    /* the answer waits until the first callback was answered */
};

void exchange_init(struct exchange *exchange, struct sandbox *sandbox, struct connection *connection);
void exchange_release(struct exchange *exchange);
/* Before the next request. */
void exchange_clear(struct exchange *exchange);
/* Splits "/path?query". */
void exchange_set_target(struct exchange *exchange, struct span target);
/* Reads "Name: value\r\n" lines; false when there are too many. */
bool exchange_set_headers(struct exchange *exchange, struct span lines);

/* Lets the vendor answer, takes one of the faults that are possible here, writes the ledger, plans callbacks. The fault
 * is what the protocol has to do instead of answering; NULL: send the answer. Borrowed until the faults change. */
const struct fault *exchange_run(struct exchange *exchange, unsigned fault_kinds);

/* The header's value without the blanks around it; empty when it is not there. The name in small letters. */
struct span exchange_header(const struct exchange *exchange, const char *name);
bool exchange_has_header(const struct exchange *exchange, const char *name);
/* The media type without its parameters. */
bool exchange_is_type(const struct exchange *exchange, const char *media_type);
/* The body as JSON, to be released; NULL when it is none, holds a key twice or is not UTF-8. */
json_t *exchange_json(const struct exchange *exchange) MUST_CHECK;

void exchange_answer(struct exchange *exchange, int status, const char *content_type, const char *body);
/* Takes ownership of the JSON. */
void exchange_answer_json(struct exchange *exchange, int status, json_t *body);
void exchange_add_header(struct exchange *exchange, const char *name, const char *value);
void exchange_accept(struct exchange *exchange, struct span delivery, struct span recipient);

/* For vendors that hand nothing back, so that it is only our ledger that asks for the delivery: the header
 * X-Postrider-Delivery, or what the app is told as postrider_delivery. */
void exchange_add_delivery(const struct exchange *exchange, const json_t *app_data, struct text *out);

/* Random bytes as hex. */
void exchange_add_id(struct text *out, size_t bytes);

#endif
