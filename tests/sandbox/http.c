/* The HTTP look-alike: HTTP/1.1 with Content-Length bodies, keep-alive and pipelining, no more. Every POST is a
 * message; webhook-id is its idempotency key. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/clock.h"
#include "shared/digest.h"
#include "shared/memory.h"
#include "tests/sandbox/connection.h"
#include "tests/sandbox/sandbox.h"

enum { HEAD_MAX = 32 * 1024, BODY_MAX = 8 * 1024 * 1024, SIGNATURE_AGE_MAX_S = 300 };

struct http {
	struct sandbox *sandbox;
	struct connection *connection;
	int64_t requests;
	bool continued; /* 100 Continue was said for the request that is coming in */
};

struct span {
	const char *bytes;
	size_t length;
};

enum header_name {
	CONTENT_LENGTH,
	TRANSFER_ENCODING,
	EXPECT,
	CONNECTION,
	WEBHOOK_ID,
	WEBHOOK_TIMESTAMP,
	WEBHOOK_SIGNATURE,
	DELIVERY,
	RECIPIENT,
	HEADER_COUNT,
};

static const struct {
	const char *name;
	size_t length;
} header_names[HEADER_COUNT] = {
	[CONTENT_LENGTH] = {"content-length", 14},
	[TRANSFER_ENCODING] = {"transfer-encoding", 17},
	[EXPECT] = {"expect", 6},
	[CONNECTION] = {"connection", 10},
	[WEBHOOK_ID] = {"webhook-id", 10},
	[WEBHOOK_TIMESTAMP] = {"webhook-timestamp", 17},
	[WEBHOOK_SIGNATURE] = {"webhook-signature", 17},
	[DELIVERY] = {"x-postrider-delivery", 20},
	[RECIPIENT] = {"x-postrider-recipient", 21},
};

struct http_request {
	struct span method, path, body, headers[HEADER_COUNT];
	size_t head_length;
};

static bool span_is(struct span span, const char *word)
{
	return span.length == strlen(word) && strncasecmp(span.bytes, word, span.length) == 0;
}

static struct span trim(const char *start, const char *end)
{
	while (start < end && (*start == ' ' || *start == '\t'))
		start++;
	while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return (struct span){start, (size_t)(end - start)};
}

static void take_header(struct http_request *request, const char *line, const char *end)
{
	const char *colon = memchr(line, ':', (size_t)(end - line));
	size_t length = colon ? (size_t)(colon - line) : 0;

	for (int i = 0; length > 0 && i < HEADER_COUNT; i++)
		if (header_names[i].length == length && strncasecmp(header_names[i].name, line, length) == 0)
			request->headers[i] = trim(colon + 1, end);
}

static bool take_request_line(struct http_request *request, const char *line, const char *end)
{
	const char *space = memchr(line, ' ', (size_t)(end - line));
	const char *second = space ? memchr(space + 1, ' ', (size_t)(end - space - 1)) : NULL;

	if (!second || !span_is((struct span){second + 1, (size_t)(end - second - 1)}, "HTTP/1.1"))
		return false;
	request->method = (struct span){line, (size_t)(space - line)};
	request->path = (struct span){space + 1, (size_t)(second - space - 1)};
	return true;
}

static bool take_content_length(struct http_request *request)
{
	struct span digits = request->headers[CONTENT_LENGTH];
	size_t length = 0;

	if (request->headers[TRANSFER_ENCODING].length > 0 || digits.length > 8)
		return false;
	for (size_t i = 0; i < digits.length; i++) {
		if (digits.bytes[i] < '0' || digits.bytes[i] > '9')
			return false;
		length = length * 10 + (size_t)(digits.bytes[i] - '0');
	}
	request->body.length = length;
	return length <= BODY_MAX;
}

/* head ends behind its empty line. */
static bool parse_head(struct http_request *request, const char *head, size_t length)
{
	const char *limit = head + length - 2;
	const char *end = memchr(head, '\r', length);

	if (!take_request_line(request, head, end))
		return false;
	for (const char *line = end + 2; line < limit; line = end + 2) {
		end = memmem(line, (size_t)(limit + 2 - line), "\r\n", 2);
		if (!end || end == line)
			break;
		take_header(request, line, end);
	}
	request->head_length = length;
	request->body.bytes = head + length;
	return take_content_length(request);
}

static const char *reason(int status)
{
	return status < 300 ? "OK" : status < 500 ? "Refused" : "Unavailable";
}

static void answer(struct http *http, int status, const char *retry_after, const char *body, size_t length)
{
	struct text *output = &http->connection->output;

	text_add(output, "HTTP/1.1 ");
	text_add_int64(output, status);
	text_add_char(output, ' ');
	text_add(output, reason(status));
	if (retry_after) {
		text_add(output, "\r\nRetry-After: ");
		text_add(output, retry_after);
	}
	text_add(output, "\r\nContent-Type: application/json\r\nContent-Length: ");
	text_add_int64(output, (int64_t)length);
	text_add(output, "\r\n\r\n");
	text_add_bytes(output, body, length);
}

static void refuse(struct http *http, int status, const char *body)
{
	answer(http, status, NULL, body, strlen(body));
	connection_close(http->connection, CONNECTION_AFTER_OUTPUT);
}

static bool signature_matches(struct digest_hmac *hmac, const struct http_request *request)
{
	struct span id = request->headers[WEBHOOK_ID], at = request->headers[WEBHOOK_TIMESTAMP];
	struct span signature = request->headers[WEBHOOK_SIGNATURE];
	uint8_t digest[DIGEST_SHA256_BYTES];
	struct text expected;
	bool found;

	digest_hmac_start(hmac);
	digest_hmac_add(hmac, id.bytes, id.length);
	digest_hmac_add(hmac, ".", 1);
	digest_hmac_add(hmac, at.bytes, at.length);
	digest_hmac_add(hmac, ".", 1);
	digest_hmac_add(hmac, request->body.bytes, request->body.length);
	digest_hmac_finish(hmac, digest);
	text_init(&expected, 64);
	text_add(&expected, "v1,");
	digest_add_base64(&expected, digest, sizeof(digest));
	found = signature.length > 0 &&
		memmem(signature.bytes, signature.length, text_string(&expected), expected.length);
	text_release(&expected);
	return found;
}

static bool is_signed(const struct http *http, const struct http_request *request)
{
	struct span at = request->headers[WEBHOOK_TIMESTAMP];
	int64_t seconds = 0;

	if (!http->sandbox->webhook_hmac)
		return true;
	if (request->headers[WEBHOOK_ID].length == 0 || at.length == 0 || at.length > 12)
		return false;
	for (size_t i = 0; i < at.length; i++)
		seconds = seconds * 10 + (at.bytes[i] - '0');
	if (llabs(clock_wall_ms() / 1000 - seconds) > SIGNATURE_AGE_MAX_S)
		return false;
	return signature_matches(http->sandbox->webhook_hmac, request);
}

/* The header, or the first "to", "recipient" or "address" of the JSON body. */
static struct span find_recipient(const struct http_request *request)
{
	static const char *const names[] = {"\"to\":", "\"recipient\":", "\"address\":"};
	const char *limit = request->body.bytes + request->body.length;

	if (request->headers[RECIPIENT].length > 0)
		return request->headers[RECIPIENT];
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		const char *at = memmem(request->body.bytes, request->body.length, names[i], strlen(names[i]));
		const char *quote =
			at ? memchr(at + strlen(names[i]), '"', (size_t)(limit - at) - strlen(names[i])) : NULL;
		const char *end = quote ? memchr(quote + 1, '"', (size_t)(limit - quote - 1)) : NULL;

		if (end)
			return (struct span){quote + 1, (size_t)(end - quote - 1)};
	}
	return (struct span){NULL, 0};
}

static void on_durable(void *context)
{
	connection_release(context);
}

static void accept_message(struct http *http, const struct http_request *request, struct span recipient)
{
	const struct span *headers = request->headers;

	ledger_add(http->sandbox->ledger, &(struct ledger_entry){
						  .protocol = LEDGER_HTTP,
						  .key = headers[WEBHOOK_ID].bytes,
						  .key_length = headers[WEBHOOK_ID].length,
						  .delivery = headers[DELIVERY].bytes,
						  .delivery_length = headers[DELIVERY].length,
						  .recipient = recipient.bytes,
						  .recipient_length = recipient.length,
						  .body = request->body.bytes,
						  .body_length = request->body.length,
					  });
}

static void answer_accepted(struct http *http, int64_t delay_ms)
{
	static const char body[] = "{\"accepted\":true}\n";

	answer(http, 200, NULL, body, sizeof(body) - 1);
	if (http->sandbox->strict) {
		connection_hold(http->connection);
		ledger_when_durable(http->sandbox->ledger, on_durable, http->connection);
	}
	if (delay_ms > 0)
		connection_hold_for(http->connection, delay_ms);
}

static void answer_status(struct http *http, const struct fault *fault)
{
	char *body = memory_new(fault->body_bytes + 1);

	memset(body, 'x', fault->body_bytes);
	answer(http, fault->status, fault->kind == FAULT_RETRY_AFTER ? fault->retry_after : NULL, body,
	       fault->body_bytes);
	free(body);
	if (http->sandbox->latency_ms > 0)
		connection_hold_for(http->connection, http->sandbox->latency_ms);
}

static void misbehave(struct http *http, const struct fault *fault)
{
	static const char garbage[] = "\x16\x03\x01 this is not HTTP\r\n\r\n";

	switch (fault->kind) {
	case FAULT_STATUS:
	case FAULT_RETRY_AFTER:
		answer_status(http, fault);
		break;
	case FAULT_HANG:
		connection_hold(http->connection);
		break;
	case FAULT_SLOW:
		answer_accepted(http, fault->latency_ms);
		break;
	case FAULT_GARBAGE:
		text_add_bytes(&http->connection->output, garbage, sizeof(garbage) - 1);
		connection_close(http->connection, CONNECTION_AFTER_OUTPUT);
		break;
	case FAULT_CLOSE_ON_REUSE:
		connection_close(http->connection, CONNECTION_NOW);
		break;
	default:
		connection_close(http->connection, CONNECTION_RESET);
	}
}

static const struct fault *find_fault(const struct http *http, struct span recipient)
{
	unsigned kinds = FAULT_BIT(FAULT_STATUS) | FAULT_BIT(FAULT_RETRY_AFTER) | FAULT_BIT(FAULT_HANG) |
			 FAULT_BIT(FAULT_RESET_AFTER_BODY) | FAULT_BIT(FAULT_ACCEPT_THEN_RESET) |
			 FAULT_BIT(FAULT_SLOW) | FAULT_BIT(FAULT_GARBAGE);

	if (http->requests > 1)
		kinds |= FAULT_BIT(FAULT_CLOSE_ON_REUSE);
	return fault_take(&http->sandbox->faults, LEDGER_HTTP, kinds, recipient.bytes, recipient.length);
}

static void answer_message(struct http *http, const struct http_request *request)
{
	struct span recipient = find_recipient(request);
	const struct fault *fault;

	http->requests++;
	http->sandbox->requests++;
	fault = http->sandbox->faults.count > 0 ? find_fault(http, recipient) : NULL;
	if (!is_signed(http, request)) {
		refuse(http, 401, "{\"error\":\"The signature does not match.\"}\n");
		return;
	}
	if (!fault || fault->accept || fault->kind == FAULT_SLOW)
		accept_message(http, request, recipient);
	if (fault)
		misbehave(http, fault);
	else
		answer_accepted(http, http->sandbox->latency_ms);
}

static void answer_control(struct http *http, const struct http_request *request)
{
	struct text body;
	int status;

	text_init(&body, 1024 * 1024);
	status = control_answer(http->sandbox, request->method.bytes, request->method.length, request->path.bytes,
				request->path.length, request->body.bytes, request->body.length, &body);
	answer(http, status, NULL, text_string(&body), body.length);
	text_release(&body);
}

static void answer_request(struct http *http, const struct http_request *request)
{
	static const char control[] = "/_sandbox/";
	struct connection *connection = http->connection; /* http itself may be gone after the answer */

	if (request->path.length >= sizeof(control) - 1 &&
	    memcmp(request->path.bytes, control, sizeof(control) - 1) == 0)
		answer_control(http, request);
	else if (span_is(request->method, "POST"))
		answer_message(http, request);
	else
		refuse(http, 405, "{\"error\":\"Only POST.\"}\n");
	if (span_is(request->headers[CONNECTION], "close"))
		connection_close(connection, CONNECTION_AFTER_OUTPUT);
}

/* True when the body is here, or the request was refused. */
static bool body_is_here(struct http *http, const struct http_request *request, size_t length)
{
	if (length >= request->head_length + request->body.length)
		return true;
	if (span_is(request->headers[EXPECT], "100-continue") && !http->continued) {
		text_add(&http->connection->output, "HTTP/1.1 100 Continue\r\n\r\n");
		http->continued = true;
	}
	return false;
}

static void on_input(struct connection *connection)
{
	struct http *http = connection->owner;
	struct http_request request = {0};
	size_t length;
	const char *bytes = connection_input(connection, &length);
	const char *head_end = memmem(bytes, length < HEAD_MAX ? length : HEAD_MAX, "\r\n\r\n", 4);

	if (!head_end) {
		if (length >= HEAD_MAX)
			refuse(http, 431, "");
		return;
	}
	if (!parse_head(&request, bytes, (size_t)(head_end + 4 - bytes))) {
		refuse(http, 400, "{\"error\":\"Not an HTTP/1.1 request with a Content-Length.\"}\n");
		return;
	}
	if (!body_is_here(http, &request, length))
		return;
	http->continued = false;
	answer_request(http, &request);
	if (!connection->closed)
		connection_consume(connection, request.head_length + request.body.length);
}

static void on_closed(struct connection *connection)
{
	struct http *http = connection->owner;

	if (http->sandbox->strict)
		ledger_forget(http->sandbox->ledger, connection);
	http->sandbox->connections--;
	free(http);
}

void http_accept(struct sandbox *sandbox, int fd)
{
	static const struct connection_protocol protocol = {on_input, on_closed};
	struct http *http = memory_new(sizeof(*http));

	sandbox->connections++;
	http->sandbox = sandbox;
	http->connection = connection_open(sandbox->base, fd, &protocol, http);
}
