/* email_sender - what all email providers need of an account and of a message: from whom, to whom, and how to leave.
 *
 * The list headers are those of RFC 8058: with them a mail program shows "unsubscribe" and does it with one POST.
 */
#ifndef POSTRIDER_WORKER_PROVIDERS_EMAIL_SENDER_H
#define POSTRIDER_WORKER_PROVIDERS_EMAIL_SENDER_H

#include "worker/providers/provider.h"

struct email_sender {
	char *address, *name; /* the settings from_email and from_name; name may be "" */
};

#define EMAIL_SENDER_HELP                                                                                              \
	"from_email  sender's address, also for bounces\n"                                                             \
	"from_name   sender's name as people see it\n"

bool email_sender_configure(struct email_sender *sender, const json_t *settings, struct error *err) MUST_CHECK;
void email_sender_release(struct email_sender *sender); /* also for a zeroed struct */

/* The address is one (else ERROR_REFUSED), there is a body, and the unsubscribe address may stand in a header. */
bool email_message_check(const struct provider_message *message, struct error *err) MUST_CHECK;

/* `,"headers":{"List-Unsubscribe":"<https://...>","List-Unsubscribe-Post":"..."}`; nothing without an address. */
void email_add_list_headers_json(struct text *out, const struct provider_message *message);

#endif
