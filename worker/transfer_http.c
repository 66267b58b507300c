#include "worker/transfer_http.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "shared/failpoint.h"
#include "shared/memory.h"
#include "worker/transfer_address.h"
#include "worker/transfer_pool.h"
#include "worker/transfer_watch.h"

enum {
	ANSWER_BODY_MAX = 64 * 1024,
	ANSWER_HEADERS_MAX = 16 * 1024,
};

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
	struct text body, headers;
	char explanation[CURL_ERROR_SIZE];
	struct exchange *next_free; /* the free list, or the finished ones */
	struct exchange *previous_of_all, *next_of_all;
};

static curl_socket_t on_open_http(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct exchange *exchange = context;

	(void)purpose;
	if (!exchange->pool->transport.plain_allowed && address_is_private(&address->addr)) {
		exchange->address_refused = true;
		return CURL_SOCKET_BAD;
	}
	return watch_open(exchange->pool, address);
}

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
	exchange->fenced = !call_may_go(&exchange->call);
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

/* Of several answers (100 Continue comes first) the last one's stay. */
static size_t on_header(char *line, size_t size, size_t count, void *context)
{
	struct exchange *exchange = context;

	(void)size;
	if (count >= 5 && memcmp(line, "HTTP/", 5) == 0)
		text_clear(&exchange->headers);
	else if (count <= ANSWER_HEADERS_MAX - exchange->headers.length)
		text_add_bytes(&exchange->headers, line, count);
	return count;
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
	text_init(&exchange->headers, ANSWER_HEADERS_MAX);
	call_set_options(easy, pool);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, exchange);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->explanation);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, pool->transport.plain_allowed ? "http,https" : "https");
	/* A request waits for the connection that is being made rather than make another one. That is before the
	 * fence, and the time for connecting bounds it. */
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, pool->transport.streams_max > 1 ? 1L : 0L);
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
	text_release(&exchange->headers);
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
	text_clear(&exchange->headers);
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

/* libcurl 7.88 cannot use a connection in clear again that speaks HTTP/2 (curl's issue 10634): each request makes one. */
static void set_version(struct exchange *exchange, const char *url)
{
	const struct provider_transport *transport = &exchange->pool->transport;
	bool in_clear = transport->http2_only && transport->plain_allowed && strncmp(url, "http://", 7) == 0;
	long version = in_clear           ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
		       : transport->http2 ? CURL_HTTP_VERSION_2TLS
					  : CURL_HTTP_VERSION_1_1;

	curl_easy_setopt(exchange->easy, CURLOPT_HTTP_VERSION, version);
	curl_easy_setopt(exchange->easy, CURLOPT_FRESH_CONNECT, in_clear ? 1L : 0L);
	curl_easy_setopt(exchange->easy, CURLOPT_FORBID_REUSE, in_clear ? 1L : 0L);
}

static void set_url(struct exchange *exchange, const char *url)
{
	if (exchange->url && strcmp(exchange->url, url) == 0)
		return;
	free(exchange->url);
	exchange->url = memory_copy_string(url);
	curl_easy_setopt(exchange->easy, CURLOPT_URL, exchange->url);
	set_version(exchange, url);
}

void exchange_start(struct transfer_pool *pool, const struct call *call)
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
	return call_failure(exchange->result);
}

static void exchange_finish(struct exchange *exchange)
{
	struct transfer_pool *pool = exchange->pool;
	struct provider_answer answer = {.progress = exchange_progress(exchange)};
	long status = 0;

	curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
	answer.status = (int)status;
	answer.body = call_slice(&exchange->body);
	answer.headers = call_slice(&exchange->headers);
	answer.retry_after = provider_header(answer.headers, "Retry-After");
	if (answer.progress != PROVIDER_ANSWERED) {
		answer.failure = exchange_failure(exchange);
		answer.explanation =
			exchange->explanation[0] ? exchange->explanation : curl_easy_strerror(exchange->result);
	}
	call_deliver(pool, &exchange->call, &answer);
	call_trim(&exchange->body);
	exchange->next_free = pool->free_exchanges;
	pool->free_exchanges = exchange;
}

struct exchange **exchange_ended(struct exchange *exchange, CURLcode result, struct exchange **end)
{
	exchange->result = result;
	exchange->running = false;
	curl_multi_remove_handle(exchange->pool->multi, exchange->easy);
	exchange->next_free = NULL;
	*end = exchange;
	return &exchange->next_free;
}

void exchanges_finish(struct exchange *first)
{
	while (first) {
		struct exchange *exchange = first;
		first = exchange->next_free;
		exchange_finish(exchange);
	}
}

void exchanges_close(struct transfer_pool *pool)
{
	while (pool->all_exchanges)
		exchange_free(pool->all_exchanges);
}
