/* HTTP/1.1 with Content-Length bodies, keep-alive and pipelining, no more. What the requests mean is the vendors'
 * business. A connection that begins with HTTP/2's preface, or agreed on it in TLS, goes on in http2.c. */
#include "tests/sandbox/http.h"

#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "tests/sandbox/callbacks.h"
#include "tests/sandbox/certificates.h"
#include "tests/sandbox/exchange.h"
#include "tests/sandbox/tls.h"

enum { HEAD_MAX = 32 * 1024, BODY_MAX = 8 * 1024 * 1024 };

struct http {
	struct sandbox *sandbox;
	struct connection *connection;
	struct exchange exchange;
	int64_t requests;
	bool continued; /* 100 Continue was said for the request that is coming in */
};

struct head {
	size_t length, body_length;
	bool expects_continue, closes;
};

static bool take_request_line(struct exchange *exchange, struct span line)
{
	exchange->method = span_cut(&line, ' ');
	exchange_set_target(exchange, span_cut(&line, ' '));
	return span_equal(line, "HTTP/1.1") && exchange->path.length > 0;
}

static bool take_content_length(const struct exchange *exchange, struct head *head)
{
	struct span digits = exchange_header(exchange, "content-length");
	int64_t length = digits.length > 0 ? span_number(digits, BODY_MAX) : 0;

	if (length < 0 || exchange_has_header(exchange, "transfer-encoding"))
		return false;
	head->body_length = (size_t)length;
	return true;
}

/* bytes end behind the empty line. */
static bool parse_head(struct exchange *exchange, struct head *head, const char *bytes, size_t length)
{
	const char *end = memmem(bytes, length, "\r\n", 2);
	const char *lines = end + 2;

	if (!take_request_line(exchange, (struct span){bytes, (size_t)(end - bytes)}))
		return false;
	if (!exchange_set_headers(exchange, (struct span){lines, (size_t)(bytes + length - 2 - lines)}))
		return false;
	head->length = length;
	head->expects_continue = span_is(exchange_header(exchange, "expect"), "100-continue");
	head->closes = span_is(exchange_header(exchange, "connection"), "close");
	exchange->body.bytes = bytes + length;
	return take_content_length(exchange, head);
}

static const char *reason(int status)
{
	return status < 300 ? "OK" : status < 500 ? "Refused" : "Unavailable";
}

static void write_answer(struct http *http)
{
	struct exchange *exchange = &http->exchange;
	struct text *output = &http->connection->output;

	text_add(output, "HTTP/1.1 ");
	text_add_int64(output, exchange->status);
	text_add_char(output, ' ');
	text_add(output, reason(exchange->status));
	text_add(output, "\r\n");
	text_add_bytes(output, text_string(&exchange->headers), exchange->headers.length);
	if (exchange->content_type) {
		text_add(output, "Content-Type: ");
		text_add(output, exchange->content_type);
		text_add(output, "\r\n");
	}
	text_add(output, "Content-Length: ");
	text_add_int64(output, (int64_t)exchange->answer.length);
	text_add(output, "\r\n\r\n");
	text_add_bytes(output, text_string(&exchange->answer), exchange->answer.length);
}

static void refuse(struct http *http, int status, const char *body)
{
	exchange_answer(&http->exchange, status, "application/json", body);
	write_answer(http);
	connection_close(http->connection, CONNECTION_AFTER_OUTPUT);
}

static void on_durable(void *context)
{
	connection_release(context);
}

static void send_answer(struct http *http)
{
	struct exchange *exchange = &http->exchange;

	write_answer(http);
	if (http->sandbox->strict && exchange->accepted) {
		connection_hold(http->connection);
		ledger_when_durable(http->sandbox->ledger, on_durable, http->connection);
	}
	if (exchange->delay_ms > 0)
		connection_hold_for(http->connection, exchange->delay_ms);
}

void http_misbehave(struct connection *connection, const struct fault *fault)
{
	static const char garbage[] = "\x16\x03\x01 this is not HTTP\r\n\r\n";

	switch (fault->kind) {
	case FAULT_HANG:
		connection_hold(connection);
		break;
	case FAULT_GARBAGE:
		text_add_bytes(&connection->output, garbage, sizeof(garbage) - 1);
		connection_close(connection, CONNECTION_AFTER_OUTPUT);
		break;
	case FAULT_CLOSE_ON_REUSE:
		connection_close(connection, CONNECTION_NOW);
		break;
	default:
		connection_close(connection, CONNECTION_RESET);
	}
}

static void answer_message(struct http *http)
{
	unsigned kinds = HTTP_FAULTS;
	const struct fault *fault;

	http->requests++;
	if (http->requests > 1)
		kinds |= FAULT_BIT(FAULT_CLOSE_ON_REUSE);
	fault = exchange_run(&http->exchange, kinds);
	if (fault)
		http_misbehave(http->connection, fault);
	else
		send_answer(http);
}

static void answer_control(struct http *http)
{
	struct exchange *exchange = &http->exchange;

	exchange->status =
		control_answer(http->sandbox, exchange->method, exchange->path, exchange->body, &exchange->answer);
	exchange->content_type = "application/json";
	write_answer(http);
}

static void answer_request(struct http *http, bool closes)
{
	struct connection *connection = http->connection; /* http itself may be gone after the answer */

	if (span_starts(http->exchange.path, "/_sandbox/"))
		answer_control(http);
	else
		answer_message(http);
	if (closes)
		connection_close(connection, CONNECTION_AFTER_OUTPUT);
}

/* True when the body is here. */
static bool body_is_here(struct http *http, const struct head *head, size_t length)
{
	if (length >= head->length + head->body_length)
		return true;
	if (head->expects_continue && !http->continued) {
		text_add(&http->connection->output, "HTTP/1.1 100 Continue\r\n\r\n");
		http->continued = true;
	}
	return false;
}

static void on_closed(struct connection *connection)
{
	struct http *http = connection->owner;

	if (http->sandbox->strict)
		ledger_forget(http->sandbox->ledger, connection);
	callbacks_forget(http->sandbox->callbacks, connection);
	http->sandbox->connections--;
	exchange_release(&http->exchange);
	free(http);
}

/* True when the connection speaks HTTP/2: http is gone then. False also while that cannot be told. */
static bool turn_to_http2(struct http *http, const char *bytes, size_t length)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	struct connection *connection = http->connection;

	if (http->requests > 0 || length < sizeof(preface) - 1 || memcmp(bytes, preface, sizeof(preface) - 1) != 0)
		return false;
	exchange_release(&http->exchange);
	http2_take_over(http->sandbox, connection);
	free(http);
	return true;
}

static void on_input(struct connection *connection)
{
	struct http *http = connection->owner;
	struct head head = {0};
	size_t length;
	const char *bytes = connection_input(connection, &length);
	const char *head_end;

	if (turn_to_http2(http, bytes, length))
		return;
	head_end = memmem(bytes, length < HEAD_MAX ? length : HEAD_MAX, "\r\n\r\n", 4);
	if (!head_end) {
		if (length >= HEAD_MAX)
			refuse(http, 431, "");
		return;
	}
	exchange_clear(&http->exchange);
	if (!parse_head(&http->exchange, &head, bytes, (size_t)(head_end + 4 - bytes))) {
		if (!span_starts((struct span){bytes, length}, "PRI * HTTP/2.0")) /* the rest of the preface comes */
			refuse(http, 400, "{\"error\":\"Not an HTTP/1.1 request with a Content-Length.\"}\n");
		return;
	}
	if (!body_is_here(http, &head, length))
		return;
	http->exchange.body.length = head.body_length;
	http->continued = false;
	answer_request(http, head.closes);
	if (!connection->closed)
		connection_consume(connection, head.length + head.body_length);
}

static struct http *http_open(struct sandbox *sandbox, int fd)
{
	static const struct connection_protocol protocol = {on_input, on_closed};
	struct http *http = memory_new(sizeof(*http));

	sandbox->connections++;
	http->sandbox = sandbox;
	http->connection = connection_open(sandbox->base, fd, &protocol, http);
	exchange_init(&http->exchange, sandbox, http->connection);
	return http;
}

void http_accept(struct sandbox *sandbox, int fd)
{
	(void)http_open(sandbox, fd);
}

void https_accept(struct sandbox *sandbox, int fd)
{
	struct http *http = http_open(sandbox, fd);

	connection_start_tls(http->connection, certificates_current(sandbox->certificates));
}
