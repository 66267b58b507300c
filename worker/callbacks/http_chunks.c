#include "worker/callbacks/http_chunks.h"

#include <string.h>

#define SIZE_DIGITS_MAX 8

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A line of digits with its CRLF: how many bytes it has, 0 when it is not whole, -1 when it is none. */
static int read_size(const char *bytes, size_t length, size_t *size)
{
	size_t digits = 0;

	*size = 0;
	while (digits < length && digits <= SIZE_DIGITS_MAX && hex_value(bytes[digits]) >= 0)
		*size = *size * 16 + (size_t)hex_value(bytes[digits++]);
	if (digits > SIZE_DIGITS_MAX || (digits == 0 && length > 0))
		return -1;
	if (length > digits && bytes[digits] != '\r')
		return -1;
	if (length > digits + 1 && bytes[digits + 1] != '\n')
		return -1;
	return length > digits + 1 ? (int)digits + 2 : 0;
}

/* Both bytes of a CRLF are there: 2; not yet: 0; something else: -1. */
static int read_line_end(const char *bytes, size_t length)
{
	if ((length > 0 && bytes[0] != '\r') || (length > 1 && bytes[1] != '\n'))
		return -1;
	return length > 1 ? 2 : 0;
}

/* One step; how many coded bytes it used up, 0 when it needs more, -1 when it is broken. */
static int64_t step(struct http_chunks *chunks, char *bytes, const char *coded, size_t left, bool *done)
{
	size_t size, part = chunks->chunk_left < left ? chunks->chunk_left : left;
	int used;

	if (chunks->in_chunk && chunks->chunk_left > 0) {
		memmove(bytes + chunks->decoded, coded, part);
		chunks->decoded += part;
		chunks->chunk_left -= part;
		return (int64_t)part;
	}
	if (chunks->in_chunk) {
		used = read_line_end(coded, left);
		chunks->in_chunk = used <= 0;
		return used;
	}
	used = read_size(coded, left, &size);
	if (used <= 0)
		return used;
	if (size == 0) { /* the last one: an empty line follows, no trailers */
		int end = read_line_end(coded + used, left - (size_t)used);
		*done = end > 0;
		return end > 0 ? used + end : end;
	}
	chunks->in_chunk = true;
	chunks->chunk_left = size;
	return used;
}

enum http_chunks_state http_chunks_decode(struct http_chunks *chunks, char *bytes, size_t *length)
{
	size_t at = chunks->decoded;
	bool done = false;
	int64_t used = 1;

	while (!done && used > 0) {
		used = step(chunks, bytes, bytes + at, *length - at, &done);
		at += used > 0 ? (size_t)used : 0;
	}
	if (used < 0)
		return HTTP_CHUNKS_BROKEN;
	memmove(bytes + chunks->decoded, bytes + at, *length - at);
	*length -= at - chunks->decoded;
	return done ? HTTP_CHUNKS_DONE : HTTP_CHUNKS_MORE;
}
