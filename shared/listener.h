/* listener - a listening socket on the event loop, for programs that answer HTTP.
 *
 * Accepted sockets are non-blocking, close-on-exec and without Nagle's wait. When accept(2) fails for want of
 * descriptors the listener rests for a second instead of turning the loop. listener_rest() lets newcomers wait in the
 * kernel's backlog until listener_go_on(). Only one of the two last said counts; repeating it is free.
 */
#ifndef POSTRIDER_SHARED_LISTENER_H
#define POSTRIDER_SHARED_LISTENER_H

#include "shared/error.h"

struct event_base;
struct listener;
struct sockaddr;

/* The descriptor is the callee's to close; peer is borrowed for the call. */
typedef void listener_accepted(void *context, int descriptor, const struct sockaddr *peer);

/* address: "127.0.0.1:9464", "[::1]:9464" or ":9464" for all; port 0 takes a free one. NULL with err when nothing can
 * listen there. */
struct listener *listener_open(struct event_base *base, const char *address, int backlog, listener_accepted *accepted,
			       void *context, struct error *err) MUST_CHECK;
void listener_close(struct listener **listener);
int listener_port(const struct listener *listener);
void listener_rest(struct listener *listener);
void listener_go_on(struct listener *listener);

#endif
