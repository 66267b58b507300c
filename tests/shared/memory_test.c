#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "shared/memory.h"

static void new_memory_is_zero(void **state)
{
	(void)state;
	static const unsigned char zeros[300];
	unsigned char *memory = memory_new_array(100, 3);
	assert_memory_equal(memory, zeros, sizeof(zeros));
	free(memory);
}

static void nothing_is_still_something_to_free(void **state)
{
	(void)state;
	void *a = memory_new(0), *b = memory_new_array(0, 8);
	assert_non_null(a);
	assert_non_null(b);
	a = memory_grow(a, 0, 8);
	assert_non_null(a);
	free(a);
	free(b);
}

static void growing_keeps_the_bytes(void **state)
{
	(void)state;
	char *memory = memory_copy_string("kept");
	memory = memory_grow(memory, 1000, 2);
	assert_string_equal(memory, "kept");
	free(memory);
}

static void copies_end_with_a_nul(void **state)
{
	(void)state;
	char *bytes = memory_copy_bytes("a\0b!", 3);
	assert_memory_equal(bytes, "a\0b", 4);
	char *empty = memory_copy_bytes(NULL, 0);
	assert_string_equal(empty, "");
	assert_null(memory_copy_string(NULL));
	free(bytes);
	free(empty);
}

static void a_size_that_wraps_ends_the_process_with_one_line(void **state)
{
	(void)state;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		dup2(ends[1], STDERR_FILENO);
		free(memory_grow(NULL, SIZE_MAX / 2, 4));
		_exit(0);
	}
	close(ends[1]);
	char line[300] = "";
	size_t length = 0;
	ssize_t part;
	while ((part = read(ends[0], line + length, sizeof(line) - 1 - length)) > 0)
		length += (size_t)part;
	close(ends[0]);
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EX_OSERR);
	assert_non_null(strstr(line, "\"event\":\"out_of_memory\""));
	assert_ptr_equal(strchr(line, '\n'), line + length - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_memory_is_zero),
		cmocka_unit_test(nothing_is_still_something_to_free),
		cmocka_unit_test(growing_keeps_the_bytes),
		cmocka_unit_test(copies_end_with_a_nul),
		cmocka_unit_test(a_size_that_wraps_ends_the_process_with_one_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
