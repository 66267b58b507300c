/* message - a job on the broker: which delivery, which epoch. Ids only, no personal data.
 *
 * On the wire it is one line of ASCII, at most MESSAGE_BYTES_MAX:
 *
 *     postrider/1 delivery=202611000000000042 epoch=1 expires=1795300000000 lane=3 trace=4bf9...
 *
 * Fields come in this order. A newer version may append fields; a reader of version 1 ignores
 * what it does not know after the ones above. `expires` is Unix time in ms, 0 for never.
 */
#ifndef POSTRIDER_SHARED_MESSAGE_H
#define POSTRIDER_SHARED_MESSAGE_H

#include "shared/error.h"

#define MESSAGE_BYTES_MAX    512
#define MESSAGE_TRACE_LENGTH 32

struct message {
	int64_t delivery_id;                     /* above 0 */
	int32_t epoch;                           /* 1 or more; an older one is stale */
	int64_t expires_at_ms;                   /* wall clock; 0: never */
	int32_t lane_id;                         /* above 0 */
	char trace_id[MESSAGE_TRACE_LENGTH + 1]; /* lower-case hex, W3C trace-id */
};

/* Writes into buffer with a NUL behind, returns the length (always < MESSAGE_BYTES_MAX). A trace_id
 * shorter than it should be gets zeros in front, so that the job can be read all the same. */
size_t message_encode(const struct message *message, char buffer[MESSAGE_BYTES_MAX]);

/* Fails with ERROR_INVALID and a sentence that says which field; message is untouched then. */
bool message_decode(struct message *message, const void *bytes, size_t length, struct error *err) MUST_CHECK;

#endif
