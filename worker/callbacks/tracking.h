/* tracking - the picture that tells of an opening, and the links that lead through us.
 *
 * GET and HEAD. The answer never waits for the database: what was seen is kept in memory and written soon after, many at
 * a time (delivery.note_tracking), each once. While the database is away up to TRACKING_WAITING_MAX are kept, the next
 * ones are lost and counted: an opening is worth no outage. A redirect goes to where the token says, and a token is only
 * good with our signature; anything else is 404.
 */
#ifndef POSTRIDER_WORKER_CALLBACKS_TRACKING_H
#define POSTRIDER_WORKER_CALLBACKS_TRACKING_H

#include "worker/callbacks/http_server.h"
#include "worker/links/links.h"

#define TRACKING_WAITING_MAX 20000

struct tracking;
struct pg_session;

struct tracking_counts {
	int64_t opens, clicks, forged, lost;
};

/* Borrows the session and the links. */
struct tracking *tracking_open(struct event_base *base, struct pg_session *database, struct links *links) MUST_CHECK;
/* What was not written yet is lost: ask tracking_pending() first. */
void tracking_close(struct tracking **tracking);

/* Adds /o/ and /c/ behind path ("" or "/links"). */
void tracking_route(struct tracking *tracking, struct http_server *server, const char *path);

/* Seen and not yet committed. tracking_flush() sends it on its way without waiting for more. */
size_t tracking_pending(const struct tracking *tracking);
void tracking_flush(struct tracking *tracking);
struct tracking_counts tracking_counts(const struct tracking *tracking);

/* The target as it stands in a Location header: what no header may hold is percent-encoded. For tests. */
void tracking_add_location(struct text *out, const char *target, size_t length);

#endif
