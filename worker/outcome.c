#include "worker/outcome.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[OUTCOME_CLASS_COUNT] = {
	[OUTCOME_ACCEPTED] = "accepted",       [OUTCOME_NOT_SENT] = "not_sent",
	[OUTCOME_THROTTLED] = "throttled",     [OUTCOME_TRANSIENT] = "transient",
	[OUTCOME_UNCERTAIN] = "uncertain",     [OUTCOME_BAD_ADDRESS] = "bad_address",
	[OUTCOME_BAD_PAYLOAD] = "bad_payload", [OUTCOME_BAD_CREDENTIALS] = "bad_credentials",
	[OUTCOME_EXPIRED] = "expired",
};

const char *outcome_class_name(enum outcome_class class)
{
	return (unsigned)class < OUTCOME_CLASS_COUNT ? names[class] : "unknown";
}

void outcome_set(struct outcome *outcome, enum outcome_class class, const char *code, const char *words, ...)
{
	va_list arguments;

	memset(outcome, 0, sizeof(*outcome));
	outcome->class = class;
	(void)snprintf(outcome->code, sizeof(outcome->code), "%s", code);
	va_start(arguments, words);
	(void)vsnprintf(outcome->words, sizeof(outcome->words), words, arguments);
	va_end(arguments);
}
