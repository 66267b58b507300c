#include "worker/transfer.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "shared/clock.h"
#include "shared/failpoint.h"
#include "shared/memory.h"
#include "worker/providers/smtp_dialog.h"

enum {
	ANSWER_BODY_MAX = 64 * 1024,
	KEPT_BYTES_MAX = 16 * 1024, /* a reused buffer larger than this is given back */
	HEADER_MAX = 1024,
	RECEIVE_BYTES = 4 * 1024,
};

/* A socket and what is wanted of it. Kept until the socket is closed: a connection that waits for its next
 * request stays in the poll set, which saves two epoll_ctl a request. */
struct watch {
	struct event event;
	struct transfer_pool *pool;
	struct relay *relay; /* set: ours to read and write; NULL: libcurl's */
	int fd;
	int wanted;     /* EV_READ | EV_WRITE; 0: idle */
	int registered; /* what the event base was told */
	bool opened_here;
};

/* What the caller gave us. */
struct call {
	const struct provider_request *request;
	transfer_fence *fence;
	transfer_done *done;
	void *context;
	int64_t started_us;
};

/* What CURLOPT_PRIVATE points to. */
enum handle_kind { HANDLE_HTTP, HANDLE_RELAY };

/* One HTTP request at a time; reused. */
struct exchange {
	enum handle_kind kind;
	struct transfer_pool *pool;
	CURL *easy;
	struct call call;
	CURLcode result;
	int fence_calls;
	bool fenced, repeated, address_refused, cut, running;
	char *url; /* what the handle was told last */
	struct curl_slist header_nodes[PROVIDER_HEADERS_MAX + 1];
	struct text body, retry_after;
	char explanation[CURL_ERROR_SIZE];
	struct exchange *next_free; /* the free list, then the finished ones */
	struct exchange *previous_of_all, *next_of_all;
};

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

struct transfer_pool {
	struct event_base *base;
	CURLM *multi;
	struct provider_transport transport; /* strings copied */
	struct event timer;
	int64_t timer_due_us;   /* what libcurl wants; 0: nothing */
	int64_t timer_set_us;   /* what the event base was told; 0: nothing */
	struct watch **watches; /* by fd */
	size_t watch_count;
	struct exchange *free_exchanges, *all_exchanges;
	struct relay *idle_relays, *all_relays;
	size_t in_flight;
};

/* -- the answer -- */

static const char *failure_word(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return "resolve";
	case CURLE_COULDNT_CONNECT:
		return "connect";
	case CURLE_OPERATION_TIMEDOUT:
		return "timeout";
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_USE_SSL_FAILED:
		return "tls";
	case CURLE_LOGIN_DENIED:
		return "login";
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
		return "reset";
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_BAD_CONTENT_ENCODING:
		return "garbage";
	default:
		return "transport";
	}
}

static struct slice slice_of(const struct text *text)
{
	return (struct slice){text_string(text), text->length};
}

static void trim_memory(struct text *text)
{
	size_t ceiling = text->ceiling;

	if (text->capacity <= KEPT_BYTES_MAX)
		return;
	text_release(text);
	text_init(text, ceiling);
}

static void deliver(struct transfer_pool *pool, const struct call *call, struct provider_answer *answer)
{
	pool->in_flight--;
	answer->wall_ms = clock_wall_ms();
	FAILPOINT("after_answer");
	call->done(call->context, answer, clock_now_us() - call->started_us);
}

static bool ask_fence(const struct call *call)
{
	return !call->fence || call->fence(call->context) || !guard_is_on("fence");
}

/* -- sockets -- */

static void on_watch(evutil_socket_t fd, short what, void *context);

static struct watch *watch_get(struct transfer_pool *pool, int fd)
{
	struct watch *watch;

	if ((size_t)fd >= pool->watch_count) {
		size_t count = (size_t)fd * 2 + 16;
		pool->watches = memory_grow(pool->watches, count, sizeof(struct watch *));
		memset(pool->watches + pool->watch_count, 0, (count - pool->watch_count) * sizeof(struct watch *));
		pool->watch_count = count;
	}
	if (pool->watches[fd])
		return pool->watches[fd];
	watch = memory_new(sizeof(*watch));
	watch->pool = pool;
	watch->fd = fd;
	pool->watches[fd] = watch;
	return watch;
}

static void watch_register(struct watch *watch, int events)
{
	if (watch->registered == events)
		return;
	if (watch->registered)
		event_del(&watch->event);
	watch->registered = events;
	if (!events)
		return;
	event_assign(&watch->event, watch->pool->base, watch->fd, (short)(events | EV_PERSIST), on_watch, watch);
	event_add(&watch->event, NULL);
}

static void watch_free(struct transfer_pool *pool, int fd)
{
	if ((size_t)fd >= pool->watch_count || !pool->watches[fd])
		return;
	watch_register(pool->watches[fd], 0);
	if (pool->watches[fd]->relay)
		pool->watches[fd]->relay->watch = NULL;
	free(pool->watches[fd]);
	pool->watches[fd] = NULL;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *unused)
{
	struct transfer_pool *pool = context;
	struct watch *watch = watch_get(pool, fd);

	(void)easy;
	(void)unused;
	if (watch->relay)
		return 0;
	watch->wanted = what == CURL_POLL_IN      ? EV_READ
			: what == CURL_POLL_OUT   ? EV_WRITE
			: what == CURL_POLL_INOUT ? EV_READ | EV_WRITE
						  : 0;
	if (watch->wanted)
		watch_register(watch, watch->wanted);
	else if (!watch->opened_here)
		watch_free(pool, fd); /* a resolver's: nobody tells us when it is closed */
	else if (watch->registered)
		watch_register(watch, EV_READ);
	return 0;
}

static bool is_private_ipv4(uint32_t address)
{
	static const struct {
		uint32_t network;
		int bits;
	} ranges[] = {
		{0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
		{0xac100000, 12}, {0xc0000000, 24}, {0xc0a80000, 16}, {0xc6120000, 15}, {0xe0000000, 3},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(ranges); i++)
		if ((address ^ ranges[i].network) >> (32 - ranges[i].bits) == 0)
			return true;
	return false;
}

static uint32_t read_ipv4(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Also where an IPv4 address is inside: mapped, NAT64, 6to4. */
static bool is_private_ipv6(const uint8_t *bytes)
{
	static const uint8_t zeros[15], mapped[12] = {[10] = 0xff, [11] = 0xff}, nat64[12] = {0, 0x64, 0xff, 0x9b};

	if (memcmp(bytes, zeros, 15) == 0 && bytes[15] <= 1)
		return true;
	if (memcmp(bytes, mapped, 12) == 0 || memcmp(bytes, nat64, 12) == 0 || memcmp(bytes, zeros, 12) == 0)
		return is_private_ipv4(read_ipv4(bytes + 12));
	if (bytes[0] == 0x20 && bytes[1] == 0x02)
		return is_private_ipv4(read_ipv4(bytes + 2));
	return (bytes[0] & 0xfe) == 0xfc || (bytes[0] == 0xfe && bytes[1] >= 0x80) || bytes[0] == 0xff;
}

static bool is_private(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return is_private_ipv4(ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
	if (address->sa_family == AF_INET6)
		return is_private_ipv6(((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
	return true;
}

static curl_socket_t open_socket(struct transfer_pool *pool, const struct curl_sockaddr *address)
{
	int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	unsigned timeout_ms = (unsigned)pool->transport.timeout_ms;

	if (fd < 0)
		return CURL_SOCKET_BAD;
	/* What the kernel still holds when our time is over must not leave later. */
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
	watch_get(pool, fd)->opened_here = true;
	return fd;
}

static curl_socket_t on_open_http(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct exchange *exchange = context;

	(void)purpose;
	if (!exchange->pool->transport.plain_allowed && is_private(&address->addr)) {
		exchange->address_refused = true;
		return CURL_SOCKET_BAD;
	}
	return open_socket(exchange->pool, address);
}

static curl_socket_t on_open_relay(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	(void)purpose;
	return open_socket(((struct relay *)context)->pool, address);
}

static int on_close(void *context, curl_socket_t fd)
{
	watch_free(context, fd);
	return close(fd);
}

/* -- HTTP -- */

static int on_request(void *context, char *peer, char *local, int peer_port, int local_port)
{
	struct exchange *exchange = context;

	(void)peer;
	(void)local;
	(void)peer_port;
	(void)local_port;
	if (++exchange->fence_calls > 1) {
		exchange->repeated = guard_is_on("fence");
		return exchange->repeated ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
	}
	FAILPOINT("before_request");
	exchange->fenced = !ask_fence(&exchange->call);
	return exchange->fenced ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
	struct exchange *exchange = context;
	size_t room = ANSWER_BODY_MAX - exchange->body.length;

	(void)size;
	exchange->cut = count > room;
	text_add_bytes(&exchange->body, bytes, exchange->cut ? room : count);
	return exchange->cut ? 0 : count;
}

static size_t on_header(char *line, size_t size, size_t count, void *context)
{
	static const char name[] = "retry-after:";
	struct exchange *exchange = context;
	const char *end = line + count;

	(void)size;
	if (count < sizeof(name) - 1 || strncasecmp(line, name, sizeof(name) - 1) != 0)
		return count;
	line += sizeof(name) - 1;
	while (line < end && *line == ' ')
		line++;
	while (end > line && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
		end--;
	text_clear(&exchange->retry_after);
	text_add_bytes(&exchange->retry_after, line, (size_t)(end - line));
	return count;
}

/* Drivers say "" or NULL where an account has none. */
static bool is_given(const char *string)
{
	return string && *string;
}

static void set_common(CURL *easy, struct transfer_pool *pool)
{
	const struct provider_transport *transport = &pool->transport;

	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)transport->connect_timeout_ms);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)transport->timeout_ms);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, pool);
	if (is_given(transport->ca_file))
		curl_easy_setopt(easy, CURLOPT_CAINFO, transport->ca_file);
}

static struct exchange *exchange_new(struct transfer_pool *pool)
{
	struct exchange *exchange = memory_new(sizeof(*exchange));
	CURL *easy = curl_easy_init();

	if (!easy)
		abort();
	exchange->pool = pool;
	exchange->easy = easy;
	text_init(&exchange->body, ANSWER_BODY_MAX);
	text_init(&exchange->retry_after, HEADER_MAX);
	set_common(easy, pool);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, exchange);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->explanation);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, pool->transport.plain_allowed ? "http,https" : "https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "postrider/" POSTRIDER_VERSION);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_http);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, exchange);
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_request);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, exchange);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
	DL_APPEND2(pool->all_exchanges, exchange, previous_of_all, next_of_all);
	return exchange;
}

static void exchange_free(struct exchange *exchange)
{
	if (exchange->running)
		curl_multi_remove_handle(exchange->pool->multi, exchange->easy);
	curl_easy_cleanup(exchange->easy);
	DL_DELETE2(exchange->pool->all_exchanges, exchange, previous_of_all, next_of_all);
	text_release(&exchange->body);
	text_release(&exchange->retry_after);
	free(exchange->url);
	free(exchange);
}

static struct exchange *exchange_take(struct transfer_pool *pool)
{
	struct exchange *exchange = pool->free_exchanges;

	if (!exchange)
		return exchange_new(pool);
	pool->free_exchanges = exchange->next_free;
	text_clear(&exchange->body);
	text_clear(&exchange->retry_after);
	exchange->fence_calls = 0;
	exchange->fenced = exchange->repeated = exchange->address_refused = exchange->cut = false;
	exchange->explanation[0] = '\0';
	return exchange;
}

/* The list's nodes are ours and its strings the request's: nothing is copied. */
static void set_headers(struct exchange *exchange, const struct provider_request *request)
{
	static char no_expect[] = "Expect:";
	struct curl_slist *nodes = exchange->header_nodes;
	size_t count = request->header_count;

	for (size_t i = 0; i < count; i++)
		nodes[i] = (struct curl_slist){request->headers[i].bytes, &nodes[i + 1]};
	nodes[count] = (struct curl_slist){no_expect, NULL};
	curl_easy_setopt(exchange->easy, CURLOPT_HTTPHEADER, nodes);
}

static void set_url(struct exchange *exchange, const char *url)
{
	if (exchange->url && strcmp(exchange->url, url) == 0)
		return;
	free(exchange->url);
	exchange->url = memory_copy_string(url);
	curl_easy_setopt(exchange->easy, CURLOPT_URL, exchange->url);
}

static void exchange_start(struct transfer_pool *pool, const struct call *call)
{
	struct exchange *exchange = exchange_take(pool);
	const struct provider_request *request = call->request;

	exchange->call = *call;
	exchange->running = true;
	set_url(exchange, text_string(&request->url));
	set_headers(exchange, request);
	curl_easy_setopt(exchange->easy, CURLOPT_POSTFIELDS, text_string(&request->body));
	curl_easy_setopt(exchange->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.length);
	if (curl_multi_add_handle(pool->multi, exchange->easy) != CURLM_OK)
		abort();
}

static enum provider_progress exchange_progress(const struct exchange *exchange)
{
	if (exchange->fence_calls == 0 || exchange->fenced)
		return PROVIDER_NOT_WRITTEN;
	if (exchange->result == CURLE_OK || (exchange->cut && exchange->result == CURLE_WRITE_ERROR))
		return PROVIDER_ANSWERED;
	return PROVIDER_WRITTEN;
}

static const char *exchange_failure(const struct exchange *exchange)
{
	if (exchange->fenced)
		return "fenced";
	if (exchange->repeated)
		return "repeat";
	if (exchange->address_refused || (exchange->fence_calls == 0 && exchange->result == CURLE_UNSUPPORTED_PROTOCOL))
		return "address_refused";
	return failure_word(exchange->result);
}

static void exchange_finish(struct exchange *exchange)
{
	struct transfer_pool *pool = exchange->pool;
	struct provider_answer answer = {.progress = exchange_progress(exchange)};
	long status = 0;

	curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
	answer.status = (int)status;
	answer.body = slice_of(&exchange->body);
	answer.retry_after = slice_of(&exchange->retry_after);
	if (answer.progress != PROVIDER_ANSWERED) {
		answer.failure = exchange_failure(exchange);
		answer.explanation =
			exchange->explanation[0] ? exchange->explanation : curl_easy_strerror(exchange->result);
	}
	deliver(pool, &exchange->call, &answer);
	trim_memory(&exchange->body);
	exchange->next_free = pool->free_exchanges;
	pool->free_exchanges = exchange;
}

/* -- SMTP -- */

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

	answer->body = slice_of(&reply);
	answer->rcpt_stage = answer->progress == PROVIDER_ANSWERED && relay->dialog.rcpt_stage;
	if (reusable) {
		event_del(&relay->deadline);
		trim_memory(&relay->dialog.output);
		text_init(&relay->dialog.reply, reply.ceiling);
		relay->state = RELAY_IDLE;
		relay->next_idle = pool->idle_relays;
		pool->idle_relays = relay;
		deliver(pool, &call, answer);
	} else {
		char explanation[CURL_ERROR_SIZE];

		text_init(&relay->dialog.reply, 0);
		if (answer->explanation == relay->explanation) {
			memcpy(explanation, relay->explanation, sizeof(explanation));
			answer->explanation = explanation;
		}
		relay_free(relay);
		deliver(pool, &call, answer);
	}
	text_release(&reply);
}

static void relay_answer(struct relay *relay)
{
	struct provider_answer answer = {.progress = PROVIDER_ANSWERED, .status = relay->dialog.status};

	relay_finish(relay, &answer, !relay->dialog.last);
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
			relay_fail(relay, failure_word(code), curl_easy_strerror(code));
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

/* Reads once. False: the answer is given, or the relay gone. */
static bool relay_receive(struct relay *relay)
{
	char bytes[RECEIVE_BYTES];
	size_t received = 0;
	CURLcode code = curl_easy_recv(relay->easy, bytes, sizeof(bytes), &received);
	enum smtp_progress progress;

	if (code == CURLE_AGAIN)
		return true;
	if (code != CURLE_OK || received == 0) {
		relay_fail(relay, "reset", code ? curl_easy_strerror(code) : "The relay closed the connection.");
		return false;
	}
	progress = smtp_dialog_read(&relay->dialog, bytes, received);
	if (progress == SMTP_TALKING)
		return relay_send(relay) && (received < sizeof(bytes) || relay_receive(relay));
	if (progress == SMTP_BROKEN)
		relay_fail(relay, "garbage", "The relay does not speak SMTP.");
	else
		relay_answer(relay);
	return false;
}

static void relay_leave_idle(struct relay *relay)
{
	LL_DELETE2(relay->pool->idle_relays, relay, next_idle);
}

static void relay_ready(struct relay *relay, short what)
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
	if (!ask_fence(&relay->call)) {
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
	set_common(easy, pool);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, relay);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, relay->explanation);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(easy, CURLOPT_USE_SSL, transport->start_tls ? (long)CURLUSESSL_ALL : (long)CURLUSESSL_NONE);
	if (is_given(transport->user)) {
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

	LL_FOREACH2(pool->idle_relays, relay, next_idle)
	{
		if (strcmp(relay->url, url) == 0)
			return relay;
	}
	return NULL;
}

static void relay_start(struct transfer_pool *pool, const struct call *call)
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

/* libcurl has done its part. A 4xx or 5xx on the way is the relay's answer. */
static void relay_connected(struct relay *relay, CURLcode result)
{
	curl_socket_t fd = CURL_SOCKET_BAD;

	if (result != CURLE_OK) {
		if (relay->dialog.status >= 400 && relay->dialog.status < 600 && result != CURLE_OPERATION_TIMEDOUT) {
			relay->dialog.last = true;
			relay_answer(relay);
			return;
		}
		text_clear(&relay->dialog.reply);
		relay_fail(relay, failure_word(result),
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

/* -- the pool -- */

/* Calls done() only after libcurl has been left: what done() starts must not run inside it. */
static void deliver_finished(struct transfer_pool *pool)
{
	struct exchange *first = NULL, **last = &first;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(pool->multi, &left))) {
		void *handle = NULL;
		CURLcode result = message->data.result;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &handle);
		if (*(enum handle_kind *)handle == HANDLE_RELAY) {
			relay_connected(handle, result);
			continue;
		}
		struct exchange *exchange = handle;
		exchange->result = result;
		exchange->running = false;
		curl_multi_remove_handle(pool->multi, exchange->easy);
		exchange->next_free = NULL;
		*last = exchange;
		last = &exchange->next_free;
	}
	while (first) {
		struct exchange *exchange = first;
		first = exchange->next_free;
		exchange_finish(exchange);
	}
}

static void on_watch(evutil_socket_t fd, short what, void *context)
{
	struct watch *watch = context;
	struct transfer_pool *pool = watch->pool;
	int running;

	if (watch->relay) {
		relay_ready(watch->relay, what);
		return;
	}
	if (!watch->wanted) {
		/* An idle connection was closed over there; libcurl sees it before it would use it again. */
		watch_register(watch, 0);
		return;
	}
	curl_multi_socket_action(pool->multi, fd,
				 (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0),
				 &running);
	deliver_finished(pool);
}

static void timer_set(struct transfer_pool *pool, int64_t now_us)
{
	int64_t wait_us = pool->timer_due_us > now_us ? pool->timer_due_us - now_us : 0;
	struct timeval wait = {.tv_sec = wait_us / 1000000, .tv_usec = wait_us % 1000000};

	/* A timer that fires too early only looks and waits on: cheaper than moving it with every request. */
	if (pool->timer_set_us && pool->timer_set_us <= pool->timer_due_us)
		return;
	pool->timer_set_us = pool->timer_due_us;
	if (wait_us == 0)
		event_active(&pool->timer, EV_TIMEOUT, 1);
	else
		evtimer_add(&pool->timer, &wait);
}

static int on_timer_wanted(CURLM *multi, long timeout_ms, void *context)
{
	struct transfer_pool *pool = context;
	int64_t now_us;

	(void)multi;
	if (timeout_ms < 0) {
		pool->timer_due_us = 0;
		return 0;
	}
	now_us = clock_now_us();
	pool->timer_due_us = now_us + timeout_ms * 1000;
	timer_set(pool, now_us);
	return 0;
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct transfer_pool *pool = context;
	int64_t now_us = clock_now_us();
	int running;

	(void)fd;
	(void)what;
	pool->timer_set_us = 0;
	if (pool->timer_due_us == 0)
		return;
	if (pool->timer_due_us > now_us) {
		timer_set(pool, now_us);
		return;
	}
	pool->timer_due_us = 0;
	curl_multi_socket_action(pool->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	deliver_finished(pool);
}

static void copy_transport(struct transfer_pool *pool, const struct provider_transport *transport)
{
	pool->transport = *transport;
	pool->transport.ca_file = memory_copy_string(transport->ca_file);
	pool->transport.user = memory_copy_string(transport->user);
	pool->transport.password = memory_copy_string(transport->password);
}

static void free_string(const char *string)
{
	free((void *)(uintptr_t)string);
}

struct transfer_pool *transfer_pool_open(struct event_base *base, const struct provider_transport *transport,
					 size_t connections_max)
{
	static bool started;
	struct transfer_pool *pool = memory_new(sizeof(*pool));

	if (!started && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		abort();
	started = true;
	pool->base = base;
	copy_transport(pool, transport);
	evtimer_assign(&pool->timer, base, on_timer, pool);
	pool->multi = curl_multi_init();
	if (!pool->multi)
		abort();
	curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
	curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
	curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
	curl_multi_setopt(pool->multi, CURLMOPT_MAXCONNECTS, (long)connections_max);
	curl_multi_setopt(pool->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	return pool;
}

void transfer_pool_close(struct transfer_pool **pool_pointer)
{
	struct transfer_pool *pool = *pool_pointer;

	if (!pool)
		return;
	*pool_pointer = NULL;
	while (pool->all_exchanges)
		exchange_free(pool->all_exchanges);
	while (pool->all_relays) {
		if (pool->all_relays->state == RELAY_IDLE)
			relay_quit(pool->all_relays);
		else
			relay_free(pool->all_relays);
	}
	curl_multi_cleanup(pool->multi);
	for (size_t fd = 0; fd < pool->watch_count; fd++)
		watch_free(pool, (int)fd);
	event_del(&pool->timer);
	free(pool->watches);
	free_string(pool->transport.ca_file);
	free_string(pool->transport.user);
	free_string(pool->transport.password);
	free(pool);
}

void transfer_start(struct transfer_pool *pool, const struct provider_request *request, transfer_fence *fence,
		    transfer_done *done, void *context)
{
	struct call call = {request, fence, done, context, clock_now_us()};

	pool->in_flight++;
	if (request->protocol == PROVIDER_SMTP)
		relay_start(pool, &call);
	else
		exchange_start(pool, &call);
}

size_t transfer_pool_in_flight(const struct transfer_pool *pool)
{
	return pool->in_flight;
}

const char *transfer_library(void)
{
	return curl_version();
}
