#include "shared/clock.h"

#include <stdatomic.h>
#include <time.h>

/* Atomic, because a broker thread reads the time too. */
static atomic_bool is_fake;
static _Atomic int64_t fake_now_ms;
static _Atomic int64_t fake_wall_ms;

static int64_t read_us(clockid_t id)
{
	struct timespec time;
	clock_gettime(id, &time);
	return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

int64_t clock_now_us(void)
{
	return is_fake ? fake_now_ms * 1000 : read_us(CLOCK_BOOTTIME);
}

int64_t clock_now_ms(void)
{
	return is_fake ? fake_now_ms : read_us(CLOCK_BOOTTIME) / 1000;
}

int64_t clock_wall_ms(void)
{
	return is_fake ? fake_wall_ms : read_us(CLOCK_REALTIME) / 1000;
}

void clock_fake(int64_t now_ms, int64_t wall_ms)
{
	fake_now_ms = now_ms;
	fake_wall_ms = wall_ms;
	is_fake = true;
}

void clock_real(void)
{
	is_fake = false;
}
