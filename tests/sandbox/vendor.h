/* vendor - one look-alike: where it lives, how it answers, how it calls back. One file each, vendor_NAME.c.
 *
 * answer() checks the request as the vendor does, in the vendor's order, and answers in the vendor's words. fail() gives
 * the vendor's own answer for a status: it serves ordered faults and rate limits. Neither does anything but fill the
 * exchange.
 */
#ifndef POSTRIDER_TESTS_SANDBOX_VENDOR_H
#define POSTRIDER_TESTS_SANDBOX_VENDOR_H

#include "tests/sandbox/exchange.h"

struct callback_style;

struct vendor {
	const char *name;   /* as in the ledger and in control requests */
	const char *prefix; /* of the path; NULL: whatever is left */
	bool is_keyed;      /* a repeat of a key has no second effect */
	bool is_message;    /* false: asks for tokens; only faults that name it hit it */
	void (*answer)(struct exchange *exchange);
	void (*fail)(struct exchange *exchange, int status);
	const struct callback_style *callbacks; /* NULL: it never calls back */
};

const struct vendor *vendor_for_path(struct span path);
const struct vendor *vendor_find(const char *name); /* NULL: there is none */

extern const struct vendor vendor_mandrill, vendor_sendgrid, vendor_twilio, vendor_google, vendor_fcm, vendor_apns,
	vendor_webpush, vendor_webhook;

#endif
