#include "worker/template_cache.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "shared/memory.h"

struct entry {
	char *key;
	struct message_template *template;
	size_t source_bytes, users;
	uint64_t used_at; /* the cache's own count of uses */
	UT_hash_handle hh;
};

struct template_cache {
	struct template_cache_limits limits;
	struct entry *entries; /* uthash, by key */
	size_t source_bytes, compiled;
	uint64_t uses;
};

struct template_cache *template_cache_new(const struct template_cache_limits *limits)
{
	struct template_cache *cache = memory_new(sizeof(*cache));

	cache->limits = *limits;
	return cache;
}

static void destroy(struct template_cache *cache, struct entry *entry)
{
	HASH_DEL(cache->entries, entry);
	cache->source_bytes -= entry->source_bytes;
	message_template_free(&entry->template);
	free(entry->key);
	free(entry);
}

void template_cache_free(struct template_cache **cache)
{
	struct entry *entry, *next;

	if (*cache == NULL)
		return;
	HASH_ITER(hh, (*cache)->entries, entry, next)
		destroy(*cache, entry);
	free(*cache);
	*cache = NULL;
}

static struct entry *least_recent(const struct template_cache *cache)
{
	struct entry *entry, *next, *oldest = NULL;

	HASH_ITER(hh, cache->entries, entry, next)
		if (entry->users == 0 && (oldest == NULL || entry->used_at < oldest->used_at))
			oldest = entry;
	return oldest;
}

static bool is_full(const struct template_cache *cache, size_t more_bytes)
{
	return HASH_COUNT(cache->entries) + 1 > cache->limits.entries_max ||
	       cache->source_bytes + more_bytes > cache->limits.source_bytes_max;
}

static void make_room(struct template_cache *cache, size_t more_bytes)
{
	struct entry *oldest;

	while (is_full(cache, more_bytes) && (oldest = least_recent(cache)) != NULL)
		destroy(cache, oldest);
}

static struct entry *add(struct template_cache *cache, const char *key, enum channel channel,
			 const struct message_sources *sources, struct named_texts *partials)
{
	struct entry *entry = memory_new(sizeof(*entry));

	for (int part = 0; part < MESSAGE_PARTS; part++)
		entry->source_bytes += sources->length[part];
	make_room(cache, entry->source_bytes);
	entry->key = memory_copy_string(key);
	entry->template = message_template_compile(channel, sources, partials);
	cache->source_bytes += entry->source_bytes;
	cache->compiled++;
	HASH_ADD_KEYPTR(hh, cache->entries, entry->key, strlen(entry->key), entry);
	return entry;
}

const struct message_template *template_cache_get(struct template_cache *cache, const char *key, enum channel channel,
						  const struct message_sources *sources, struct named_texts *partials)
{
	struct entry *entry;

	HASH_FIND_STR(cache->entries, key, entry);
	if (entry == NULL)
		entry = add(cache, key, channel, sources, partials);
	entry->users++;
	entry->used_at = ++cache->uses;
	return entry->template;
}

void template_cache_release(struct template_cache *cache, const struct message_template **template)
{
	struct entry *entry, *next;

	if (*template == NULL)
		return;
	HASH_ITER(hh, cache->entries, entry, next)
		if (entry->template == *template)
			entry->users--;
	*template = NULL;
}

size_t template_cache_count(const struct template_cache *cache)
{
	return HASH_COUNT(cache->entries);
}

size_t template_cache_compiled(const struct template_cache *cache)
{
	return cache->compiled;
}
