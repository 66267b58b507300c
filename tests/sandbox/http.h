/* http - what the two versions of HTTP share. */
#ifndef POSTRIDER_TESTS_SANDBOX_HTTP_H
#define POSTRIDER_TESTS_SANDBOX_HTTP_H

#include "tests/sandbox/connection.h"
#include "tests/sandbox/sandbox.h"

#define HTTP_FAULTS                                                                                                    \
	(FAULT_BIT(FAULT_STATUS) | FAULT_BIT(FAULT_RETRY_AFTER) | FAULT_BIT(FAULT_HANG) |                              \
	 FAULT_BIT(FAULT_RESET_AFTER_BODY) | FAULT_BIT(FAULT_ACCEPT_THEN_RESET) | FAULT_BIT(FAULT_SLOW) |              \
	 FAULT_BIT(FAULT_GARBAGE))

/* Does to the connection what was ordered instead of an answer. */
void http_misbehave(struct connection *connection, const struct fault *fault);

/* The connection's input begins with HTTP/2's preface, unconsumed; its former owner is to be forgotten. */
void http2_take_over(struct sandbox *sandbox, struct connection *connection);

#endif
