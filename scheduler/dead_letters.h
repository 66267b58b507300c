/* dead_letters - takes what died on the broker, writes it down and sets its delivery going again.
 *
 * The queue is never believed: delivery.note_dead_letter() keeps the message and moves the delivery only when it still
 * waits for exactly this one. A message is settled after the database has answered, so a crash loses none.
 */
#ifndef POSTRIDER_SCHEDULER_DEAD_LETTERS_H
#define POSTRIDER_SCHEDULER_DEAD_LETTERS_H

#include "scheduler/database.h"
#include "scheduler/settings.h"

struct dead_letters;

/* Borrows everything. Close the database first. */
struct dead_letters *dead_letters_open(struct event_base *base, const struct scheduler_settings *settings,
				       struct database *database, struct metrics *metrics) MUST_CHECK;
void dead_letters_close(struct dead_letters **dead_letters);
void dead_letters_stop(struct dead_letters *dead_letters);

#endif
