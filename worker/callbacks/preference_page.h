/* preference_page - the page on which a contact chooses what to get, as HTML. Pure.
 *
 * Plain HTML and one style sheet in the page: no scripts, no pictures, nothing from elsewhere; it works in any browser, with a
 * keyboard, with a screen reader, on a phone and in the dark. What it says comes from the database (marketing.preferences):
 * names and texts are foreign and are escaped.
 */
#ifndef POSTRIDER_WORKER_CALLBACKS_PREFERENCE_PAGE_H
#define POSTRIDER_WORKER_CALLBACKS_PREFERENCE_PAGE_H

#include "shared/error.h"
#include "worker/providers/provider.h"

#define PREFERENCE_PAGE_MAX (512 * 1024)

enum preference_news { PREFERENCE_NO_NEWS, PREFERENCE_SAVED, PREFERENCE_EVERYTHING_OFF };

struct preference_page {
	struct slice facts;     /* JSON of marketing.preferences */
	const char *action;     /* where its forms are sent to: letters that need no escape */
	const char *form_token; /* goes with them */
	enum preference_news news;
};

/* Appends the page. ERROR_INVALID: the facts are not what we expect, or are too many. */
bool preference_page_add(const struct preference_page *page, struct text *out, struct error *err) MUST_CHECK;

/* The header lines that belong to the page: no scripts, no frames, nothing kept, no referrer. Appends. */
void preference_page_add_headers(struct text *out);

#endif
