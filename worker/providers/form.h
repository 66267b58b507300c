/* form - application/x-www-form-urlencoded, as providers post it (https://url.spec.whatwg.org/#application/x-www-form-urlencoded).
 *
 * Bounded: at most FORM_FIELDS_MAX fields, and no more memory than the body has bytes. A % that encodes nothing makes
 * the whole form invalid. Values are bytes: they may hold anything, NUL too.
 *
 *     struct form form;
 *     if (!form_parse(&form, callback->body, err)) ...
 *     struct slice events = form_value(&form, "mandrill_events");
 *     form_release(&form);
 */
#ifndef POSTRIDER_WORKER_PROVIDERS_FORM_H
#define POSTRIDER_WORKER_PROVIDERS_FORM_H

#include "worker/providers/provider.h"

#define FORM_FIELDS_MAX 200

struct form_field {
	struct slice name, value;
};

struct form {
	char *bytes;   /* what the fields point into */
	size_t length; /* of all names and values together, at most */
	struct form_field fields[FORM_FIELDS_MAX];
	size_t count;
};

/* Do these headers say that the body is one? */
bool form_is_announced(struct slice headers);

/* ERROR_INVALID, and then there is nothing to release. */
bool form_parse(struct form *form, struct slice body, struct error *err) MUST_CHECK;
void form_release(struct form *form);

/* The first field of that name; empty, with NULL bytes, when there is none. */
struct slice form_value(const struct form *form, const char *name);

/* Name and value of each field, in the order of the names' bytes and then the values', without anything in between; what
 * is there twice is there once. That is what Twilio and Mailchimp Transactional sign behind the URL. Sorts the form. */
void form_add_sorted(struct form *form, struct text *out);

#endif
