#include "worker/callbacks/http_server.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "shared/clock.h"
#include "shared/listener.h"
#include "shared/memory.h"
#include "worker/callbacks/http_connection.h"

#define BACKLOG   511
#define SILENT_MS 1000

static const struct timeval look_again = {.tv_usec = 250 * 1000};

static bool is_full(const struct http_server *server)
{
	return server->connection_count >= server->settings.connections_max;
}

/* The longest idle connection that may make room: between two requests, or silent for a while since it was opened. One that has
 * just been opened is about to ask something. */
static struct http_exchange *find_dispensable(const struct http_server *server)
{
	int64_t silent_since_ms = clock_now_ms() - SILENT_MS;
	struct http_exchange *connection;

	DL_FOREACH(server->idle, connection)
		if (connection->has_been_served || connection->idle_since_ms <= silent_since_ms)
			return connection;
	return NULL;
}

/* While there is neither a place nor a connection to give up, newcomers wait in the kernel's backlog. */
void http_server_balance(struct http_server *server)
{
	if (server->listener == NULL)
		return;
	if (!server->drains && (!is_full(server) || find_dispensable(server) != NULL)) {
		listener_go_on(server->listener);
		return;
	}
	listener_rest(server->listener);
	if (!server->drains && !evtimer_pending(server->look, NULL))
		evtimer_add(server->look, &look_again);
}

static void on_look(evutil_socket_t descriptor, short what, void *context)
{
	(void)descriptor, (void)what;
	http_server_balance(context);
}

static void on_accepted(void *context, int descriptor, const struct sockaddr *peer)
{
	struct http_server *server = context;
	struct http_exchange *dispensable = is_full(server) ? find_dispensable(server) : NULL;

	if (dispensable != NULL)
		http_connection_close(dispensable);
	if (is_full(server))
		close(descriptor);
	else
		http_connection_open(server, descriptor, peer);
}

struct http_server *http_server_open(struct event_base *base, const struct http_server_settings *settings,
				     http_refused *refused, void *context, struct error *err)
{
	struct http_server *server = memory_new(sizeof(*server));

	/* A client that hangs up early must not end the program. */
	signal(SIGPIPE, SIG_IGN);
	server->base = base;
	server->settings = *settings;
	server->refused = refused;
	server->context = context;
	server->look = evtimer_new(base, on_look, server);
	server->listener = listener_open(base, settings->address, BACKLOG, on_accepted, server, err);
	if (server->listener == NULL)
		http_server_close(&server);
	return server;
}

void http_server_close(struct http_server **where)
{
	struct http_server *server = *where;

	if (server == NULL)
		return;
	listener_close(&server->listener);
	event_free(server->look);
	while (server->idle != NULL)
		http_connection_close(server->idle);
	while (server->busy != NULL)
		http_connection_close(server->busy);
	free(server->routes);
	free(server);
	*where = NULL;
}

int http_server_port(const struct http_server *server)
{
	return listener_port(server->listener);
}

void http_server_route(struct http_server *server, unsigned methods, const char *prefix, http_handler *handler,
		       void *context)
{
	server->routes = memory_grow(server->routes, server->route_count + 1, sizeof(*server->routes));
	server->routes[server->route_count++] = (struct http_route){prefix, methods, handler, context};
}

static bool takes(const struct http_route *route, struct slice path)
{
	size_t length = strlen(route->prefix);
	bool is_folder = length > 0 && route->prefix[length - 1] == '/';

	return (is_folder ? path.length >= length : path.length == length) &&
	       memcmp(path.bytes, route->prefix, length) == 0;
}

const struct http_route *http_server_find(const struct http_server *server, struct slice path)
{
	const struct http_route *best = NULL;

	for (size_t i = 0; i < server->route_count; i++) {
		const struct http_route *route = &server->routes[i];

		if (takes(route, path) && (best == NULL || strlen(route->prefix) > strlen(best->prefix)))
			best = route;
	}
	return best;
}

void http_server_drain(struct http_server *server)
{
	server->drains = true;
	http_server_balance(server);
	while (server->idle != NULL)
		http_connection_close(server->idle);
}

size_t http_server_busy(const struct http_server *server)
{
	return server->busy_count;
}
