/* failpoint - places where a test build can be told to die, stop or wait.
 *
 * POSTRIDER_FAILPOINT="after_claim:kill@3" kills the process with SIGKILL the third time it
 * comes by; "name:stop@1" stops it (SIGSTOP), "name:sleep=500@2" sleeps milliseconds,
 * "name:exit@1" leaves with status 86. Several are separated by commas. In a release build
 * FAILPOINT() is nothing at all.
 *
 * The same builds can switch a guard off (POSTRIDER_WITHOUT_GUARD="fence"), to show that a
 * test notices. In a release build guard_is_on() is the constant true.
 */
#ifndef POSTRIDER_SHARED_FAILPOINT_H
#define POSTRIDER_SHARED_FAILPOINT_H

#include "shared/base.h"

#ifdef POSTRIDER_TEST_HOOKS
void failpoint_pass(const char *name);
bool guard_is_on(const char *name);
#define FAILPOINT(name) failpoint_pass(name)
#else
#define FAILPOINT(name) ((void)0)
static inline bool guard_is_on(const char *name)
{
	(void)name;
	return true;
}
#endif

#endif
