/* amqp_window - what was published on one connection and is not yet confirmed.
 *
 * The broker numbers publishes 1, 2, 3 ... on a channel in confirm mode and confirms single
 * numbers or all up to one. A message that no queue took comes back before its confirm
 * and without a number, in the order of publishing; it is found again by its delivery and epoch. Pure.
 */
#ifndef POSTRIDER_SHARED_AMQP_WINDOW_H
#define POSTRIDER_SHARED_AMQP_WINDOW_H

#include "shared/amqp_publisher.h"

struct amqp_window;
typedef void amqp_window_settled(void *context, const struct amqp_receipt *receipt);

/* slots: how far the newest publish may be ahead of the oldest unconfirmed one; rounded up to a power of two. */
struct amqp_window *amqp_window_new(size_t slots, amqp_window_settled *settled, void *context) MUST_CHECK;
void amqp_window_free(struct amqp_window **window);

bool amqp_window_is_full(const struct amqp_window *window);
size_t amqp_window_open_count(const struct amqp_window *window);

/* The next number is this one's. The window must not be full. */
void amqp_window_add(struct amqp_window *window, int64_t delivery_id, int32_t epoch, int32_t lane_id, int64_t now_ms);
/* False when nothing like it is open. */
bool amqp_window_mark_returned(struct amqp_window *window, int64_t delivery_id, int32_t epoch);
/* Calls settled() for each open one; a returned one becomes AMQP_RETURNED instead of the verdict. */
void amqp_window_settle(struct amqp_window *window, uint64_t tag, bool multiple, enum amqp_verdict verdict);
/* What was added before this moment is AMQP_LOST; a confirm that comes later is ignored. */
void amqp_window_expire(struct amqp_window *window, int64_t added_before_ms);
/* Everything open is AMQP_LOST; numbers start again at 1. */
void amqp_window_lose(struct amqp_window *window);

#endif
