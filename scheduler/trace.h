/* trace - numbers for messages, so that one can be followed through logs: W3C trace ids.
 *
 * Seeded by the kernel, then made by a fast generator (xoshiro256**): good for telling apart, not for secrets.
 */
#ifndef POSTRIDER_SCHEDULER_TRACE_H
#define POSTRIDER_SCHEDULER_TRACE_H

#include "shared/message.h"

struct trace {
	uint64_t state[4];
};

void trace_init(struct trace *trace);
void trace_next(struct trace *trace, char id[MESSAGE_TRACE_LENGTH + 1]);

#endif
