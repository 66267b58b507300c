#include <string.h>

#include "worker/providers/drivers.h"

const struct provider_driver *const provider_registry[] = {
	&apns_driver, &fcm_driver,    &inbox_driver,   &mandrill_driver, &sendgrid_driver,
	&smtp_driver, &twilio_driver, &webhook_driver, &webpush_driver,  NULL,
};

const struct provider_driver *provider_find(const char *name)
{
	for (size_t i = 0; provider_registry[i] != NULL; i++)
		if (strcmp(provider_registry[i]->name, name) == 0)
			return provider_registry[i];
	return NULL;
}
