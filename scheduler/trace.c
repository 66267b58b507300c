#include "scheduler/trace.h"

#include "shared/backoff.h"

void trace_init(struct trace *trace)
{
	for (size_t i = 0; i < ARRAY_LENGTH(trace->state); i++)
		trace->state[i] = backoff_random();
	trace->state[0] |= 1; /* all zero would stay so */
}

static uint64_t rotate(uint64_t bits, int by)
{
	return (bits << by) | (bits >> (64 - by));
}

static uint64_t next(uint64_t s[4])
{
	uint64_t result = rotate(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

static void write_hex(char *to, uint64_t bits)
{
	for (int i = 0; i < 16; i++)
		to[i] = "0123456789abcdef"[(bits >> (60 - 4 * i)) & 15];
}

void trace_next(struct trace *trace, char id[MESSAGE_TRACE_LENGTH + 1])
{
	write_hex(id, next(trace->state) | 1); /* an id of zeros is none */
	write_hex(id + 16, next(trace->state));
	id[MESSAGE_TRACE_LENGTH] = '\0';
}
