#include "worker/template/arena.h"

#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"

struct arena_chunk {
	struct arena_chunk *next;
	size_t size_bytes; /* of bytes */
	_Alignas(16) char bytes[];
};

void arena_init(struct arena *arena, size_t ceiling_bytes)
{
	*arena = (struct arena){.ceiling_bytes = ceiling_bytes};
}

static void free_chunks(struct arena_chunk *chunk)
{
	while (chunk != NULL) {
		struct arena_chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
}

void arena_release(struct arena *arena)
{
	free_chunks(arena->first);
	*arena = (struct arena){.first = NULL};
}

static void use_chunk(struct arena *arena, struct arena_chunk *chunk)
{
	arena->current = chunk;
	arena->at = chunk->bytes;
	arena->end = chunk->bytes + chunk->size_bytes;
}

void arena_reset(struct arena *arena, size_t ceiling_bytes)
{
	size_t kept = 0;

	arena->handed_out_bytes = 0;
	arena->ceiling_bytes = ceiling_bytes;
	if (arena->first == NULL)
		return;
	for (struct arena_chunk **link = &arena->first; *link != NULL; link = &(*link)->next) {
		kept += (*link)->size_bytes;
		if (kept <= ARENA_KEPT_BYTES || link == &arena->first)
			continue;
		free_chunks(*link);
		*link = NULL;
		break;
	}
	use_chunk(arena, arena->first);
}

void *arena_take_from_next_chunk(struct arena *arena, size_t size_bytes)
{
	struct arena_chunk *chunk = arena->current != NULL ? arena->current->next : arena->first;
	size_t wanted = arena->current != NULL ? 2 * arena->current->size_bytes : ARENA_CHUNK_BYTES;
	char *taken;

	/* A chunk that is too small for this piece waits for the next render; the new one stands before it. */
	if (chunk == NULL || chunk->size_bytes < size_bytes) {
		wanted = wanted > ARENA_KEPT_BYTES ? ARENA_KEPT_BYTES : wanted;
		wanted = wanted < size_bytes ? size_bytes : wanted;
		chunk = memory_grow(NULL, 1, sizeof(*chunk) + wanted);
		chunk->size_bytes = wanted;
		chunk->next = arena->current != NULL ? arena->current->next : arena->first;
		if (arena->current != NULL)
			arena->current->next = chunk;
		else
			arena->first = chunk;
	}
	use_chunk(arena, chunk);
	taken = arena->at;
	arena->at += size_bytes;
	arena->handed_out_bytes += size_bytes;
	return taken;
}
