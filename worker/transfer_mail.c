#include "worker/transfer_mail.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "shared/clock.h"
#include "shared/failpoint.h"
#include "shared/memory.h"
#include "worker/providers/smtp_dialog.h"
#include "worker/transfer_pool.h"
#include "worker/transfer_watch.h"

enum { RECEIVE_BYTES = 4 * 1024 };

enum relay_state {
	RELAY_CONNECTING, /* libcurl connects, starts TLS, says EHLO, authenticates */
	RELAY_TALKING,    /* a transaction is on */
	RELAY_IDLE,
};

/* A connection to a mail relay. */
struct relay {
	enum handle_kind kind;
	enum relay_state state;
	struct transfer_pool *pool;
	CURL *easy;
	struct watch *watch;
	struct call call;
	struct smtp_dialog dialog;
	size_t output_sent;
	bool dot_is_out;
	char *url;
	struct event begin, deadline;
	char explanation[CURL_ERROR_SIZE];
	struct relay *next_idle, *previous_of_all, *next_of_all;
};

static curl_socket_t on_open_relay(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	(void)purpose;
	return watch_open(((struct relay *)context)->pool, address);
}

/* Lines of the greeting, EHLO, STARTTLS and AUTH. */
static size_t on_hello(char *line, size_t size, size_t count, void *context)
{
	struct relay *relay = context;
	struct smtp_dialog *dialog = &relay->dialog;

	(void)size;
	if (relay->state != RELAY_CONNECTING || count < 4)
		return count;
	smtp_dialog_hello(dialog, line, count);
	dialog->status = (line[0] - '0') * 100 + (line[1] - '0') * 10 + line[2] - '0';
	text_clear(&dialog->reply);
	text_add_header(&dialog->reply, line + 4, count - 4);
	return count;
}

static void relay_free(struct relay *relay)
{
	if (relay->watch)
		relay->watch->relay = NULL;
	/* Closes the connection, without waiting for anybody: it was CONNECT_ONLY. */
	curl_multi_remove_handle(relay->pool->multi, relay->easy);
	curl_easy_cleanup(relay->easy);
	event_del(&relay->begin);
	event_del(&relay->deadline);
	DL_DELETE2(relay->pool->all_relays, relay, previous_of_all, next_of_all);
	smtp_dialog_release(&relay->dialog);
	free(relay->url);
	free(relay);
}

static void relay_quit(struct relay *relay)
{
	size_t sent;

	curl_easy_send(relay->easy, "QUIT\r\n", 6, &sent);
	relay_free(relay);
}

/* Gives the answer; the relay is idle or gone before done() runs. */
static void relay_finish(struct relay *relay, struct provider_answer *answer, bool reusable)
{
	struct transfer_pool *pool = relay->pool;
	struct call call = relay->call;
	struct text reply = relay->dialog.reply;

	answer->body = call_slice(&reply);
	answer->rcpt_stage = answer->progress == PROVIDER_ANSWERED && relay->dialog.rcpt_stage;
	if (reusable) {
		event_del(&relay->deadline);
		call_trim(&relay->dialog.output);
		text_init(&relay->dialog.reply, reply.ceiling);
		relay->state = RELAY_IDLE;
		relay->next_idle = pool->idle_relays;
		pool->idle_relays = relay;
		call_deliver(pool, &call, answer);
	} else {
		char explanation[CURL_ERROR_SIZE];

		text_init(&relay->dialog.reply, 0);
		if (answer->explanation == relay->explanation) {
			memcpy(explanation, relay->explanation, sizeof(explanation));
			answer->explanation = explanation;
		}
		relay_free(relay);
		call_deliver(pool, &call, answer);
	}
	text_release(&reply);
}

/* A relay that answers before it has heard all would take the rest of this message for the next one's. */
static void relay_answer(struct relay *relay)
{
	struct provider_answer answer = {.progress = PROVIDER_ANSWERED, .status = relay->dialog.status};
	bool has_heard_all = relay->dialog.output.length == 0;

	relay_finish(relay, &answer, has_heard_all && !relay->dialog.last);
}

static bool relay_said_yes_too_early(const struct relay *relay)
{
	return relay->dialog.output.length > 0 && relay->dialog.status < 400;
}

static void relay_fail(struct relay *relay, const char *failure, const char *explanation)
{
	struct provider_answer answer = {
		.progress = relay->dot_is_out ? PROVIDER_WRITTEN : PROVIDER_NOT_WRITTEN,
		.failure = failure,
		.explanation = explanation,
	};

	/* It had said no before it left. */
	if (relay->dialog.refused) {
		relay->dialog.last = true;
		relay_answer(relay);
		return;
	}
	relay_finish(relay, &answer, false);
}

/* False: the relay is gone. */
static bool relay_send(struct relay *relay)
{
	struct text *output = &relay->dialog.output;

	while (relay->output_sent < output->length) {
		size_t sent = 0;
		CURLcode code = curl_easy_send(relay->easy, output->bytes + relay->output_sent,
					       output->length - relay->output_sent, &sent);
		if (code == CURLE_AGAIN) {
			watch_register(relay->watch, EV_READ | EV_WRITE);
			return true;
		}
		if (code != CURLE_OK) {
			relay_fail(relay, call_failure(code), curl_easy_strerror(code));
			return false;
		}
		relay->output_sent += sent;
	}
	relay->dot_is_out = smtp_dialog_message_is_out(&relay->dialog);
	relay->output_sent = 0;
	text_clear(output);
	watch_register(relay->watch, EV_READ);
	return true;
}

static void relay_end(struct relay *relay, enum smtp_progress progress)
{
	if (progress == SMTP_BROKEN)
		relay_fail(relay, "garbage", "The relay does not speak SMTP.");
	else if (relay_said_yes_too_early(relay))
		relay_fail(relay, "garbage", "The relay took the message before it had it.");
	else
		relay_answer(relay);
}

/* Reads all there is: what TLS has already taken from the socket wakes nobody. */
static void relay_receive(struct relay *relay)
{
	char bytes[RECEIVE_BYTES];
	size_t received = sizeof(bytes);

	while (received == sizeof(bytes)) {
		CURLcode code = curl_easy_recv(relay->easy, bytes, sizeof(bytes), &received);
		enum smtp_progress progress;

		if (code == CURLE_AGAIN)
			return;
		if (code != CURLE_OK || received == 0) {
			relay_fail(relay, "reset",
				   code ? curl_easy_strerror(code) : "The relay closed the connection.");
			return;
		}
		progress = smtp_dialog_read(&relay->dialog, bytes, received);
		if (progress != SMTP_TALKING) {
			relay_end(relay, progress);
			return;
		}
		if (!relay_send(relay))
			return;
	}
}

static void relay_leave_idle(struct relay *relay)
{
	LL_DELETE2(relay->pool->idle_relays, relay, next_idle);
}

void relay_ready(struct relay *relay, short what)
{
	if (relay->state == RELAY_IDLE) {
		/* Whatever it says now, it is closing. */
		relay_leave_idle(relay);
		relay_quit(relay);
		return;
	}
	if ((what & EV_WRITE) && !relay_send(relay))
		return;
	if (what & EV_READ)
		relay_receive(relay);
}

static void relay_begin(struct relay *relay)
{
	int64_t left_ms = relay->pool->transport.timeout_ms - (clock_now_us() - relay->call.started_us) / 1000;
	struct timeval left = {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
	struct error err = {0};

	text_clear(&relay->dialog.reply);
	FAILPOINT("before_request");
	if (!call_may_go(&relay->call)) {
		relay_finish(relay, &(struct provider_answer){.progress = PROVIDER_NOT_WRITTEN, .failure = "fenced"},
			     true);
		return;
	}
	if (!smtp_dialog_start(&relay->dialog, relay->call.request, &err)) {
		relay_finish(relay,
			     &(struct provider_answer){
				     .progress = PROVIDER_NOT_WRITTEN, .failure = "address", .explanation = err.text},
			     true);
		return;
	}
	evtimer_add(&relay->deadline, left_ms > 0 ? &left : &(struct timeval){0});
	relay_send(relay);
}

static void on_begin(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	relay_begin(context);
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	relay_fail(context, "timeout", "The relay did not answer in time.");
}

static struct relay *relay_new(struct transfer_pool *pool, const char *url)
{
	const struct provider_transport *transport = &pool->transport;
	struct relay *relay = memory_new(sizeof(*relay));
	CURL *easy = curl_easy_init();

	if (!easy)
		abort();
	relay->kind = HANDLE_RELAY;
	relay->pool = pool;
	relay->easy = easy;
	relay->url = memory_copy_string(url);
	smtp_dialog_init(&relay->dialog);
	evtimer_assign(&relay->begin, pool->base, on_begin, relay);
	evtimer_assign(&relay->deadline, pool->base, on_deadline, relay);
	call_set_options(easy, pool);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, relay);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, relay->explanation);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(easy, CURLOPT_USE_SSL, transport->start_tls ? (long)CURLUSESSL_ALL : (long)CURLUSESSL_NONE);
	if (call_is_given(transport->user)) {
		curl_easy_setopt(easy, CURLOPT_USERNAME, transport->user);
		curl_easy_setopt(easy, CURLOPT_PASSWORD, transport->password ? transport->password : "");
	}
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_relay);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, relay);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_hello);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, relay);
	DL_APPEND2(pool->all_relays, relay, previous_of_all, next_of_all);
	return relay;
}

static struct relay *find_idle_relay(struct transfer_pool *pool, const char *url)
{
	struct relay *relay;

	LL_FOREACH2(pool->idle_relays, relay, next_idle) {
		if (strcmp(relay->url, url) == 0)
			return relay;
	}
	return NULL;
}

void relay_start(struct transfer_pool *pool, const struct call *call)
{
	const char *url = text_string(&call->request->url);
	struct relay *relay = find_idle_relay(pool, url);

	if (relay) {
		relay_leave_idle(relay);
		relay->call = *call;
		relay->dot_is_out = false;
		relay->dialog.refused = false;
		relay->state = RELAY_TALKING;
		event_active(&relay->begin, EV_TIMEOUT, 1);
		return;
	}
	relay = relay_new(pool, url);
	relay->call = *call;
	if (curl_multi_add_handle(pool->multi, relay->easy) != CURLM_OK)
		abort();
}

void relay_connected(struct relay *relay, CURLcode result)
{
	curl_socket_t fd = CURL_SOCKET_BAD;

	if (result != CURLE_OK) {
		if (relay->dialog.status >= 400 && relay->dialog.status < 600 && result != CURLE_OPERATION_TIMEDOUT) {
			relay->dialog.last = true;
			relay_answer(relay);
			return;
		}
		text_clear(&relay->dialog.reply);
		relay_fail(relay, call_failure(result),
			   relay->explanation[0] ? relay->explanation : curl_easy_strerror(result));
		return;
	}
	curl_easy_getinfo(relay->easy, CURLINFO_ACTIVESOCKET, &fd);
	relay->state = RELAY_TALKING;
	relay->watch = watch_get(relay->pool, fd);
	relay->watch->relay = relay;
	watch_register(relay->watch, EV_READ);
	relay_begin(relay);
}

void relay_socket_closed(struct relay *relay)
{
	relay->watch = NULL;
}

void relays_close(struct transfer_pool *pool)
{
	while (pool->all_relays) {
		if (pool->all_relays->state == RELAY_IDLE)
			relay_quit(pool->all_relays);
		else
			relay_free(pool->all_relays);
	}
}
