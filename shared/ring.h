/* ring - a bounded queue from one thread to one other thread, with an eventfd to wake it.
 *
 * One producer, one consumer, fixed-size items, C11 atomics, no locks. The consumer polls
 * ring_fd() for reading, calls ring_drain_fd() and then takes until empty. A full ring refuses:
 * the producer keeps the item and waits. Without a file
 * descriptor left ring_new() ends the process, as memory_new() does. Checked under ThreadSanitizer.
 */
#ifndef POSTRIDER_SHARED_RING_H
#define POSTRIDER_SHARED_RING_H

#include "shared/base.h"

struct ring;

struct ring *ring_new(size_t slots, size_t item_bytes) MUST_CHECK; /* slots: rounded up to a power of two */
void ring_free(struct ring **ring);

/* Producer. ring_put copies the item; false when full. ring_wake makes the fd readable
 * (once for many puts). */
bool ring_put(struct ring *ring, const void *item) MUST_CHECK;
void ring_wake(struct ring *ring);
size_t ring_free_slots(const struct ring *ring);

/* Consumer. ring_take copies out; false when empty. */
bool ring_take(struct ring *ring, void *item) MUST_CHECK;
int ring_fd(const struct ring *ring);
void ring_drain_fd(struct ring *ring);

#endif
