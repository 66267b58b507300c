#include "shared/message.h"

#include <string.h>

#define VERSION "postrider/1"

static char *put_bytes(char *at, const char *bytes, size_t length)
{
	memcpy(at, bytes, length);
	return at + length;
}

static char *put_number(char *at, int64_t number)
{
	char digits[20];
	size_t start = sizeof(digits);
	uint64_t rest = number > 0 ? (uint64_t)number : 0;
	do {
		digits[--start] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	return put_bytes(at, digits + start, sizeof(digits) - start);
}

/* Always whole: a job must not become unreadable because nobody named its trace. */
static char *put_trace(char *at, const char trace_id[MESSAGE_TRACE_LENGTH + 1])
{
	size_t length = strnlen(trace_id, MESSAGE_TRACE_LENGTH);
	memset(at, '0', MESSAGE_TRACE_LENGTH - length);
	return put_bytes(at + MESSAGE_TRACE_LENGTH - length, trace_id, length);
}

#define PUT_LITERAL(at, literal) put_bytes(at, literal, sizeof(literal) - 1)

/* The longest is 11 + 10 + 19 + 7 + 10 + 9 + 19 + 6 + 10 + 7 + 32 = 140 bytes. */
size_t message_encode(const struct message *message, char buffer[MESSAGE_BYTES_MAX])
{
	char *at = buffer;
	at = PUT_LITERAL(at, VERSION " delivery=");
	at = put_number(at, message->delivery_id);
	at = PUT_LITERAL(at, " epoch=");
	at = put_number(at, message->epoch);
	at = PUT_LITERAL(at, " expires=");
	at = put_number(at, message->expires_at_ms);
	at = PUT_LITERAL(at, " lane=");
	at = put_number(at, message->lane_id);
	at = PUT_LITERAL(at, " trace=");
	at = put_trace(at, message->trace_id);
	*at = '\0';
	return (size_t)(at - buffer);
}

struct cursor {
	const char *at, *end;
};

static bool skip_literal(struct cursor *cursor, const char *literal, size_t length)
{
	if ((size_t)(cursor->end - cursor->at) < length || memcmp(cursor->at, literal, length) != 0)
		return false;
	cursor->at += length;
	return true;
}

#define SKIP_LITERAL(cursor, literal) skip_literal(cursor, literal, sizeof(literal) - 1)

/* Decimal without sign or leading zero, so that every number has one spelling. */
static bool take_number(struct cursor *cursor, int64_t lowest, int64_t highest, int64_t *number)
{
	const char *start = cursor->at;
	int64_t value = 0;
	while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9') {
		int digit = *cursor->at++ - '0';
		if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value))
			return false;
	}
	if (cursor->at == start || (*start == '0' && cursor->at - start > 1))
		return false;
	*number = value;
	return value >= lowest && value <= highest;
}

static bool take_trace(struct cursor *cursor, char trace_id[MESSAGE_TRACE_LENGTH + 1])
{
	if (cursor->end - cursor->at < MESSAGE_TRACE_LENGTH)
		return false;
	for (size_t i = 0; i < MESSAGE_TRACE_LENGTH; i++) {
		char c = cursor->at[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	memcpy(trace_id, cursor->at, MESSAGE_TRACE_LENGTH);
	trace_id[MESSAGE_TRACE_LENGTH] = '\0';
	cursor->at += MESSAGE_TRACE_LENGTH;
	return true;
}

static bool invalid(struct error *err, const char *what)
{
	return error_set(err, ERROR_INVALID, "the message has %s", what);
}

bool message_decode(struct message *message, const void *bytes, size_t length, struct error *err)
{
	if (length > MESSAGE_BYTES_MAX)
		return error_set(err, ERROR_INVALID, "the message has %zu bytes, more than %d", length,
				 MESSAGE_BYTES_MAX);
	if (length == 0)
		return error_set(err, ERROR_INVALID, "the message is empty");

	struct cursor cursor = {.at = bytes, .end = (const char *)bytes + length};
	struct message read;
	int64_t epoch, lane_id;
	if (!SKIP_LITERAL(&cursor, VERSION " "))
		return invalid(err, "a version other than " VERSION);
	if (!SKIP_LITERAL(&cursor, "delivery=") || !take_number(&cursor, 1, INT64_MAX, &read.delivery_id))
		return invalid(err, "no valid delivery");
	if (!SKIP_LITERAL(&cursor, " epoch=") || !take_number(&cursor, 1, INT32_MAX, &epoch))
		return invalid(err, "no valid epoch");
	if (!SKIP_LITERAL(&cursor, " expires=") || !take_number(&cursor, 0, INT64_MAX, &read.expires_at_ms))
		return invalid(err, "no valid expires");
	if (!SKIP_LITERAL(&cursor, " lane=") || !take_number(&cursor, 1, INT32_MAX, &lane_id))
		return invalid(err, "no valid lane");
	if (!SKIP_LITERAL(&cursor, " trace=") || !take_trace(&cursor, read.trace_id))
		return invalid(err, "no valid trace");
	if (cursor.at < cursor.end && *cursor.at != ' ')
		return invalid(err, "something other than a field after its trace");

	read.epoch = (int32_t)epoch;
	read.lane_id = (int32_t)lane_id;
	*message = read;
	return true;
}
