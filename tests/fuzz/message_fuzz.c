#include <stdlib.h>
#include <string.h>

#include "shared/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* Whatever is accepted has one spelling: encoding it again gives the input's first bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct message message;
	struct error err;
	if (!message_decode(&message, bytes, length, &err))
		return 0;
	char buffer[MESSAGE_BYTES_MAX];
	size_t encoded = message_encode(&message, buffer);
	if (encoded > length || memcmp(buffer, bytes, encoded) != 0)
		abort();
	return 0;
}
