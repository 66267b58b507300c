/* arena - memory that is given back all at once, and kept for the next time.
 *
 * Allocating moves a pointer. arena_reset() keeps the chunks, so that after a few renders nothing is asked from the
 * system any more. What has been handed out since the reset is bounded by a ceiling.
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_ARENA_H
#define POSTRIDER_WORKER_TEMPLATE_ARENA_H

#include "shared/base.h"

#define ARENA_CHUNK_BYTES ((size_t)32 * 1024)
#define ARENA_KEPT_BYTES  ((size_t)1024 * 1024) /* arena_reset() gives back what is more than this */

struct arena_chunk;

struct arena {
	struct arena_chunk *first, *current;
	char *at, *end; /* free room in the current chunk */
	size_t handed_out_bytes, ceiling_bytes;
};

void arena_init(struct arena *arena, size_t ceiling_bytes);
void arena_release(struct arena *arena); /* also for a zeroed struct */
void arena_reset(struct arena *arena, size_t ceiling_bytes);

/* The slow half of arena_take(). */
void *arena_take_from_next_chunk(struct arena *arena, size_t size_bytes) MUST_CHECK;

/* Not zeroed, aligned to 8. NULL: the ceiling is reached. */
MUST_CHECK static inline void *arena_take(struct arena *arena, size_t size_bytes)
{
	size_t rounded = (size_bytes + 7) & ~(size_t)7;
	char *taken = arena->at;

	if (size_bytes > arena->ceiling_bytes || arena->handed_out_bytes + rounded > arena->ceiling_bytes)
		return NULL;
	if (rounded > (size_t)(arena->end - taken))
		return arena_take_from_next_chunk(arena, rounded);
	arena->handed_out_bytes += rounded;
	arena->at += rounded;
	return taken;
}

/* Makes the latest allocation smaller, when it was taken larger than needed. */
static inline void arena_shrink(struct arena *arena, const void *latest, size_t taken_bytes, size_t used_bytes)
{
	size_t back = ((taken_bytes + 7) & ~(size_t)7) - ((used_bytes + 7) & ~(size_t)7);

	if ((const char *)latest + ((taken_bytes + 7) & ~(size_t)7) == arena->at) {
		arena->at -= back;
		arena->handed_out_bytes -= back;
	}
}

#endif
