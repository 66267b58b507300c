/* transfer_watch - a socket on the event loop, libcurl's or ours. Private to transfer*.c.
 *
 * Kept until the socket is closed: a connection that waits for its next request stays in the poll set, which saves
 * two epoll_ctl a request.
 */
#ifndef POSTRIDER_WORKER_TRANSFER_WATCH_H
#define POSTRIDER_WORKER_TRANSFER_WATCH_H

#include <curl/curl.h>
#include <event2/event_struct.h>

#include "worker/transfer.h"

struct watch {
	struct event event;
	struct transfer_pool *pool;
	struct relay *relay; /* set: ours to read and write; NULL: libcurl's */
	int fd;
	int wanted;     /* EV_READ | EV_WRITE; 0: idle */
	int registered; /* what the event base was told */
	bool opened_here;
};

/* The one of this socket, made where there is none. */
struct watch *watch_get(struct transfer_pool *pool, int fd);
void watch_register(struct watch *watch, int events);
void watches_close(struct transfer_pool *pool);

/* For CURLOPT_OPENSOCKETFUNCTION; CURLOPT_CLOSESOCKETFUNCTION and CURLMOPT_SOCKETFUNCTION with the pool as data. */
curl_socket_t watch_open(struct transfer_pool *pool, const struct curl_sockaddr *address);
int watch_on_close(void *context, curl_socket_t fd);
int watch_on_wanted(CURL *easy, curl_socket_t fd, int what, void *context, void *unused);

#endif
