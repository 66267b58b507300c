/* floor - the bare parts of what the engine does, each as fast as a plain program does it.
 *
 * One part a process, so that its CPU is its own; several run at the same time, as they do in the engine. Each prints
 * one line of JSON: {"part":"rows","count":100000,"seconds":2.5,"cpu_seconds":0.4}. See README.md for what is compared.
 */
#ifndef POSTRIDER_TESTS_LOAD_FLOOR_H
#define POSTRIDER_TESTS_LOAD_FLOOR_H

#include "shared/error.h"

struct floor_options {
	const char *url; /* of the server */
	int64_t first;   /* the first number; parts side by side have their own */
	int64_t count;
	int64_t connections; /* requests in flight */
};

/* Every message published with confirms, 1,000 unconfirmed at most, and consumed and acknowledged on another
 * connection. */
bool floor_broker(const struct floor_options *options, struct error *err) MUST_CHECK;

/* Every row inserted, and updated three times, in the engine's batches, in tables that tests/load/run has made. */
bool floor_rows(const struct floor_options *options, struct error *err) MUST_CHECK;

/* Every message handed to the provider by libcurl: http://... or smtp://... */
bool floor_requests(const struct floor_options *options, struct error *err) MUST_CHECK;

/* Every callback verified and parsed as the receiver does it: Standard Webhooks, HMAC-SHA256 over 400 bytes.
 * WEBHOOK_SECRET is that of the tests. */
bool floor_verify(const struct floor_options *options, struct error *err) MUST_CHECK;

#endif
