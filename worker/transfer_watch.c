#include "worker/transfer_watch.h"

#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/memory.h"
#include "worker/transfer_mail.h"
#include "worker/transfer_pool.h"

struct watch *watch_get(struct transfer_pool *pool, int fd)
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
	transfer_deliver_finished(pool);
}

void watch_register(struct watch *watch, int events)
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
		relay_socket_closed(pool->watches[fd]->relay);
	free(pool->watches[fd]);
	pool->watches[fd] = NULL;
}

int watch_on_wanted(CURL *easy, curl_socket_t fd, int what, void *context, void *unused)
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

curl_socket_t watch_open(struct transfer_pool *pool, const struct curl_sockaddr *address)
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

int watch_on_close(void *context, curl_socket_t fd)
{
	watch_free(context, fd);
	return close(fd);
}

void watches_close(struct transfer_pool *pool)
{
	for (size_t fd = 0; fd < pool->watch_count; fd++)
		watch_free(pool, (int)fd);
	free(pool->watches);
}
