#include "shared/amqp_frame.h"

#include <string.h>

#define FRAME_METHOD       1
#define FRAME_HEADER       2
#define FRAME_BODY         3
#define FRAME_END          0xce
#define CLASS_BASIC        60
#define METHOD_PUBLISH     40
#define METHOD_ACK         80
#define FLAG_MANDATORY     1
#define FLAG_DELIVERY_MODE 0x1000
#define PERSISTENT         2
#define SHORT_STRING_MAX   255
#define HEAD_BYTES_MAX     (64 + 2 * SHORT_STRING_MAX)

struct cursor {
	uint8_t *at;
};

static void put(struct cursor *cursor, uint64_t number, int bytes)
{
	for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
		*cursor->at++ = (uint8_t)(number >> shift);
}

static void put_short_string(struct cursor *cursor, const char *string)
{
	size_t length = strnlen(string, SHORT_STRING_MAX);

	put(cursor, length, 1);
	memcpy(cursor->at, string, length);
	cursor->at += length;
}

/* Type, channel and room for the size, which put_end() fills in. */
static uint8_t *put_start(struct cursor *cursor, uint8_t type)
{
	put(cursor, type, 1);
	put(cursor, AMQP_FRAME_CHANNEL, 2);
	uint8_t *size = cursor->at;
	put(cursor, 0, 4);
	return size;
}

static void put_end(struct cursor *cursor, uint8_t *size)
{
	size_t length = (size_t)(cursor->at - size) - 4;
	struct cursor at_size = {size};

	put(&at_size, length, 4);
	put(cursor, FRAME_END, 1);
}

static void put_publish(struct cursor *cursor, const char *exchange, const char *key)
{
	uint8_t *size = put_start(cursor, FRAME_METHOD);

	put(cursor, CLASS_BASIC, 2);
	put(cursor, METHOD_PUBLISH, 2);
	put(cursor, 0, 2);
	put_short_string(cursor, exchange);
	put_short_string(cursor, key);
	put(cursor, FLAG_MANDATORY, 1);
	put_end(cursor, size);
}

static void put_header(struct cursor *cursor, size_t body_length)
{
	uint8_t *size = put_start(cursor, FRAME_HEADER);

	put(cursor, CLASS_BASIC, 2);
	put(cursor, 0, 2);
	put(cursor, body_length, 8);
	put(cursor, FLAG_DELIVERY_MODE, 2);
	put(cursor, PERSISTENT, 1);
	put_end(cursor, size);
}

void amqp_frame_add_publish(struct text *out, const char *exchange, const char *key, const void *body, size_t length)
{
	uint8_t head[HEAD_BYTES_MAX];
	struct cursor cursor = {head};

	if (length > AMQP_FRAME_BODY_MAX - 8) {
		out->overflowed = true;
		return;
	}
	put_publish(&cursor, exchange, key);
	put_header(&cursor, length);
	if (length > 0) {
		put(&cursor, FRAME_BODY, 1);
		put(&cursor, AMQP_FRAME_CHANNEL, 2);
		put(&cursor, length, 4);
	}
	text_add_bytes(out, head, (size_t)(cursor.at - head));
	if (length > 0) {
		text_add_bytes(out, body, length);
		text_add_char(out, (char)FRAME_END);
	}
}

void amqp_frame_add_ack(struct text *out, uint64_t tag, bool multiple)
{
	uint8_t bytes[32];
	struct cursor cursor = {bytes};
	uint8_t *size = put_start(&cursor, FRAME_METHOD);

	put(&cursor, CLASS_BASIC, 2);
	put(&cursor, METHOD_ACK, 2);
	put(&cursor, tag, 8);
	put(&cursor, multiple ? 1 : 0, 1);
	put_end(&cursor, size);
	text_add_bytes(out, bytes, (size_t)(cursor.at - bytes));
}
