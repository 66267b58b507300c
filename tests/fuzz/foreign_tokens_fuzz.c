/* Any text: what is found lies inside it, and the search comes to its end. */
#include <stdlib.h>

#include "worker/template/foreign_tokens.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct foreign_token found;

	for (size_t from = 0; foreign_tokens_find((const char *)bytes, length, from, &found);
	     from = found.at + found.length)
		if (found.at < from || found.length == 0 || found.length > length - found.at)
			abort();
	return 0;
}
