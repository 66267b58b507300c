/* template_cache - compiled template versions, shared by everything that sends them.
 *
 * The key says what the texts are made of: the version and the versions of its partials. Versions never change, so
 * an entry is never wrong; it stays until others need its place: the least recently used that nobody uses goes first.
 *
 *     template_cache_get(cache, "17 {3,9}", channel, &sources, partials)   compiles it unless it is there
 *     template_cache_release(cache, &template)                             when it is not used any more
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_CACHE_H
#define POSTRIDER_WORKER_TEMPLATE_CACHE_H

#include "worker/message_template.h"

struct template_cache_limits {
	size_t entries_max;
	size_t source_bytes_max; /* of all entries together; a compiled text is about as large as its source */
};

struct template_cache;

struct template_cache *template_cache_new(const struct template_cache_limits *limits) MUST_CHECK;
void template_cache_free(struct template_cache **cache); /* and all that is in it */

/* Never NULL, but it may have a problem. Borrowed until it is released. The limits do not hold against what is in use. */
const struct message_template *template_cache_get(struct template_cache *cache, const char *key, enum channel channel,
						  const struct message_sources *sources,
						  struct named_texts *partials) MUST_CHECK;
void template_cache_release(struct template_cache *cache, const struct message_template **template);

size_t template_cache_count(const struct template_cache *cache);
size_t template_cache_compiled(const struct template_cache *cache); /* how often it had to compile */

#endif
