/* HTTP/2 (RFC 9113) by libnghttp2: many requests at once on a connection, each an exchange of its own. Requests that came
 * in whole are answered after the library has read all there is, because an answer may be the end of the connection. */
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "shared/memory.h"
#include "tests/sandbox/callbacks.h"
#include "tests/sandbox/exchange.h"
#include "tests/sandbox/http.h"

enum { STREAMS_MAX = 1000, HEAD_MAX = 32 * 1024, BODY_MAX = 8 * 1024 * 1024, ANSWER_HEADERS_MAX = 16 };

struct stream {
	struct http2 *http2;
	int32_t id;
	struct exchange exchange;
	struct text method, target, header_lines, body;
	size_t sent; /* of the answer's body */
	bool is_complete, is_run;
	struct event *delay;
	struct stream *previous, *next;
};

struct http2 {
	struct sandbox *sandbox;
	struct connection *connection;
	nghttp2_session *session;
	struct stream *streams;
	int64_t requests;
	bool is_going_away;
};

static struct stream *stream_open(struct http2 *http2, int32_t id)
{
	struct stream *stream = memory_new(sizeof(*stream));

	stream->http2 = http2;
	stream->id = id;
	exchange_init(&stream->exchange, http2->sandbox, http2->connection);
	text_init(&stream->method, 32);
	text_init(&stream->target, HEAD_MAX);
	text_init(&stream->header_lines, HEAD_MAX);
	text_init(&stream->body, BODY_MAX);
	DL_APPEND2(http2->streams, stream, previous, next);
	return stream;
}

static void stream_close(struct stream *stream)
{
	DL_DELETE2(stream->http2->streams, stream, previous, next);
	ledger_forget(stream->http2->sandbox->ledger, stream);
	if (stream->delay)
		event_free(stream->delay);
	exchange_release(&stream->exchange);
	text_release(&stream->method);
	text_release(&stream->target);
	text_release(&stream->header_lines);
	text_release(&stream->body);
	free(stream);
}

/* -- what the library tells -- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
	struct http2 *http2 = context;

	if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		nghttp2_session_set_stream_user_data(session, frame->hd.stream_id,
						     stream_open(http2, frame->hd.stream_id));
	return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
		     const uint8_t *value, size_t value_length, uint8_t flags, void *context)
{
	struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	struct span header = {(const char *)name, name_length};
	bool is_authority = span_equal(header, ":authority");

	(void)flags;
	(void)context;
	if (!stream)
		return 0;
	if (span_equal(header, ":method")) {
		text_add_bytes(&stream->method, value, value_length);
	} else if (span_equal(header, ":path")) {
		text_add_bytes(&stream->target, value, value_length);
	} else if (name_length > 0 && (name[0] != ':' || is_authority)) {
		span_add(&stream->header_lines, is_authority ? span_of("host") : header);
		text_add(&stream->header_lines, ": ");
		text_add_bytes(&stream->header_lines, value, value_length);
		text_add(&stream->header_lines, "\r\n");
	}
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t length,
		   void *context)
{
	struct stream *stream = nghttp2_session_get_stream_user_data(session, id);

	(void)flags;
	(void)context;
	if (stream)
		text_add_bytes(&stream->body, bytes, length);
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
	struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void)context;
	if (stream && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
	    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		stream->is_complete = true;
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *context)
{
	struct stream *stream = nghttp2_session_get_stream_user_data(session, id);

	(void)code;
	(void)context;
	if (stream)
		stream_close(stream);
	return 0;
}

/* -- answers -- */

static ssize_t read_answer(nghttp2_session *session, int32_t id, uint8_t *bytes, size_t size, uint32_t *flags,
			   nghttp2_data_source *source, void *context)
{
	struct stream *stream = source->ptr;
	const struct text *answer = &stream->exchange.answer;
	size_t left = answer->length - stream->sent, length = left < size ? left : size;

	(void)session;
	(void)id;
	(void)context;
	if (length > 0)
		memcpy(bytes, answer->bytes + stream->sent, length);
	stream->sent += length;
	if (stream->sent == answer->length)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)length;
}

/* The library copies the bytes. */
static nghttp2_nv field(struct span name, struct span value)
{
	return (nghttp2_nv){
		.name = (uint8_t *)(uintptr_t)name.bytes,
		.value = (uint8_t *)(uintptr_t)value.bytes,
		.namelen = name.length,
		.valuelen = value.length,
	};
}

/* Names are small letters in HTTP/2. */
static void add_small(struct text *out, struct span lines)
{
	bool is_name = true;

	for (size_t i = 0; i < lines.length; i++) {
		char byte = lines.bytes[i];

		text_add_char(out, is_name && byte >= 'A' && byte <= 'Z' ? (char)(byte + 32) : byte);
		is_name = byte == '\n' || (is_name && byte != ':');
	}
}

static void submit(struct stream *stream)
{
	struct exchange *exchange = &stream->exchange;
	nghttp2_data_provider body = {.source.ptr = stream, .read_callback = read_answer};
	nghttp2_nv fields[ANSWER_HEADERS_MAX];
	struct text status, lines;
	struct span rest;
	size_t count = 0;

	text_init(&status, 16);
	text_init(&lines, HEAD_MAX);
	text_add_int64(&status, exchange->status);
	add_small(&lines, span_of_text(&exchange->headers));
	fields[count++] = field(span_of(":status"), span_of_text(&status));
	if (exchange->content_type)
		fields[count++] = field(span_of("content-type"), span_of(exchange->content_type));
	for (rest = span_of_text(&lines); rest.length > 0 && count < ARRAY_LENGTH(fields);) {
		struct span line = span_cut(&rest, '\r'), name = span_cut(&line, ':');

		fields[count++] = field(name, span_trim(line));
		rest = span_skip(rest, 1);
	}
	nghttp2_submit_response(stream->http2->session, stream->id, fields, count,
				exchange->answer.length > 0 ? &body : NULL);
	text_release(&status);
	text_release(&lines);
}

/* Puts what the library has to say into the connection's output; false: the connection is no more. */
static bool speak(struct http2 *http2)
{
	const uint8_t *bytes;
	ssize_t length;

	while ((length = nghttp2_session_mem_send(http2->session, &bytes)) > 0)
		text_add_bytes(&http2->connection->output, bytes, (size_t)length);
	if (length == 0 && !(http2->is_going_away && !http2->streams))
		return true;
	connection_close(http2->connection, CONNECTION_AFTER_OUTPUT);
	return false;
}

static void answer_now(struct stream *stream)
{
	struct http2 *http2 = stream->http2;

	submit(stream);
	if (speak(http2))
		connection_flush(http2->connection);
}

static void on_delay(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	answer_now(context);
}

static void on_durable(void *context)
{
	answer_now(context);
}

static void send_answer(struct stream *stream)
{
	struct http2 *http2 = stream->http2;
	int64_t delay_ms = stream->exchange.delay_ms;
	struct timeval delay = {.tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000};

	if (delay_ms > 0) {
		stream->delay = evtimer_new(http2->sandbox->base, on_delay, stream);
		evtimer_add(stream->delay, &delay);
	} else if (http2->sandbox->strict && stream->exchange.accepted) {
		ledger_when_durable(http2->sandbox->ledger, on_durable, stream);
	} else {
		submit(stream);
	}
}

static void misbehave(struct stream *stream, const struct fault *fault)
{
	struct http2 *http2 = stream->http2;

	switch (fault->kind) {
	case FAULT_HANG: /* this stream only */
		break;
	case FAULT_GOAWAY:
		http2->is_going_away = true;
		nghttp2_submit_goaway(http2->session, NGHTTP2_FLAG_NONE, stream->id - 2 > 0 ? stream->id - 2 : 0,
				      NGHTTP2_NO_ERROR, NULL, 0);
		break;
	case FAULT_REFUSED_STREAM:
		nghttp2_submit_rst_stream(http2->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_REFUSED_STREAM);
		break;
	default:
		http_misbehave(http2->connection, fault);
	}
}

static void run(struct stream *stream)
{
	struct http2 *http2 = stream->http2;
	struct exchange *exchange = &stream->exchange;
	unsigned kinds = HTTP_FAULTS | FAULT_BIT(FAULT_GOAWAY) | FAULT_BIT(FAULT_REFUSED_STREAM);
	const struct fault *fault;

	stream->is_run = true;
	http2->requests++;
	if (http2->requests > 1)
		kinds |= FAULT_BIT(FAULT_CLOSE_ON_REUSE);
	exchange->is_http2 = true;
	exchange->method = span_of_text(&stream->method);
	(void)exchange_set_headers(exchange, span_of_text(&stream->header_lines));
	exchange->body = span_of_text(&stream->body);
	exchange_set_target(exchange, span_of_text(&stream->target));
	if (span_starts(exchange->path, "/_sandbox/")) {
		exchange->status = control_answer(http2->sandbox, exchange->method, exchange->path, exchange->body,
						  &exchange->answer);
		exchange->content_type = "application/json";
		submit(stream);
		return;
	}
	fault = exchange_run(exchange, kinds);
	if (fault)
		misbehave(stream, fault);
	else
		send_answer(stream);
}

static struct stream *find_ready(struct http2 *http2)
{
	struct stream *stream;

	DL_FOREACH(http2->streams, stream)
		if (stream->is_complete && !stream->is_run)
			return stream;
	return NULL;
}

/* -- the connection -- */

static void on_input(struct connection *connection)
{
	struct http2 *http2 = connection->owner;
	struct stream *stream;
	size_t length;
	const char *bytes = connection_input(connection, &length);

	if (nghttp2_session_mem_recv(http2->session, (const uint8_t *)bytes, length) < 0) {
		connection_close(connection, CONNECTION_NOW);
		return;
	}
	connection_consume(connection, length);
	while ((stream = find_ready(http2)) != NULL) {
		run(stream);
		if (connection->closed || connection->closing)
			return; /* http2 may be gone */
	}
	(void)speak(http2);
}

static void on_closed(struct connection *connection)
{
	struct http2 *http2 = connection->owner;

	callbacks_forget(http2->sandbox->callbacks, connection);
	http2->sandbox->connections--;
	while (http2->streams)
		stream_close(http2->streams);
	nghttp2_session_del(http2->session);
	free(http2);
}

static nghttp2_session *session_new(struct http2 *http2)
{
	const nghttp2_settings_entry settings = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX};
	nghttp2_session_callbacks *callbacks;
	nghttp2_session *session;

	if (nghttp2_session_callbacks_new(&callbacks) != 0)
		abort();
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	if (nghttp2_session_server_new(&session, callbacks, http2) != 0)
		abort();
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, &settings, 1);
	return session;
}

void http2_take_over(struct sandbox *sandbox, struct connection *connection)
{
	static const struct connection_protocol protocol = {on_input, on_closed};
	struct http2 *http2 = memory_new(sizeof(*http2));

	http2->sandbox = sandbox;
	http2->connection = connection;
	http2->session = session_new(http2);
	connection->protocol = &protocol;
	connection->owner = http2;
	on_input(connection);
}
