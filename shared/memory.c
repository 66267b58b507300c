#include "shared/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* Neither the log nor exit handlers: both may want memory. */
static _Noreturn void end_process(size_t count, size_t size_bytes)
{
	char line[160];
	int length = snprintf(
		line, sizeof(line),
		"{\"level\":\"error\",\"event\":\"out_of_memory\",\"text\":\"No memory for %zu x %zu bytes.\"}\n",
		count, size_bytes);
	ssize_t written = write(STDERR_FILENO, line, (size_t)length);
	(void)written;
	_exit(EX_OSERR);
}

void *memory_new(size_t size_bytes)
{
	return memory_new_array(1, size_bytes);
}

void *memory_new_array(size_t count, size_t size_bytes)
{
	/* calloc(0) may answer NULL, which would look like a failure. */
	void *memory = count && size_bytes ? calloc(count, size_bytes) : calloc(1, 1);
	if (!memory)
		end_process(count, size_bytes);
	return memory;
}

void *memory_grow(void *old, size_t count, size_t size_bytes)
{
	/* realloc(0) would free. */
	void *memory = count && size_bytes ? reallocarray(old, count, size_bytes) : realloc(old, 1);
	if (!memory)
		end_process(count, size_bytes);
	return memory;
}

char *memory_copy_string(const char *string)
{
	return string ? memory_copy_bytes(string, strlen(string)) : NULL;
}

char *memory_copy_bytes(const void *bytes, size_t length)
{
	if (length == SIZE_MAX)
		end_process(1, length);
	char *copy = malloc(length + 1);
	if (!copy)
		end_process(1, length + 1);
	if (length)
		memcpy(copy, bytes, length);
	copy[length] = '\0';
	return copy;
}
