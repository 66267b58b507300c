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

/* At least 1: what allocators do with 0 differs, and realloc(0) frees. */
static size_t total_bytes(size_t count, size_t size_bytes)
{
	size_t total;
	if (__builtin_mul_overflow(count, size_bytes, &total))
		end_process(count, size_bytes);
	return total ? total : 1;
}

void *memory_new_array(size_t count, size_t size_bytes)
{
	void *memory = calloc(1, total_bytes(count, size_bytes));
	if (!memory)
		end_process(count, size_bytes);
	return memory;
}

void *memory_grow(void *old, size_t count, size_t size_bytes)
{
	void *memory = realloc(old, total_bytes(count, size_bytes));
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
