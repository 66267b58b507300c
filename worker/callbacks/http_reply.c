#include "worker/callbacks/http_reply.h"

#include <string.h>
#include <time.h>

#include "shared/clock.h"

static const struct {
	int status;
	const char *words;
} statuses[] = {
	{200, "OK"},
	{202, "Accepted"},
	{204, "No Content"},
	{301, "Moved Permanently"},
	{302, "Found"},
	{303, "See Other"},
	{304, "Not Modified"},
	{307, "Temporary Redirect"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{408, "Request Timeout"},
	{409, "Conflict"},
	{410, "Gone"},
	{411, "Length Required"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{415, "Unsupported Media Type"},
	{422, "Unprocessable Content"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{503, "Service Unavailable"},
	{505, "HTTP Version Not Supported"},
};

/* RFC 9110 §15: who does not know a status reads it as its class. */
static const char *words_of(int status)
{
	for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++)
		if (statuses[i].status == status)
			return statuses[i].words;
	return "Other";
}

/* RFC 9110 §6.6.1 asks for it in every answer. Written once a second. */
static const char *date_line(void)
{
	static char line[64];
	static time_t written_for;
	time_t now = (time_t)(clock_wall_ms() / 1000);
	struct tm parts;

	if (now != written_for && gmtime_r(&now, &parts) != NULL) {
		strftime(line, sizeof(line), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
		written_for = now;
	}
	return line;
}

static void add_status_line(struct text *out, int status)
{
	text_add(out, "HTTP/1.1 ");
	text_add_int64(out, status);
	text_add_char(out, ' ');
	text_add(out, words_of(status));
	text_add(out, "\r\n");
	text_add(out, date_line());
}

static bool has_no_body(int status)
{
	return status == 204 || status == 304;
}

void http_reply_add(struct text *out, const struct http_answer *answer, bool without_body, bool closes)
{
	const char *words = words_of(answer->status);
	bool says_words = answer->status >= 400 && answer->body.length == 0;
	struct slice body = says_words ? (struct slice){words, strlen(words)} : answer->body;

	add_status_line(out, answer->status);
	if (!has_no_body(answer->status)) {
		text_add(out, "Content-Type: ");
		text_add(out, answer->type != NULL && !says_words ? answer->type : "text/plain; charset=utf-8");
		text_add(out, "\r\nContent-Length: ");
		text_add_int64(out, (int64_t)body.length + says_words);
		text_add(out, "\r\n");
	}
	if (answer->headers != NULL)
		text_add(out, answer->headers);
	text_add(out, closes ? "Connection: close\r\n\r\n" : "\r\n");
	if (without_body || has_no_body(answer->status))
		return;
	text_add_bytes(out, body.bytes, body.length);
	if (says_words)
		text_add_char(out, '\n');
}

const char *http_reply_allow(unsigned methods)
{
	static const char *const lines[] = {
		"Allow: \r\n",     "Allow: GET\r\n",       "Allow: HEAD\r\n",       "Allow: GET, HEAD\r\n",
		"Allow: POST\r\n", "Allow: GET, POST\r\n", "Allow: HEAD, POST\r\n", "Allow: GET, HEAD, POST\r\n",
	};

	return lines[methods & (HTTP_GET | HTTP_HEAD | HTTP_POST)];
}
