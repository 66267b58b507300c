/* foreign_tokens - finds the placeholders of other systems in a text, which would arrive in inboxes as they stand. Pure.
 *
 * A text that was moved here from another system keeps some of its placeholders: *|FNAME|*, %%first_name%%,
 * {contactfield=firstname}, ${name}, [[name]], <%= name %>, %FIRSTNAME%. They are no mistake of the language, so
 * nothing but a look for them tells. A few words may look like one and be none: what is found is a warning.
 *
 *     struct foreign_token found;
 *     for (size_t from = 0; foreign_tokens_find(text, length, from, &found); from = found.at + found.length) ...
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_FOREIGN_TOKENS_H
#define POSTRIDER_WORKER_TEMPLATE_FOREIGN_TOKENS_H

#include "shared/base.h"

struct foreign_token {
	const char *system; /* whose it looks like: "Mailchimp" */
	size_t at, length;
};

/* The next one from a place on. False: there is none. Takes time in proportion to the length. */
bool foreign_tokens_find(const char *text, size_t length, size_t from, struct foreign_token *found);

#endif
