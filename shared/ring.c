#include "shared/ring.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "shared/memory.h"

#define CACHE_LINE 64

/* Positions only grow; the slot is the position's low bits. Each side keeps its own position and the last
 * one it saw of the other on its own cache line, so that a busy ring rarely moves a line between cores. */
struct ring {
	size_t mask;
	size_t item_bytes;
	char *items;
	int fd;
	char away_from_reader[CACHE_LINE];
	_Atomic size_t written;
	size_t seen_read;
	char away_from_writer[CACHE_LINE];
	_Atomic size_t read;
	size_t seen_written;
};

struct ring *ring_new(size_t slots, size_t item_bytes)
{
	size_t rounded = 1;
	while (rounded < slots)
		rounded *= 2;

	struct ring *ring = memory_new(sizeof(*ring));
	ring->mask = rounded - 1;
	ring->item_bytes = item_bytes;
	ring->items = memory_new_array(rounded, item_bytes);
	ring->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (ring->fd < 0) {
		perror("postrider: a ring needs an eventfd");
		exit(EX_OSERR);
	}
	return ring;
}

void ring_free(struct ring **ring)
{
	if (!*ring)
		return;
	close((*ring)->fd);
	free((*ring)->items);
	free(*ring);
	*ring = NULL;
}

static void *slot(const struct ring *ring, size_t position)
{
	return ring->items + (position & ring->mask) * ring->item_bytes;
}

bool ring_put(struct ring *ring, const void *item)
{
	size_t written = atomic_load_explicit(&ring->written, memory_order_relaxed);
	if (written - ring->seen_read > ring->mask) {
		ring->seen_read = atomic_load_explicit(&ring->read, memory_order_acquire);
		if (written - ring->seen_read > ring->mask)
			return false;
	}
	memcpy(slot(ring, written), item, ring->item_bytes);
	atomic_store_explicit(&ring->written, written + 1, memory_order_release);
	return true;
}

void ring_wake(struct ring *ring)
{
	/* The only failure, a full counter, leaves the fd readable all the same. */
	int ignored = eventfd_write(ring->fd, 1);
	(void)ignored;
}

size_t ring_free_slots(const struct ring *ring)
{
	size_t written = atomic_load_explicit(&ring->written, memory_order_relaxed);
	size_t read = atomic_load_explicit(&ring->read, memory_order_acquire);
	return ring->mask + 1 - (written - read);
}

bool ring_take(struct ring *ring, void *item)
{
	size_t read = atomic_load_explicit(&ring->read, memory_order_relaxed);
	if (read == ring->seen_written) {
		ring->seen_written = atomic_load_explicit(&ring->written, memory_order_acquire);
		if (read == ring->seen_written)
			return false;
	}
	memcpy(item, slot(ring, read), ring->item_bytes);
	atomic_store_explicit(&ring->read, read + 1, memory_order_release);
	return true;
}

int ring_fd(const struct ring *ring)
{
	return ring->fd;
}

void ring_drain_fd(struct ring *ring)
{
	eventfd_t ignored;
	int answer = eventfd_read(ring->fd, &ignored);
	(void)answer;
}
