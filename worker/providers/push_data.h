/* push_data - a message's data for the app: a JSON object, as the template made it. */
#ifndef POSTRIDER_WORKER_PROVIDERS_PUSH_DATA_H
#define POSTRIDER_WORKER_PROVIDERS_PUSH_DATA_H

#include "worker/providers/provider.h"

#define PUSH_PAYLOAD_MAX 4096 /* bytes, at Firebase, Apple and every push service of RFC 8030 */

/* Our own members, beside the data's: the delivery, and where a tap leads. */
#define PUSH_DELIVERY "postrider_delivery"
#define PUSH_LINK     "link"
#define PUSH_IMAGE    "image"

/* Takes a member of the data; false with a sentence when the vendor keeps that name for itself. */
typedef bool push_data_allows(const char *key, struct error *err);

/* The data as JSON, to be released; an empty object when there is none. NULL and ERROR_INVALID when it is no JSON object,
 * names a key twice or uses a name that is ours or the vendor's. */
json_t *push_data_parse(const struct provider_message *message, push_data_allows *allows, struct error *err) MUST_CHECK;

/* A value as a text: what is none is written as JSON, for example true, 12.5 or {"a":1}. With its quotes. */
void push_data_add_string(struct text *out, const json_t *value);
/* A value as it is. */
void push_data_add_json(struct text *out, const json_t *value);

/* "name":"value" with a comma before it, where value is not empty. */
void push_data_add_member(struct text *out, const char *name, struct slice value);

/* A title or a text is there, or nothing is to be shown. */
bool push_data_can_be_shown(const struct provider_message *message, struct error *err) MUST_CHECK;

#endif
