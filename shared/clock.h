/* clock - the two times, and nothing else asks the kernel for them.
 *
 * now_ms is CLOCK_BOOTTIME in milliseconds: it never jumps and also counts
 * while the machine sleeps, so a lease that is trusted by it cannot outlive
 * the database's. wall_ms is Unix time in milliseconds and is only ever shown or
 * sent, never used to decide how long something lasts.
 *
 * clock_fake() replaces both in tests; clock_real() undoes it.
 */
#ifndef POSTRIDER_SHARED_CLOCK_H
#define POSTRIDER_SHARED_CLOCK_H

#include "shared/base.h"

int64_t clock_now_ms(void);
int64_t clock_now_us(void); /* same clock, microseconds: for latencies */
int64_t clock_wall_ms(void);

void clock_fake(int64_t now_ms, int64_t wall_ms);
void clock_real(void);

#endif
