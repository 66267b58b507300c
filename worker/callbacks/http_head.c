#include "worker/callbacks/http_head.h"

#include <string.h>
#include <strings.h>

#define LENGTH_DIGITS_MAX 15

const char *const http_refusal_names[HTTP_REFUSALS + 1] = {
	[HTTP_FINE] = "fine",           [HTTP_MALFORMED] = "malformed", [HTTP_HEAD_TOO_LARGE] = "head_too_large",
	[HTTP_NO_LENGTH] = "no_length", [HTTP_TOO_LARGE] = "too_large", [HTTP_UNSUPPORTED] = "unsupported",
	[HTTP_TOO_SLOW] = "too_slow",   [HTTP_NO_ROUTE] = "no_route",   [HTTP_METHOD_UNWANTED] = "method",
	[HTTP_NO_ROOM] = "no_room",
};

size_t http_head_length(const char *bytes, size_t length, size_t from)
{
	/* The end may lie across what came before and what came now. */
	size_t start = from > 3 ? from - 3 : 0;
	const char *end = length > start ? memmem(bytes + start, length - start, "\r\n\r\n", 4) : NULL;

	return end != NULL ? (size_t)(end - bytes) + 4 : 0;
}

/* RFC 9110 §5.6.2. */
static bool is_token_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(struct slice text)
{
	for (size_t i = 0; i < text.length; i++)
		if (!is_token_character(text.bytes[i]))
			return false;
	return text.length > 0;
}

/* Visible ASCII and, where blanks may be, blank and tab; bytes beyond ASCII stand in some values (RFC 9110 §5.5). */
static bool is_clean(struct slice text, bool is_value)
{
	for (size_t i = 0; i < text.length; i++) {
		unsigned char c = (unsigned char)text.bytes[i];
		bool blank = c == ' ' || c == '\t';

		if (c == 0x7f || (c < 0x20 && !blank) || (!is_value && (blank || c > 0x7f)))
			return false;
	}
	return true;
}

static bool slice_is(struct slice text, const char *string)
{
	return text.length == strlen(string) && memcmp(text.bytes, string, text.length) == 0;
}

static bool slice_is_word(struct slice text, const char *word)
{
	return text.length == strlen(word) && strncasecmp(text.bytes, word, text.length) == 0;
}

/* Cuts what stands before the separator off the front of rest; all of it when there is none. */
static struct slice take_until(struct slice *rest, const char *separator)
{
	size_t width = strlen(separator);
	const char *found = rest->length > 0 ? memmem(rest->bytes, rest->length, separator, width) : NULL;
	struct slice taken = {rest->bytes, found != NULL ? (size_t)(found - rest->bytes) : rest->length};
	size_t used = found != NULL ? taken.length + width : taken.length;

	rest->bytes += used;
	rest->length -= used;
	return taken;
}

static struct slice trimmed(struct slice text)
{
	while (text.length > 0 && (text.bytes[0] == ' ' || text.bytes[0] == '\t')) {
		text.bytes++;
		text.length--;
	}
	while (text.length > 0 && (text.bytes[text.length - 1] == ' ' || text.bytes[text.length - 1] == '\t'))
		text.length--;
	return text;
}

static enum http_method read_method(struct slice name)
{
	if (slice_is(name, "POST"))
		return HTTP_POST;
	if (slice_is(name, "GET"))
		return HTTP_GET;
	return slice_is(name, "HEAD") ? HTTP_HEAD : HTTP_OTHER;
}

static enum http_refusal read_request_line(struct http_head *head, struct slice line, int *status)
{
	struct slice target;

	head->method_name = take_until(&line, " ");
	target = take_until(&line, " ");
	if (!is_token(head->method_name) || target.length == 0 || target.bytes[0] != '/' || !is_clean(target, false) ||
	    memchr(target.bytes, '#', target.length) != NULL)
		return HTTP_MALFORMED;
	head->method = read_method(head->method_name);
	head->path = take_until(&target, "?");
	head->query = target;
	head->stays = slice_is(line, "HTTP/1.1");
	if (head->stays || slice_is(line, "HTTP/1.0"))
		return HTTP_FINE;
	if (line.length != 8 || memcmp(line.bytes, "HTTP/", 5) != 0)
		return HTTP_MALFORMED;
	*status = 505;
	return HTTP_UNSUPPORTED;
}

static bool read_length(struct slice value, int64_t *length)
{
	*length = 0;
	if (value.length == 0 || value.length > LENGTH_DIGITS_MAX)
		return false;
	for (size_t i = 0; i < value.length; i++) {
		if (value.bytes[i] < '0' || value.bytes[i] > '9')
			return false;
		*length = *length * 10 + (value.bytes[i] - '0');
	}
	return true;
}

/* What a head says once and what decides where its request ends. */
struct framing {
	int hosts, lengths, codings;
	bool foreign_coding;
};

static bool read_header(struct http_head *head, struct framing *framing, struct slice line)
{
	struct slice name = take_until(&line, ":"), value = trimmed(line);

	if (!is_token(name) || line.bytes == name.bytes + name.length || !is_clean(value, true))
		return false;
	if (slice_is_word(name, "Host")) {
		framing->hosts++;
	} else if (slice_is_word(name, "Content-Length")) {
		framing->lengths++;
		head->has_length = true;
		return read_length(value, &head->length_bytes);
	} else if (slice_is_word(name, "Transfer-Encoding")) {
		framing->codings++;
		framing->foreign_coding |= !slice_is_word(value, "chunked");
		head->is_chunked = true;
	} else if (slice_is_word(name, "Connection")) {
		/* An option among others only ends the connection early, which is always safe. */
		head->stays &= slice_is_word(value, "keep-alive");
	} else if (slice_is_word(name, "Expect")) {
		head->expects_word = slice_is_word(value, "100-continue");
	}
	return true;
}

static enum http_refusal judge(const struct http_head *head, const struct framing *framing, bool is_new, int *status)
{
	if (framing->hosts > 1 || (is_new && framing->hosts == 0) || framing->lengths > 1 || framing->codings > 1)
		return HTTP_MALFORMED;
	if (framing->codings > 0 && (framing->lengths > 0 || !is_new))
		return HTTP_MALFORMED;
	if (framing->foreign_coding) {
		*status = 501;
		return HTTP_UNSUPPORTED;
	}
	if (head->method == HTTP_POST && !head->has_length && !head->is_chunked) {
		*status = 411;
		return HTTP_NO_LENGTH;
	}
	/* RFC 9110 §9.3.1: a body there has no meaning, and has led to smuggling. */
	if ((head->method == HTTP_GET || head->method == HTTP_HEAD) && (head->is_chunked || head->length_bytes > 0))
		return HTTP_MALFORMED;
	return HTTP_FINE;
}

enum http_refusal http_head_read(struct http_head *head, const char *bytes, size_t length, size_t header_lines_max,
				 int *status)
{
	struct slice rest = {bytes, length - 2}; /* without the empty line */
	struct framing framing = {0};
	enum http_refusal refusal;
	size_t lines = 0;
	bool is_new;

	*head = (struct http_head){0};
	*status = 400;
	refusal = read_request_line(head, take_until(&rest, "\r\n"), status);
	if (refusal != HTTP_FINE)
		return refusal;
	is_new = head->stays;
	head->headers = rest;
	while (rest.length > 0) {
		if (++lines > header_lines_max) {
			*status = 431;
			return HTTP_HEAD_TOO_LARGE;
		}
		if (!read_header(head, &framing, take_until(&rest, "\r\n")))
			return HTTP_MALFORMED;
	}
	return judge(head, &framing, is_new, status);
}
