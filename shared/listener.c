#include "shared/listener.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "shared/memory.h"

/* accept(2) fails for want of descriptors: trying at once would only turn the loop. */
static const struct timeval accept_pause = {.tv_sec = 1};

struct listener {
	struct evconnlistener *socket;
	struct event *resume;
	bool rests;
	int port;
	listener_accepted *accepted;
	void *context;
};

static void on_accepted(struct evconnlistener *socket, evutil_socket_t descriptor, struct sockaddr *peer,
			int peer_length, void *context)
{
	(void)socket, (void)peer_length;
	struct listener *listener = context;
	listener->accepted(listener->context, descriptor, peer);
}

static void on_accept_failed(struct evconnlistener *socket, void *context)
{
	struct listener *listener = context;
	evconnlistener_disable(socket);
	evtimer_add(listener->resume, &accept_pause);
}

static void on_resume(evutil_socket_t descriptor, short what, void *context)
{
	(void)descriptor, (void)what;
	struct listener *listener = context;
	if (!listener->rests)
		evconnlistener_enable(listener->socket);
}

/* "host:port" or "[host]:port". */
static bool look_up(const char *address, struct addrinfo **found, struct error *err)
{
	const char *colon = strrchr(address, ':');
	if (!colon || !colon[1])
		return error_set(err, ERROR_INVALID, "the listening address \"%s\" has no port", address);
	bool in_brackets = *address == '[' && colon > address + 1 && colon[-1] == ']';
	const char *start = in_brackets ? address + 1 : address;
	char *host = memory_copy_bytes(start, (size_t)(colon - start) - (in_brackets ? 1 : 0));
	const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	int answer = getaddrinfo(*host ? host : NULL, colon + 1, &wanted, found);
	free(host);
	return answer == 0 || error_set(err, ERROR_INVALID, "the listening address \"%s\" makes no sense: %s", address,
					gai_strerror(answer));
}

static int bound_port(evutil_socket_t descriptor)
{
	struct sockaddr_storage bound = {0};
	socklen_t length = sizeof(bound);
	getsockname(descriptor, (struct sockaddr *)&bound, &length);
	in_port_t port = bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
						     : ((struct sockaddr_in *)&bound)->sin_port;
	return ntohs(port);
}

static bool listen_on(struct event_base *base, struct listener *listener, const char *address, int backlog,
		      struct error *err)
{
	struct addrinfo *found;
	if (!look_up(address, &found, err))
		return false;
	unsigned options = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE;
	listener->socket = evconnlistener_new_bind(base, on_accepted, listener, options, backlog, found->ai_addr,
						   (int)found->ai_addrlen);
	int reason = errno;
	freeaddrinfo(found);
	if (!listener->socket)
		return error_set(err, ERROR_TRANSIENT, "cannot listen on %s: %s", address, strerror(reason));
	evconnlistener_set_error_cb(listener->socket, on_accept_failed);
	evutil_socket_t descriptor = evconnlistener_get_fd(listener->socket);
	/* Accepted connections inherit it; without, an answer can wait 40 ms for an acknowledgement. */
	setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	listener->port = bound_port(descriptor);
	return true;
}

struct listener *listener_open(struct event_base *base, const char *address, int backlog, listener_accepted *accepted,
			       void *context, struct error *err)
{
	struct listener *listener = memory_new(sizeof(*listener));
	listener->accepted = accepted;
	listener->context = context;
	listener->resume = evtimer_new(base, on_resume, listener);
	if (!listen_on(base, listener, address, backlog, err))
		listener_close(&listener);
	return listener;
}

void listener_close(struct listener **listener)
{
	if (!*listener)
		return;
	if ((*listener)->socket)
		evconnlistener_free((*listener)->socket);
	event_free((*listener)->resume);
	free(*listener);
	*listener = NULL;
}

int listener_port(const struct listener *listener)
{
	return listener->port;
}

void listener_rest(struct listener *listener)
{
	if (!listener->rests)
		evconnlistener_disable(listener->socket);
	listener->rests = true;
}

void listener_go_on(struct listener *listener)
{
	if (listener->rests)
		evconnlistener_enable(listener->socket);
	listener->rests = false;
}
