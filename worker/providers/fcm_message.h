/* fcm_message - the body of a request to Firebase Cloud Messaging
 * (https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages). Private to fcm.c.
 */
#ifndef POSTRIDER_WORKER_PROVIDERS_FCM_MESSAGE_H
#define POSTRIDER_WORKER_PROVIDERS_FCM_MESSAGE_H

#include "worker/providers/provider.h"

/* ERROR_INVALID: the data cannot be sent, or it is more than Firebase takes; out is not usable then. */
bool fcm_message_add(const struct provider_message *message, struct text *out, struct error *err) MUST_CHECK;

#endif
