/* suggest - what the author may have meant: the nearest known word, and marks of other systems. */
#ifndef POSTRIDER_WORKER_TEMPLATE_SUGGEST_H
#define POSTRIDER_WORKER_TEMPLATE_SUGGEST_H

#include "shared/base.h"

/* How much of the author's own text a sentence quotes: "%.*s" with SUGGEST_QUOTE(bytes, length). */
#define SUGGEST_QUOTED_MAX           60
#define SUGGEST_QUOTE(bytes, length) suggest_quoted((bytes), (length)), (bytes)

/* At most SUGGEST_QUOTED_MAX bytes, and never half a character. */
int suggest_quoted(const char *bytes, size_t length);

/* How many letters must be changed, added, left out or swapped; SUGGEST_FAR: too many to have been meant. */
#define SUGGEST_FAR 3
int suggest_distance(const char *bytes, size_t length, const char *word);

/* A placeholder of another system in literal text: *|FNAME|*, %%name%%, {contactfield=name}. False: there is none. */
bool suggest_foreign(const char *bytes, size_t length, size_t *start, size_t *foreign_length);

#endif
