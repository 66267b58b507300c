/* recipients - all that recipients reach here: the links in their messages, the preference page, their inbox.
 *
 * Joins tracking, preferences and member_inbox with the HTTP server and two database sessions: what was seen is written by one,
 * people who wait are served by the other. Their numbers go to the metrics once a second.
 */
#ifndef POSTRIDER_WORKER_CALLBACKS_RECIPIENTS_H
#define POSTRIDER_WORKER_CALLBACKS_RECIPIENTS_H

#include "worker/callbacks/http_server.h"

struct metrics;
struct recipients;

struct recipients_settings {
	const char *database_url;
	const char *link_url, *link_key; /* both empty: there is nothing for recipients here */
	bool keeps_address;              /* a proof of consent names the client's network address */
};

/* Adds the routes. *recipients becomes NULL when the settings say that there is nothing. ERROR_INVALID: the settings are
 * wrong. Borrows everything. */
bool recipients_open(struct recipients **recipients, struct event_base *base, struct http_server *server,
		     const struct recipients_settings *settings, struct metrics *metrics, struct error *err) MUST_CHECK;
/* After the HTTP server is closed. */
void recipients_close(struct recipients **recipients);

/* What was seen and is not written yet; asks for it to be written now. 0 for NULL, and when all is done. */
size_t recipients_drain(struct recipients *recipients);

/* Prints a token for a member's app: `postrider-receiver token CONTACT SECONDS`. The exit code. */
int recipients_print_token(const struct recipients_settings *settings, const char *contact, const char *seconds);

#endif
