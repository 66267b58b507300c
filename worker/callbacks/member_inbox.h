/* member_inbox - what a member's app reads: its messages, and which of them were read.
 *
 *     GET  /inbox/feed?limit=20&after=CURSOR&read=1   {"messages": [...], "next": CURSOR or null}
 *     POST /inbox/read {"ids": ["202611000000000042"]}   {"read": 1}
 *
 * with "Authorization: Bearer TOKEN", a LINK_INBOX token of one contact with an expiry. The app's own server gets one from
 * `postrider-receiver token CONTACT SECONDS`, or makes it with the key (links.h says how). Fetching a message is its
 * delivery, reading it is its opening. A feed has an ETag: an app that asks again with If-None-Match gets 304. Lists and
 * bodies are bounded; 503 while the database is away.
 */
#ifndef POSTRIDER_WORKER_CALLBACKS_MEMBER_INBOX_H
#define POSTRIDER_WORKER_CALLBACKS_MEMBER_INBOX_H

#include "worker/callbacks/http_server.h"
#include "worker/links/links.h"

#define MEMBER_INBOX_FEED_MAX 100 /* messages in one answer */
#define MEMBER_INBOX_READ_MAX 500 /* ids in one request */

struct member_inbox;
struct pg_session;

struct member_inbox_counts {
	int64_t feeds, reads, forged;
};

/* Borrows the session and the links. */
struct member_inbox *member_inbox_open(struct pg_session *database, struct links *links) MUST_CHECK;
/* After the session is closed: requests without an answer are dropped. */
void member_inbox_close(struct member_inbox **inbox);
/* Told when the session is lost: who waits is answered 503. */
void member_inbox_database_away(struct member_inbox *inbox);
void member_inbox_route(struct member_inbox *inbox, struct http_server *server);
struct member_inbox_counts member_inbox_counts(const struct member_inbox *inbox);

/* Appends a token for a contact that is good until expires_at_s (Unix time). */
void member_inbox_add_token(struct links *links, struct text *out, int64_t contact_id, int64_t expires_at_s);

#endif
