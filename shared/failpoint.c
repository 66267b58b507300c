#include "shared/failpoint.h"

#ifdef POSTRIDER_TEST_HOOKS

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shared/memory.h"

#define POINTS_MAX  16
#define EXIT_STATUS 86

enum action { ACTION_KILL, ACTION_STOP, ACTION_EXIT, ACTION_SLEEP };

struct point {
	const char *name;
	enum action action;
	long sleep_ms;
	long wanted_pass;
	atomic_long passes;
};

static pthread_once_t parsed = PTHREAD_ONCE_INIT;
static struct point points[POINTS_MAX];
static size_t point_count;

/* A misspelt failpoint would make a test pass that proves nothing. */
static _Noreturn void refuse(const char *what)
{
	fprintf(stderr, "POSTRIDER_FAILPOINT: %s; expected name:kill@3 (or stop, exit, sleep=500)\n", what);
	_exit(2);
}

static bool parse_number(const char *digits, long lowest, long *number)
{
	char *end;
	*number = strtol(digits, &end, 10);
	return end != digits && *end == '\0' && *number >= lowest;
}

static bool parse_action(struct point *point, const char *word)
{
	if (strcmp(word, "kill") == 0)
		point->action = ACTION_KILL;
	else if (strcmp(word, "stop") == 0)
		point->action = ACTION_STOP;
	else if (strcmp(word, "exit") == 0)
		point->action = ACTION_EXIT;
	else if (strncmp(word, "sleep=", 6) == 0 && parse_number(word + 6, 0, &point->sleep_ms))
		point->action = ACTION_SLEEP;
	else
		return false;
	return true;
}

static void parse_point(char *entry)
{
	if (point_count == POINTS_MAX)
		refuse("too many");
	struct point *point = &points[point_count++];
	char *action = strchr(entry, ':');
	if (!action || action == entry)
		refuse("a name or an action is missing");
	*action++ = '\0';
	point->name = entry;
	point->wanted_pass = 1;
	char *pass = strchr(action, '@');
	if (pass) {
		*pass++ = '\0';
		if (!parse_number(pass, 1, &point->wanted_pass))
			refuse("the number after @ is none");
	}
	if (!parse_action(point, action))
		refuse("unknown action");
}

static void parse(void)
{
	/* Never freed: the names point into it for as long as the process lives. */
	static char *copy;
	copy = memory_copy_string(getenv("POSTRIDER_FAILPOINT"));
	char *state = NULL;
	for (char *entry = copy ? strtok_r(copy, ",", &state) : NULL; entry; entry = strtok_r(NULL, ",", &state))
		parse_point(entry);
}

static void act(const struct point *point)
{
	switch (point->action) {
	case ACTION_KILL:
		kill(getpid(), SIGKILL);
		break;
	case ACTION_STOP:
		raise(SIGSTOP); /* to this thread: it goes no further, whichever thread the process would choose */
		break;
	case ACTION_EXIT:
		_exit(EXIT_STATUS);
	case ACTION_SLEEP:
		nanosleep(&(struct timespec){.tv_sec = point->sleep_ms / 1000,
					     .tv_nsec = point->sleep_ms % 1000 * 1000000},
			  NULL);
		break;
	}
}

void failpoint_pass(const char *name)
{
	pthread_once(&parsed, parse);
	for (size_t i = 0; i < point_count; i++) {
		struct point *point = &points[i];
		if (strcmp(point->name, name) == 0 && atomic_fetch_add(&point->passes, 1) + 1 == point->wanted_pass)
			act(point);
	}
}

bool guard_is_on(const char *name)
{
	const char *without = getenv("POSTRIDER_WITHOUT_GUARD");
	return !without || strcmp(without, name) != 0;
}

#else

/* An empty file is not C. */
extern int failpoint_unused;

#endif
