/* amqp_frame - the two AMQP methods that are written by the thousand, as bytes.
 *
 * librabbitmq spends three system calls on each publish and waits in them without limit. These
 * go into a text and leave with one send() for a whole batch: about a seventh of the CPU.
 * Everything else (login, declares, heartbeats) is librabbitmq's. Pure.
 */
#ifndef POSTRIDER_SHARED_AMQP_FRAME_H
#define POSTRIDER_SHARED_AMQP_FRAME_H

#include "shared/text.h"

#define AMQP_FRAME_CHANNEL  1
#define AMQP_FRAME_BODY_MAX 4096 /* the smallest frame_max a broker may ask for */

/* Persistent and mandatory. exchange and key are cut at 255 bytes, AMQP's own limit; a
 * body over AMQP_FRAME_BODY_MAX minus 8 overflows the text. */
void amqp_frame_add_publish(struct text *out, const char *exchange, const char *key, const void *body, size_t length);
void amqp_frame_add_ack(struct text *out, uint64_t tag, bool multiple);

#endif
