/* http_reply - writes an answer as HTTP/1.1. */
#ifndef POSTRIDER_WORKER_CALLBACKS_HTTP_REPLY_H
#define POSTRIDER_WORKER_CALLBACKS_HTTP_REPLY_H

#include "shared/text.h"
#include "worker/callbacks/http_server.h"

/* without_body: the answer to a HEAD; it says the length that a GET would have. closes: "Connection: close". */
void http_reply_add(struct text *out, const struct http_answer *answer, bool without_body, bool closes);
/* The header that a 405 needs; methods as in http_server_route(). A literal. */
const char *http_reply_allow(unsigned methods);

#endif
