/* postman - carries letters to a receiver over a few kept connections, and asks again as often as he was told.
 *
 * A letter belongs to the postman from postman_carry() on. told() is called after every try with the HTTP status, 0
 * where there was no answer; after the last one the letter is released.
 */
#ifndef POSTRIDER_TESTS_SANDBOX_POSTMAN_H
#define POSTRIDER_TESTS_SANDBOX_POSTMAN_H

#include <event2/event.h>

#include "shared/text.h"

struct postman;

struct letter {
	char *path;          /* with the query */
	struct text headers; /* "Name: value\r\n" lines */
	struct text body;
	int tries, retries;
	bool retries_status; /* also after an answer that is not 2xx */
	void (*told)(struct letter *letter, int status, bool is_last);
	void (*released)(struct letter *letter); /* frees what is in context */
	void *context;
	/* The postman's own. */
	struct postman *postman;
	struct event *again;
	struct letter *previous, *next;
};

struct letter *letter_new(void) MUST_CHECK;
void letter_release(struct letter *letter); /* one that was never carried */

struct postman *postman_open(struct event_base *base, const char *host, uint16_t port, int64_t retry_ms) MUST_CHECK;
/* Drops what is on its way. */
void postman_close(struct postman **postman);
void postman_carry(struct postman *postman, struct letter *letter);

#endif
