/* The value of a Retry-After header: always a wait between nothing and a day. */
#include <stdlib.h>

#include "worker/providers/provider.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define DAY_MS ((int64_t)24 * 3600 * 1000)

/* -1: not a small number. */
static int64_t small_number(const uint8_t *bytes, size_t length)
{
	int64_t number = 0;

	if (length == 0 || length > 4)
		return -1;
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] < '0' || bytes[i] > '9')
			return -1;
		number = number * 10 + (bytes[i] - '0');
	}
	return number;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const struct slice value = {.bytes = (const char *)bytes, .length = length};
	const int64_t now_ms = 1795300000000;
	int64_t wait_ms = provider_retry_after_ms(value, now_ms);
	int64_t later_ms = provider_retry_after_ms(value, now_ms + 1000);
	int64_t seconds = small_number(bytes, length);

	if (wait_ms < 0 || wait_ms > DAY_MS)
		abort();
	/* A date comes nearer, seconds do not. */
	if (later_ms > wait_ms || wait_ms - later_ms > 1000)
		abort();
	if (seconds >= 0 && wait_ms != seconds * 1000)
		abort();
	return 0;
}
