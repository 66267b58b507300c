#include "worker/callbacks/verbatim.h"

#include <string.h>
#include <strings.h>

/* A name that ends in "-" stands for all that begin so. */
static const char *const dropped[] = {
	"accept",         "accept-",    "authorization",
	"cache-control",  "cf-",        "connection",
	"content-length", "cookie",     "expect",
	"forwarded",      "host",       "keep-alive",
	"pragma",         "proxy-",     "te",
	"traceparent",    "tracestate", "transfer-encoding",
	"upgrade",        "via",        "x-amzn-trace-id",
	"x-forwarded-",   "x-real-ip",  "x-request-id",
};

static bool is_dropped(struct slice line)
{
	for (size_t i = 0; i < ARRAY_LENGTH(dropped); i++) {
		size_t length = strlen(dropped[i]);
		bool is_family = dropped[i][length - 1] == '-';

		if (line.length > length && strncasecmp(line.bytes, dropped[i], length) == 0 &&
		    (is_family || line.bytes[length] == ':'))
			return true;
	}
	return false;
}

void verbatim_add_headers(struct text *out, struct slice headers)
{
	while (headers.length > 0) {
		const char *end = memchr(headers.bytes, '\n', headers.length);
		size_t length = end != NULL ? (size_t)(end - headers.bytes) + 1 : headers.length;
		struct slice line = {headers.bytes, length};

		if (!is_dropped(line))
			text_add_bytes(out, line.bytes, line.length);
		headers.bytes += length;
		headers.length -= length;
	}
}

/* With its length before it, so that two parts cannot be mistaken for others. */
static void add_part(struct text *out, struct slice part)
{
	text_add_int64(out, (int64_t)part.length);
	text_add_char(out, ':');
	text_add_bytes(out, part.bytes, part.length);
}

void verbatim_fingerprint(int32_t provider_account_id, const char *target, struct slice headers, struct slice body,
			  uint8_t digest[DIGEST_SHA256_BYTES])
{
	struct text all;

	text_init(&all, body.length + headers.length + strlen(target) + 256);
	text_add_int64(&all, provider_account_id);
	add_part(&all, (struct slice){target, strlen(target)});
	add_part(&all, provider_header(headers, "Content-Type"));
	add_part(&all, provider_header(headers, "webhook-id"));
	add_part(&all, body);
	digest_sha256(all.bytes, all.length, digest);
	text_release(&all);
}
