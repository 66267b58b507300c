/* keys - how often each key has been seen: an open-addressing table of 128-bit fingerprints, 24 bytes a place, never
 * more than 70 % full, so that a million keys take under 70 MB. The keys themselves are not kept. */
#ifndef POSTRIDER_TESTS_SANDBOX_KEYS_H
#define POSTRIDER_TESTS_SANDBOX_KEYS_H

#include "shared/base.h"

struct keys;

struct keys *keys_open(void) MUST_CHECK;
void keys_close(struct keys **keys);
/* Counts the key; the answer is how often it was seen before. */
uint32_t keys_count(struct keys *keys, char space, const char *key, size_t length);
size_t keys_distinct(const struct keys *keys);

#endif
