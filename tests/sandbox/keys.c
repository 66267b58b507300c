#include "tests/sandbox/keys.h"

#include <stdlib.h>

#include "shared/memory.h"

struct place {
	uint64_t high, low;
	uint64_t count; /* 0: free */
};

struct keys {
	struct place *places;
	size_t capacity; /* a power of two */
	size_t used;
};

enum { PLACES_FIRST = 1 << 14 };

/* FNV-1a, 128 bits: nobody attacks a test. */
static struct place fingerprint(char space, const char *key, size_t length)
{
	const unsigned __int128 prime = ((unsigned __int128)1 << 88) + 0x13b;
	unsigned __int128 hash = ((unsigned __int128)0x6c62272e07bb0142u << 64) + 0x62b821756295c58du;

	hash = (hash ^ (unsigned char)space) * prime;
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)key[i]) * prime;
	return (struct place){.high = (uint64_t)(hash >> 64), .low = (uint64_t)hash};
}

struct keys *keys_open(void)
{
	struct keys *keys = memory_new(sizeof(*keys));

	keys->capacity = PLACES_FIRST;
	keys->places = memory_new_array(keys->capacity, sizeof(*keys->places));
	return keys;
}

void keys_close(struct keys **keys)
{
	if (!*keys)
		return;
	free((*keys)->places);
	free(*keys);
	*keys = NULL;
}

static struct place *find(const struct keys *keys, const struct place *wanted)
{
	size_t i = (size_t)(wanted->high ^ wanted->low) & (keys->capacity - 1);

	while (keys->places[i].count > 0 &&
	       (keys->places[i].high != wanted->high || keys->places[i].low != wanted->low))
		i = (i + 1) & (keys->capacity - 1);
	return &keys->places[i];
}

static void grow(struct keys *keys)
{
	struct keys larger = {.capacity = keys->capacity * 2, .used = keys->used};

	larger.places = memory_new_array(larger.capacity, sizeof(*larger.places));
	for (size_t i = 0; i < keys->capacity; i++)
		if (keys->places[i].count > 0)
			*find(&larger, &keys->places[i]) = keys->places[i];
	free(keys->places);
	*keys = larger;
}

uint32_t keys_count(struct keys *keys, char space, const char *key, size_t length)
{
	struct place wanted = fingerprint(space, key, length);
	struct place *place = find(keys, &wanted);

	if (place->count > 0)
		return (uint32_t)place->count++;
	*place = wanted;
	place->count = 1;
	if (++keys->used * 10 > keys->capacity * 7)
		grow(keys);
	return 0;
}

size_t keys_distinct(const struct keys *keys)
{
	return keys->used;
}
