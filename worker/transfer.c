#include "worker/transfer.h"

#include <event2/event.h>
#include <stdlib.h>

#include "shared/clock.h"
#include "shared/memory.h"
#include "worker/transfer_http.h"
#include "worker/transfer_mail.h"
#include "worker/transfer_pool.h"
#include "worker/transfer_watch.h"

/* Calls done() only after libcurl has been left: what done() starts must not run inside it. */
void transfer_deliver_finished(struct transfer_pool *pool)
{
	struct exchange *first = NULL, **end = &first;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(pool->multi, &left))) {
		void *handle = NULL;
		CURLcode result = message->data.result;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &handle);
		if (*(enum handle_kind *)handle == HANDLE_RELAY)
			relay_connected(handle, result);
		else
			end = exchange_ended(handle, result, end);
	}
	exchanges_finish(first);
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
	transfer_deliver_finished(pool);
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
	curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, watch_on_wanted);
	curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
	curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
	curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
	curl_multi_setopt(pool->multi, CURLMOPT_MAXCONNECTS, (long)connections_max);
	curl_multi_setopt(pool->multi, CURLMOPT_PIPELINING,
			  (long)(transport->streams_max > 1 ? CURLPIPE_MULTIPLEX : CURLPIPE_NOTHING));
	if (transport->streams_max > 1)
		curl_multi_setopt(pool->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)transport->streams_max);
	return pool;
}

void transfer_pool_close(struct transfer_pool **pool_pointer)
{
	struct transfer_pool *pool = *pool_pointer;

	if (!pool)
		return;
	*pool_pointer = NULL;
	exchanges_close(pool);
	relays_close(pool);
	curl_multi_cleanup(pool->multi);
	watches_close(pool);
	event_del(&pool->timer);
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
