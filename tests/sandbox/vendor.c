#include "tests/sandbox/vendor.h"

#include <string.h>

/* The webhook takes every other path, so it comes last. */
static const struct vendor *const vendors[] = {
	&vendor_mandrill, &vendor_sendgrid, &vendor_twilio,  &vendor_google,
	&vendor_fcm,      &vendor_apns,     &vendor_webpush, &vendor_webhook,
};

const struct vendor *vendor_for_path(struct span path)
{
	for (size_t i = 0; i + 1 < ARRAY_LENGTH(vendors); i++)
		if (span_starts(path, vendors[i]->prefix))
			return vendors[i];
	return &vendor_webhook;
}

const struct vendor *vendor_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(vendors); i++)
		if (strcmp(vendors[i]->name, name) == 0)
			return vendors[i];
	return NULL;
}
