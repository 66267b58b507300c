/* health - the small HTTP listener of every program: /livez, /readyz, /metrics.
 *
 * /livez answers 200 while the loop turns. /readyz answers 200 when every part reports
 * ready, else 503 with one line per part that is not, in words ("database: connecting:
 * connection refused"). /metrics prints the table. Anything else is 404, a wrong method 405.
 * GET only, bodies refused, headers at most 8 KiB, 16 connections, 5 s each, one request per
 * connection. Opening it ignores SIGPIPE for the whole process.
 *
 * A part is reported by name; its state lives here. The first report of a state
 * returns true, so that the caller logs a change once and not every second. A program of which no
 * part has reported is starting, and not ready.
 */
#ifndef POSTRIDER_SHARED_HEALTH_H
#define POSTRIDER_SHARED_HEALTH_H

#include "shared/error.h"
#include "shared/metrics.h"

struct event_base;
struct health;

/* address: "127.0.0.1:9464" or "[::1]:9464"; port 0 takes a free one. metrics may be NULL; borrowed.
 * NULL with err when nothing can listen there. */
struct health *health_open(struct event_base *base, const char *address, const struct metrics *metrics,
			   struct error *err) MUST_CHECK;
/* Open connections end with the loop's next turn, or with its base. */
void health_close(struct health **health);
int health_port(const struct health *health);

/* True when this changes what is known of the part. reason is copied; ignored when ready. */
bool health_report(struct health *health, const char *part, bool ready, const char *reason);
bool health_is_ready(const struct health *health);

#endif
