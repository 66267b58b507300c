#include "shared/channel.h"

#include <string.h>

static const char *const names[CHANNEL_COUNT] = {
	[CHANNEL_EMAIL] = "email",       [CHANNEL_SMS] = "sms",       [CHANNEL_PUSH] = "push",
	[CHANNEL_WEB_PUSH] = "web_push", [CHANNEL_IN_APP] = "in_app",
};

const char *channel_name(enum channel channel)
{
	return (size_t)channel < CHANNEL_COUNT ? names[channel] : "unknown";
}

bool channel_parse(const char *name, enum channel *channel)
{
	for (size_t i = 0; i < CHANNEL_COUNT; i++) {
		if (strcmp(name, names[i]) == 0) {
			*channel = (enum channel)i;
			return true;
		}
	}
	return false;
}
