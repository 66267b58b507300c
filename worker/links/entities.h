/* entities - the value of an HTML attribute as a browser reads it. Private to worker/links/. */
#ifndef POSTRIDER_WORKER_LINKS_ENTITIES_H
#define POSTRIDER_WORKER_LINKS_ENTITIES_H

#include "shared/base.h"

/* Decodes &amp; &lt; &gt; &quot; &apos; and numbers (HTML standard §13.2.5.72 ff.) into out. An & that begins no entity, as in
 * ?a=1&b=2, stays. False: it does not fit, or an entity is there that only the full table of 2,231 names would tell; then the
 * value is better left alone. */
bool entities_decode(const char *value, size_t length, char *out, size_t size, size_t *decoded_length) MUST_CHECK;

#endif
