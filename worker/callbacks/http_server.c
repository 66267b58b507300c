#include "worker/callbacks/http_server.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "shared/listener.h"
#include "shared/memory.h"
#include "worker/callbacks/http_connection.h"

#define BACKLOG 511

static bool is_full(const struct http_server *server)
{
	return server->connection_count >= server->settings.connections_max;
}

/* While there is neither a place nor an idle connection to give up, newcomers wait in the kernel's backlog. */
void http_server_balance(struct http_server *server)
{
	if (server->listener == NULL)
		return;
	if (server->drains || (is_full(server) && server->idle == NULL))
		listener_rest(server->listener);
	else
		listener_go_on(server->listener);
}

static void on_accepted(void *context, int descriptor, const struct sockaddr *peer)
{
	struct http_server *server = context;

	if (is_full(server) && server->idle != NULL)
		http_connection_close(server->idle);
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
