/* HTTP/2: many requests on a connection, and a fence for each of them. The other side is tests/support/http2_peer.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/memory.h"
#include "tests/support/http2_peer.h"
#include "worker/transfer.h"

enum { PATIENT_MS = 60000, IMPATIENT_MS = 1000, BODY_MAX = 64 * 1024 };

static struct event_base *base;
static char folder[] = "/tmp/transfer_http2_test.XXXXXX", certificate[64], stranger[64];

static int start_all(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	if (!mkdtemp(folder))
		return -1;
	snprintf(certificate, sizeof(certificate), "%s/certificate.pem", folder);
	snprintf(stranger, sizeof(stranger), "%s/stranger.pem", folder);
	http2_certificate_write(certificate);
	http2_certificate_write(stranger);
	return 0;
}

static int stop_all(void **state)
{
	(void)state;
	event_base_free(base);
	unlink(certificate);
	unlink(stranger);
	return rmdir(folder);
}

/* -- one call -- */

struct call {
	struct provider_request request;
	enum provider_progress progress;
	int status;
	struct text body, failure, headers;
	int fence_calls, answers;
	bool may_be_sent;
	int *open; /* the loop ends when nobody is left */
};

static bool fence(void *context)
{
	struct call *call = context;

	call->fence_calls++;
	return call->may_be_sent;
}

static void on_done(void *context, const struct provider_answer *answer, int64_t duration_us)
{
	struct call *call = context;

	assert_true(duration_us >= 0);
	call->answers++;
	call->progress = answer->progress;
	call->status = answer->status;
	assert_int_equal(answer->token_number, call->request.token_number);
	text_add_bytes(&call->body, answer->body.bytes, answer->body.length);
	text_add_bytes(&call->headers, answer->headers.bytes, answer->headers.length);
	text_add(&call->failure, answer->failure ? answer->failure : "");
	if (--*call->open == 0)
		event_base_loopbreak(base);
}

static void call_init(struct call *call, const char *scheme, const struct http2_peer *peer, int *open)
{
	struct error err = {0};

	*call = (struct call){.may_be_sent = true, .open = open};
	provider_request_init(&call->request);
	text_init(&call->body, BODY_MAX);
	text_init(&call->failure, 100);
	text_init(&call->headers, BODY_MAX);
	call->request.token_number = 7;
	text_addf(&call->request.url, "%s://127.0.0.1:%d/3/device/ab", scheme, http2_peer_port(peer));
	text_add(&call->request.body, "{\"aps\":{}}");
	assert_true(provider_request_header(&call->request, "apns-topic", "com.example.app", 15, &err));
}

static void call_release(struct call *call)
{
	provider_request_release(&call->request);
	text_release(&call->body);
	text_release(&call->failure);
	text_release(&call->headers);
}

static void run(struct transfer_pool *pool, struct call *calls, int count)
{
	*calls[0].open = count;
	for (int i = 0; i < count; i++)
		transfer_start(pool, &calls[i].request, fence, on_done, &calls[i]);
	event_base_dispatch(base);
	for (int i = 0; i < count; i++)
		assert_int_equal(calls[i].answers, 1);
}

static struct transfer_pool *open_pool(int64_t timeout_ms)
{
	const struct provider_transport transport = {.plain_allowed = true,
						     .http2 = true,
						     .http2_only = true,
						     .streams_max = 250,
						     .ca_file = certificate,
						     .connect_timeout_ms = timeout_ms,
						     .timeout_ms = timeout_ms};

	return transfer_pool_open(base, &transport, 500);
}

/* -- the table: each row in clear and over TLS, on a new connection and on one that has served before -- */

static const struct row {
	const char *when;
	enum http2_order order;
	bool impatient, refused_by_fence;
	enum provider_progress progress;
	int status;
	const char *failure;
	int reached; /* requests that came to the peer */
} rows[] = {
	{"a request is answered", HTTP2_ANSWER, false, false, PROVIDER_ANSWERED, 200, "", 1},
	{"the fence says no", HTTP2_ANSWER, false, true, PROVIDER_NOT_WRITTEN, 0, "fenced", 0},
	{"no answer comes", HTTP2_HANG, true, false, PROVIDER_WRITTEN, 0, "timeout", 1},
	{"the stream is reset after the body", HTTP2_RESET_STREAM, false, false, PROVIDER_WRITTEN, 0, "reset", 1},
	{"the stream is refused: the repetition is stopped", HTTP2_REFUSE_STREAM, false, false, PROVIDER_WRITTEN, 0,
	 "repeat", 1},
	{"GOAWAY after the body, which was taken", HTTP2_GOAWAY, false, false, PROVIDER_WRITTEN, 0, NULL, 1},
	{"GOAWAY after the body, which was not taken", HTTP2_GOAWAY_UNTAKEN, false, false, PROVIDER_WRITTEN, 0, NULL,
	 1},
	{"the connection ends after the body", HTTP2_CLOSE, false, false, PROVIDER_WRITTEN, 0, NULL, 1},
};

static void run_row(const struct row *row, bool tls, bool reused)
{
	struct http2_peer *peer = http2_peer_open(base, tls ? certificate : NULL, 100);
	struct transfer_pool *pool = open_pool(row->impatient ? IMPATIENT_MS : PATIENT_MS);
	struct call call;
	int open, before;

	if (reused) {
		call_init(&call, tls ? "https" : "http", peer, &open);
		run(pool, &call, 1);
		assert_int_equal(call.status, 200);
		call_release(&call);
	}
	before = http2_peer_requests(peer);
	http2_peer_order(peer, row->order, 0);
	call_init(&call, tls ? "https" : "http", peer, &open);
	call.may_be_sent = !row->refused_by_fence;
	run(pool, &call, 1);
	assert_int_equal(call.progress, row->progress);
	assert_int_equal(call.status, row->status);
	/* How libcurl words the end of a connection depends on what it read last; never as an answer. */
	if (row->failure != NULL)
		assert_string_equal(text_string(&call.failure), row->failure);
	assert_int_equal(http2_peer_requests(peer) - before, row->reached);
	call_release(&call);
	transfer_pool_close(&pool);
	http2_peer_close(&peer);
}

static void every_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
		for (int way = 0; way < 4; way++) {
			print_message("  when %s, %s, %s connection\n", rows[i].when, way & 1 ? "TLS" : "in clear",
				      way & 2 ? "used" : "new");
			run_row(&rows[i], way & 1, way & 2);
		}
}

/* -- what needs more than a row -- */

static void requests_share_a_connection(void **state)
{
	enum { CALLS = 60 };
	struct http2_peer *peer = http2_peer_open(base, certificate, 100);
	struct transfer_pool *pool = open_pool(PATIENT_MS);
	struct call *calls = memory_new_array(CALLS, sizeof(*calls));
	int open;

	(void)state;
	http2_peer_answer(peer, 410, "apns-id: 0001", "{\"reason\":\"Unregistered\"}");
	for (int i = 0; i < CALLS; i++)
		call_init(&calls[i], "https", peer, &open);
	run(pool, calls, CALLS);
	for (int i = 0; i < CALLS; i++) {
		struct slice headers = {text_string(&calls[i].headers), calls[i].headers.length};

		assert_int_equal(calls[i].progress, PROVIDER_ANSWERED);
		assert_int_equal(calls[i].status, 410);
		assert_int_equal(calls[i].fence_calls, 1);
		assert_string_equal(text_string(&calls[i].body), "{\"reason\":\"Unregistered\"}");
		assert_memory_equal(provider_header(headers, "Apns-Id").bytes, "0001", 4);
		call_release(&calls[i]);
	}
	assert_int_equal(http2_peer_connections(peer), 1);
	assert_int_equal(http2_peer_requests(peer), CALLS);
	assert_true(http2_peer_most_streams(peer) > 1);
	assert_non_null(strstr(http2_peer_request(peer), ":path: /3/device/ab\n"));
	assert_non_null(strstr(http2_peer_request(peer), "apns-topic: com.example.app\n"));
	free(calls);
	transfer_pool_close(&pool);
	http2_peer_close(&peer);
}

/* Nothing waits inside libcurl until somebody else's answer has come. */
static void a_full_connection_is_not_waited_for(void **state)
{
	enum { CALLS = 25 };
	struct http2_peer *peer = http2_peer_open(base, certificate, 10);
	struct transfer_pool *pool = open_pool(PATIENT_MS);
	struct call calls[CALLS], first;
	int open, first_open;

	(void)state;
	call_init(&first, "https", peer, &first_open);
	run(pool, &first, 1); /* the peer's settings are known then */
	call_release(&first);
	http2_peer_order(peer, HTTP2_HANG, 0);
	for (int i = 0; i < CALLS; i++)
		call_init(&calls[i], "https", peer, &open);
	open = CALLS;
	for (int i = 0; i < CALLS; i++)
		transfer_start(pool, &calls[i].request, fence, on_done, &calls[i]);
	while (http2_peer_requests(peer) < 1 + CALLS)
		event_base_loop(base, EVLOOP_ONCE);
	assert_true(http2_peer_most_streams(peer) <= 10);
	transfer_pool_close(&pool);
	for (int i = 0; i < CALLS; i++)
		call_release(&calls[i]);
	http2_peer_close(&peer);
}

/* A fenced request and one that is too slow leave the others on their connection alone. */
static void one_request_does_not_disturb_the_others(void **state)
{
	enum { CALLS = 20 };
	struct http2_peer *peer = http2_peer_open(base, certificate, 100);
	struct transfer_pool *pool = open_pool(IMPATIENT_MS);
	struct call calls[CALLS];
	int open;

	(void)state;
	http2_peer_order(peer, HTTP2_HANG, 1);
	for (int i = 0; i < CALLS; i++) {
		call_init(&calls[i], "https", peer, &open);
		calls[i].may_be_sent = i % 2 == 0;
	}
	run(pool, calls, CALLS);
	for (int i = 0; i < CALLS; i++) {
		if (i % 2 == 1)
			assert_string_equal(text_string(&calls[i].failure), "fenced");
		else if (calls[i].progress == PROVIDER_ANSWERED)
			assert_int_equal(calls[i].status, 200);
		else
			assert_string_equal(text_string(&calls[i].failure), "timeout");
		call_release(&calls[i]);
	}
	assert_int_equal(http2_peer_requests(peer), CALLS / 2);
	assert_int_equal(http2_peer_connections(peer), 1);
	transfer_pool_close(&pool);
	http2_peer_close(&peer);
}

/* The one whose stream was cut off is not sent again behind our back, and neither are the others. */
static void goaway_under_load_repeats_nothing(void **state)
{
	enum { CALLS = 40 };
	struct http2_peer *peer = http2_peer_open(base, certificate, 100);
	struct transfer_pool *pool = open_pool(PATIENT_MS);
	struct call *calls = memory_new_array(CALLS, sizeof(*calls));
	int open, reached = 0;

	(void)state;
	for (int i = 0; i < CALLS; i++)
		call_init(&calls[i], "https", peer, &open);
	http2_peer_order(peer, HTTP2_HANG, 0);
	open = CALLS;
	for (int i = 0; i < CALLS - 1; i++)
		transfer_start(pool, &calls[i].request, fence, on_done, &calls[i]);
	while (http2_peer_requests(peer) < CALLS - 1)
		event_base_loop(base, EVLOOP_ONCE);
	http2_peer_order(peer, HTTP2_GOAWAY, 1);
	transfer_start(pool, &calls[CALLS - 1].request, fence, on_done, &calls[CALLS - 1]);
	event_base_dispatch(base);
	for (int i = 0; i < CALLS; i++) {
		assert_int_equal(calls[i].answers, 1);
		assert_int_equal(calls[i].progress, PROVIDER_WRITTEN);
		reached += calls[i].progress != PROVIDER_NOT_WRITTEN;
		call_release(&calls[i]);
	}
	assert_int_equal(http2_peer_requests(peer), reached);
	free(calls);
	transfer_pool_close(&pool);
	http2_peer_close(&peer);
}

static void a_strange_certificate_is_no_connection(void **state)
{
	struct http2_peer *peer = http2_peer_open(base, stranger, 100);
	struct transfer_pool *pool = open_pool(PATIENT_MS);
	struct call call;
	int open;

	(void)state;
	call_init(&call, "https", peer, &open);
	run(pool, &call, 1);
	assert_int_equal(call.progress, PROVIDER_NOT_WRITTEN);
	assert_string_equal(text_string(&call.failure), "tls");
	assert_int_equal(call.fence_calls, 0);
	assert_int_equal(http2_peer_requests(peer), 0);
	call_release(&call);
	transfer_pool_close(&pool);
	http2_peer_close(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row),
		cmocka_unit_test(requests_share_a_connection),
		cmocka_unit_test(a_full_connection_is_not_waited_for),
		cmocka_unit_test(one_request_does_not_disturb_the_others),
		cmocka_unit_test(goaway_under_load_repeats_nothing),
		cmocka_unit_test(a_strange_certificate_is_no_connection),
	};

	return cmocka_run_group_tests(tests, start_all, stop_all);
}
