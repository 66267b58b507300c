#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/failpoint.h"

#ifdef POSTRIDER_TEST_HOOKS

/* Passes `a` five times, then `b` once, and leaves with 0 unless a failpoint says otherwise. */
static int run_child(const char *failpoints)
{
	pid_t child = fork();
	if (child == 0) {
		setenv("POSTRIDER_FAILPOINT", failpoints, 1);
		close(STDERR_FILENO);
		for (int i = 0; i < 5; i++)
			FAILPOINT("a");
		FAILPOINT("b");
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, WUNTRACED), child);
	if (!WIFSTOPPED(status))
		return status;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return status;
}

static const struct {
	const char *when;
	const char *failpoints;
	int exit_status; /* -1: a signal */
	int signal;
} rows[] = {
	{"nothing is set", "", 0, 0},
	{"killed the third time", "a:kill@3", -1, SIGKILL},
	{"stopped the first time", "a:stop", -1, SIGSTOP},
	{"left", "a:exit@5", 86, 0},
	{"never comes by that often", "a:exit@6", 0, 0},
	{"another place", "c:kill@1", 0, 0},
	{"a part of the name is another name", "aa:kill", 0, 0},
	{"several, and the second one hits", "c:kill,b:exit@1", 86, 0},
	{"sleeps and goes on", "a:sleep=1@2", 0, 0},
	{"an unknown action", "a:explode", 2, 0},
	{"no action", "a", 2, 0},
	{"a number that is none", "a:kill@x", 2, 0},
	{"sleep without a time", "a:sleep", 2, 0},
};

static void does_what_the_environment_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		int status = run_child(rows[i].failpoints);
		int by_signal = WIFSIGNALED(status) ? WTERMSIG(status) : WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
		int exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		if (by_signal != rows[i].signal || exit_status != rows[i].exit_status)
			fail_msg("%s: exit %d, signal %d", rows[i].when, exit_status, by_signal);
	}
}

static void a_guard_can_be_switched_off(void **state)
{
	(void)state;
	unsetenv("POSTRIDER_WITHOUT_GUARD");
	assert_true(guard_is_on("fence"));
	setenv("POSTRIDER_WITHOUT_GUARD", "fence", 1);
	assert_false(guard_is_on("fence"));
	assert_true(guard_is_on("lease"));
}

#else

static void does_what_the_environment_says(void **state)
{
	(void)state;
	setenv("POSTRIDER_FAILPOINT", "a:kill@1", 1);
	FAILPOINT("a");
}

static void a_guard_can_be_switched_off(void **state)
{
	(void)state;
	setenv("POSTRIDER_WITHOUT_GUARD", "fence", 1);
	assert_true(guard_is_on("fence"));
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(does_what_the_environment_says),
		cmocka_unit_test(a_guard_can_be_switched_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
