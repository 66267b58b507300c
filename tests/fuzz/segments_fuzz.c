/* Any text: what is counted fits into the segments, and the count is the least that is possible but for cut pairs. */
#include <stdlib.h>

#include "worker/template/segments.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct segments segments = segments_count((const char *)bytes, length);
	size_t alone = segments.is_ucs2 ? 70 : 160, joined = segments.is_ucs2 ? 67 : 153;
	size_t size = segments.count > 1 ? joined : alone;
	struct text sentence;

	check((segments.count == 0) == (length == 0));
	check(segments.is_ucs2 == (segments.forced_at != 0));
	check(segments.forced_at <= length && segments.units <= 2 * length);
	check((segments.count <= 1) == (segments.units <= alone));
	if (length > 0) {
		check(segments.units + segments.unit_room <= segments.count * size);
		check(segments.count * (size - 1) < segments.units + size);
	}
	text_init(&sentence, 1000);
	segments_explain(&segments, &sentence);
	check(text_ok(&sentence));
	text_release(&sentence);
	return 0;
}
