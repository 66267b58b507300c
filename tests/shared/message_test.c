#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "shared/message.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"

static const char example[] =
	"postrider/1 delivery=202611000000000042 epoch=1 expires=1795300000000 lane=3 trace=" TRACE;

static void reads_as_the_header_shows(void **state)
{
	(void)state;
	struct message message;
	struct error err = {0};
	assert_true(message_decode(&message, example, strlen(example), &err));
	assert_int_equal(message.delivery_id, INT64_C(202611000000000042));
	assert_int_equal(message.epoch, 1);
	assert_int_equal(message.expires_at_ms, INT64_C(1795300000000));
	assert_int_equal(message.lane_id, 3);
	assert_string_equal(message.trace_id, TRACE);

	char buffer[MESSAGE_BYTES_MAX];
	assert_int_equal(message_encode(&message, buffer), strlen(example));
	assert_string_equal(buffer, example);
}

static void the_largest_survives_the_round_trip(void **state)
{
	(void)state;
	struct message message = {.delivery_id = INT64_MAX,
				  .epoch = INT32_MAX,
				  .expires_at_ms = INT64_MAX,
				  .lane_id = INT32_MAX,
				  .trace_id = TRACE};
	char buffer[MESSAGE_BYTES_MAX];
	size_t length = message_encode(&message, buffer);
	struct message read;
	struct error err;
	assert_true(message_decode(&read, buffer, length, &err));
	assert_int_equal(read.delivery_id, INT64_MAX);
	assert_int_equal(read.epoch, INT32_MAX);
	assert_int_equal(read.expires_at_ms, INT64_MAX);
	assert_int_equal(read.lane_id, INT32_MAX);
	assert_string_equal(read.trace_id, TRACE);
}

static void a_missing_trace_becomes_zeros(void **state)
{
	(void)state;
	struct message message = {.delivery_id = 1, .epoch = 1, .lane_id = 1, .trace_id = "ab"}, read;
	char buffer[MESSAGE_BYTES_MAX];
	struct error err;
	size_t length = message_encode(&message, buffer);
	assert_true(message_decode(&read, buffer, length, &err));
	assert_string_equal(read.trace_id, "000000000000000000000000000000ab");
}

#define WITH(delivery, epoch, expires, lane, rest)                                                                     \
	"postrider/1 delivery=" delivery " epoch=" epoch " expires=" expires " lane=" lane " trace=" rest

static const struct {
	const char *when;
	const char *bytes;
	const char *says; /* NULL: is accepted */
} rows[] = {
	{"a newer version appends fields", WITH("1", "1", "0", "1", TRACE " shard=7 x"), NULL},
	{"nothing came", "", "empty"},
	{"another major version", "postrider/2 delivery=1", "version"},
	{"a longer version", "postrider/10 delivery=1", "version"},
	{"another protocol", "GET / HTTP/1.1", "version"},
	{"no delivery", WITH("", "1", "0", "1", TRACE), "delivery"},
	{"delivery 0", WITH("0", "1", "0", "1", TRACE), "delivery"},
	{"a negative delivery", WITH("-1", "1", "0", "1", TRACE), "delivery"},
	{"a delivery beyond 64 bits", WITH("9223372036854775808", "1", "0", "1", TRACE), "delivery"},
	{"a very long number", WITH("99999999999999999999999999999999999", "1", "0", "1", TRACE), "delivery"},
	{"a leading zero", WITH("01", "1", "0", "1", TRACE), "delivery"},
	{"a plus sign", WITH("+1", "1", "0", "1", TRACE), "delivery"},
	{"epoch 0", WITH("1", "0", "0", "1", TRACE), "epoch"},
	{"an epoch beyond 32 bits", WITH("1", "2147483648", "0", "1", TRACE), "epoch"},
	{"letters behind the epoch", WITH("1", "1x", "0", "1", TRACE), "expires"},
	{"a negative expiry", WITH("1", "1", "-5", "1", TRACE), "expires"},
	{"lane 0", WITH("1", "1", "0", "0", TRACE), "lane"},
	{"a short trace", WITH("1", "1", "0", "1", "4bf92f"), "trace"},
	{"an upper-case trace", WITH("1", "1", "0", "1", "4BF92F3577B34DA6A3CE929D0E0E4736"), "trace"},
	{"a long trace", WITH("1", "1", "0", "1", TRACE "a"), "after its trace"},
	{"a line end", WITH("1", "1", "0", "1", TRACE "\n"), "after its trace"},
	{"fields in another order", "postrider/1 epoch=1 delivery=1", "delivery"},
	{"two spaces", "postrider/1  delivery=1", "delivery"},
};

static void accepts_and_refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct message message = {.delivery_id = -7};
		struct error err = {0};
		bool accepted = message_decode(&message, rows[i].bytes, strlen(rows[i].bytes), &err);
		if (accepted != !rows[i].says)
			fail_msg("%s: %s", rows[i].when, err.text);
		if (accepted)
			continue;
		assert_int_equal(err.kind, ERROR_INVALID);
		assert_int_equal(message.delivery_id, -7);
		if (!strstr(err.text, rows[i].says))
			fail_msg("%s: \"%s\" does not mention %s", rows[i].when, err.text, rows[i].says);
	}
}

static void every_prefix_is_refused(void **state)
{
	(void)state;
	for (size_t length = 0; length < sizeof(example) - 1; length++) {
		struct message message;
		struct error err;
		assert_false(message_decode(&message, example, length, &err));
	}
}

static void more_than_the_limit_is_refused(void **state)
{
	(void)state;
	char bytes[MESSAGE_BYTES_MAX + 1];
	memset(bytes, ' ', sizeof(bytes));
	memcpy(bytes, example, strlen(example));
	struct message message;
	struct error err;
	assert_true(message_decode(&message, bytes, MESSAGE_BYTES_MAX, &err));
	assert_false(message_decode(&message, bytes, MESSAGE_BYTES_MAX + 1, &err));
	assert_non_null(strstr(err.text, "513 bytes"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_as_the_header_shows),     cmocka_unit_test(the_largest_survives_the_round_trip),
		cmocka_unit_test(a_missing_trace_becomes_zeros), cmocka_unit_test(accepts_and_refuses),
		cmocka_unit_test(every_prefix_is_refused),       cmocka_unit_test(more_than_the_limit_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
