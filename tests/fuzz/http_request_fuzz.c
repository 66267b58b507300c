/* A request of a stranger: head and chunks. Whatever the bytes, and however they are cut into packets, the same comes out. */
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "worker/callbacks/http_chunks.h"
#include "worker/callbacks/http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static bool lies_within(struct slice part, const char *bytes, size_t length)
{
	return part.length == 0 || (part.bytes >= bytes && part.bytes + part.length <= bytes + length);
}

static void check_head(const struct http_head *head, const char *bytes, size_t length)
{
	const struct slice parts[] = {head->method_name, head->path, head->query, head->headers};

	for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
		if (!lies_within(parts[i], bytes, length))
			abort();
	if (head->path.length == 0 || head->path.bytes[0] != '/' || head->length_bytes < 0)
		abort();
	if (head->is_chunked && head->has_length)
		abort();
	/* What could be read as another request by somebody else is never let through. */
	if (memchr(bytes, '\0', length) != NULL)
		abort();
	for (size_t i = 0; i < length; i++)
		if (bytes[i] == '\n' && (i == 0 || bytes[i - 1] != '\r'))
			abort();
	(void)provider_header(head->headers, "Content-Type");
}

/* Decodes in steps of so many bytes; the state, and how many bytes of the body there are. */
static enum http_chunks_state decode(const char *bytes, size_t length, size_t step, char *out, size_t *decoded)
{
	struct http_chunks chunks = {0};
	enum http_chunks_state state = HTTP_CHUNKS_MORE;
	size_t held = 0, at = 0;

	while (state == HTTP_CHUNKS_MORE && at < length) {
		size_t part = length - at < step ? length - at : step;

		memcpy(out + held, bytes + at, part);
		at += part;
		held += part;
		state = http_chunks_decode(&chunks, out, &held);
		if (state != HTTP_CHUNKS_BROKEN && (chunks.decoded > held || held > at))
			abort();
	}
	*decoded = chunks.decoded;
	return state;
}

static void check_chunks(const char *bytes, size_t length)
{
	char *whole = memory_copy_bytes(bytes, length), *cut = memory_copy_bytes(bytes, length);
	size_t decoded, decoded_again;
	enum http_chunks_state state = decode(bytes, length, length + 1, whole, &decoded);

	for (size_t step = 1; step < 4; step++) {
		if (decode(bytes, length, step, cut, &decoded_again) != state)
			abort();
		if (state != HTTP_CHUNKS_BROKEN && (decoded != decoded_again || memcmp(whole, cut, decoded) != 0))
			abort();
	}
	free(whole);
	free(cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const char *text = (const char *)bytes;
	size_t head_length = length > 0 ? http_head_length(text, length, 0) : 0;
	struct http_head head;
	int status = 0;

	for (size_t from = 0; from < length; from += 1 + length / 8)
		if (from < head_length && http_head_length(text, length, from) != head_length)
			abort();
	if (head_length == 0) {
		check_chunks(text, length);
		return 0;
	}
	if (http_head_read(&head, text, head_length, 50, &status) == HTTP_FINE)
		check_head(&head, text, head_length);
	else if (status < 400 || status > 505)
		abort();
	check_chunks(text + head_length, length - head_length);
	return 0;
}
