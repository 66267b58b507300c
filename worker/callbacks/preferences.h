/* preferences - one-click unsubscribing (RFC 8058) and the preference page.
 *
 *     POST /u/TOKEN   unsubscribes from the message's topic; 200 only after the commit
 *     GET  /u/TOKEN   shows the preference page: a GET never unsubscribes anybody, mail scanners follow links
 *     GET  /p/TOKEN   the preference page
 *     POST /p/TOKEN   saves what was chosen, then leads back to the page
 *
 * While the database is away everything is 503, so that a mail program or a person tries again. A form carries a
 * token of its own (LINK_FORM), which only the page has: a foreign page cannot send it. What changes goes to
 * marketing.consent with its source and, as proof, the message and the browser's name; an address of the network is kept
 * only where the settings say so.
 */
#ifndef POSTRIDER_WORKER_CALLBACKS_PREFERENCES_H
#define POSTRIDER_WORKER_CALLBACKS_PREFERENCES_H

#include "worker/callbacks/http_server.h"
#include "worker/links/links.h"

struct preferences;
struct pg_session;

struct preferences_counts {
	int64_t unsubscribed, saved, shown, forged;
};

/* Borrows the session and the links. keeps_peer: the client's network address is part of the proof. */
struct preferences *preferences_open(struct pg_session *database, struct links *links, bool keeps_peer) MUST_CHECK;
/* After the session is closed: requests without an answer are dropped. */
void preferences_close(struct preferences **preferences);

/* Adds /u/ and /p/ behind path ("" or "/links"). */
void preferences_route(struct preferences *preferences, struct http_server *server, const char *path);

/* Told when the session is lost: who waits is answered 503. What has been asked may still be done. */
void preferences_database_away(struct preferences *preferences);

struct preferences_counts preferences_counts(const struct preferences *preferences);

#endif
