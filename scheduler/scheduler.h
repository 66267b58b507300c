/* scheduler - the running program: one loop, and what hangs on it.
 *
 * SIGTERM and SIGINT end it in order: nothing more is planned or dispatched, what is on its way to the broker is
 * waited for, the lead is given away. A second signal ends it at once, which costs nothing but a sweep.
 */
#ifndef POSTRIDER_SCHEDULER_SCHEDULER_H
#define POSTRIDER_SCHEDULER_SCHEDULER_H

#include "scheduler/settings.h"

/* Returns when told to stop; false with err when it could not start, or was not allowed to stop in order. */
bool scheduler_run(const struct scheduler_settings *settings, struct error *err) MUST_CHECK;

#endif
