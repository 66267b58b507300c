/* channel - the ways to reach a person: one list for C, SQL and queue names. */
#ifndef POSTRIDER_SHARED_CHANNEL_H
#define POSTRIDER_SHARED_CHANNEL_H

#include "shared/base.h"

enum channel {
	CHANNEL_EMAIL,    /* an email address */
	CHANNEL_SMS,      /* a phone number, E.164 */
	CHANNEL_PUSH,     /* an app's device token */
	CHANNEL_WEB_PUSH, /* a browser's subscription */
	CHANNEL_IN_APP,   /* the member's own app, by webhook or inbox */
	CHANNEL_COUNT,
};

const char *channel_name(enum channel channel); /* "email", "sms", "push", "web_push", "in_app" */
bool channel_parse(const char *name, enum channel *channel) MUST_CHECK;

#endif
