/* drivers - the drivers by name: a new one gets a line here and one in registry.c. */
#ifndef POSTRIDER_WORKER_PROVIDERS_DRIVERS_H
#define POSTRIDER_WORKER_PROVIDERS_DRIVERS_H

#include "worker/providers/provider.h"

extern const struct provider_driver apns_driver;     /* push: Apple */
extern const struct provider_driver fcm_driver;      /* push: Firebase Cloud Messaging */
extern const struct provider_driver inbox_driver;    /* in-app: our own inbox, which the app fetches */
extern const struct provider_driver mandrill_driver; /* email: Mailchimp Transactional */
extern const struct provider_driver sendgrid_driver; /* email: Twilio SendGrid */
extern const struct provider_driver smtp_driver;     /* email: any server that takes submissions */
extern const struct provider_driver twilio_driver;   /* sms: Twilio Messages */
extern const struct provider_driver webhook_driver;  /* in-app: the member's own app, by Standard Webhooks */
extern const struct provider_driver webpush_driver;  /* web push: any browser, by RFC 8030 */

#endif
