#include <curl/curl.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "shared/text.h"
#include "tests/load/floor.h"

#define BODY_MAX    (64 * 1024)
#define HTTP_FILLER 450  /* with the rest about 600 bytes */
#define MAIL_FILLER 4600 /* with the rest about 5 KB */
#define LINE_LENGTH 76

struct requests;

struct request {
	struct requests *all;
	CURL *easy;
	struct curl_slist *headers, *recipients;
	struct text body;
	size_t read; /* of the body, by SMTP */
};

struct requests {
	const struct floor_options *options;
	struct event_base *base;
	struct event *timer;
	CURLM *multi;
	bool is_mail;
	int64_t started, finished, failed;
	struct text filler;
	const char *why;
};

/* ---- one request ---- */

static void write_mail(struct request *request, int64_t number)
{
	struct text *body = &request->body;

	text_addf(body,
		  "From: The Club <club@example.org>\r\nTo: member%" PRId64
		  "@example.org\r\nSubject: Offers for Anna\r\n"
		  "Message-ID: <d-%" PRId64 "@example.org>\r\nMIME-Version: 1.0\r\nX-Postrider-Delivery: %" PRId64
		  "\r\n\r\n",
		  number, number, number);
	text_add_bytes(body, text_string(&request->all->filler), request->all->filler.length);
}

static void write_message(struct request *request, int64_t number)
{
	struct text *body = &request->body;

	text_addf(body,
		  "{\"type\":\"message.in_app\",\"timestamp\":\"2026-11-21T22:03:40.123Z\",\"data\":{\"delivery_id\":"
		  "\"%" PRId64 "\",\"recipient\":\"app-%" PRId64 "\",\"title\":\"Offers for Anna\",\"body\":\"",
		  number, number);
	text_add_bytes(body, text_string(&request->all->filler), request->all->filler.length);
	text_add(body, "\"}}");
}

static size_t read_body(char *buffer, size_t size, size_t count, void *context)
{
	struct request *request = context;
	size_t left = request->body.length - request->read;
	size_t given = left < size * count ? left : size * count;

	memcpy(buffer, text_string(&request->body) + request->read, given);
	request->read += given;
	return given;
}

static size_t ignore(char *bytes, size_t size, size_t count, void *context)
{
	(void)bytes, (void)context;
	return size * count;
}

static void set_mail(struct request *request, int64_t number)
{
	char recipient[64];

	snprintf(recipient, sizeof(recipient), "<member%" PRId64 "@example.org>", number);
	curl_slist_free_all(request->recipients);
	request->recipients = curl_slist_append(NULL, recipient);
	request->read = 0;
	curl_easy_setopt(request->easy, CURLOPT_MAIL_RCPT, request->recipients);
	curl_easy_setopt(request->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body.length);
}

static void set_post(struct request *request, int64_t number)
{
	char line[160];

	curl_slist_free_all(request->headers);
	request->headers = curl_slist_append(NULL, "Content-Type: application/json");
	snprintf(line, sizeof(line), "webhook-id: floor-%" PRId64, number);
	request->headers = curl_slist_append(request->headers, line);
	request->headers = curl_slist_append(request->headers, "webhook-timestamp: 1795300000");
	request->headers = curl_slist_append(request->headers,
					     "webhook-signature: v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=");
	snprintf(line, sizeof(line), "X-Postrider-Delivery: %" PRId64, number);
	request->headers = curl_slist_append(request->headers, line);
	curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, request->headers);
	curl_easy_setopt(request->easy, CURLOPT_POSTFIELDS, text_string(&request->body));
	curl_easy_setopt(request->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.length);
}

static void send_next(struct request *request)
{
	struct requests *all = request->all;
	int64_t number = all->options->first + all->started++;

	text_clear(&request->body);
	if (all->is_mail) {
		write_mail(request, number);
		set_mail(request, number);
	} else {
		write_message(request, number);
		set_post(request, number);
	}
	curl_multi_add_handle(all->multi, request->easy);
}

static struct request *request_new(struct requests *all)
{
	struct request *request = memory_new(sizeof(*request));
	CURL *easy = curl_easy_init();

	request->all = all;
	request->easy = easy;
	text_init(&request->body, BODY_MAX);
	curl_easy_setopt(easy, CURLOPT_URL, all->options->url);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore);
	if (all->is_mail) {
		curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(easy, CURLOPT_MAIL_FROM, "<club@example.org>");
		curl_easy_setopt(easy, CURLOPT_READFUNCTION, read_body);
		curl_easy_setopt(easy, CURLOPT_READDATA, request);
	}
	return request;
}

static void request_free(struct request *request)
{
	curl_easy_cleanup(request->easy);
	curl_slist_free_all(request->headers);
	curl_slist_free_all(request->recipients);
	text_release(&request->body);
	free(request);
}

/* ---- libcurl on libevent ---- */

static void note_answer(struct requests *all, CURLcode result, CURL *easy)
{
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	all->finished++;
	if (result == CURLE_OK && status >= 200 && status < 300)
		return;
	all->failed++;
	all->why = result != CURLE_OK ? curl_easy_strerror(result) : "it was refused";
}

static void look_for_answers(struct requests *all)
{
	struct request *request;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(all->multi, &left))) {
		CURL *easy = message->easy_handle;

		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &request);
		note_answer(all, message->data.result, easy);
		curl_multi_remove_handle(all->multi, easy);
		if (all->started < all->options->count && all->failed == 0)
			send_next(request);
		else
			request_free(request);
	}
	if (all->finished == all->started)
		event_base_loopbreak(all->base);
}

static void on_socket_event(evutil_socket_t fd, short what, void *context)
{
	struct requests *all = context;
	int running, flags = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);

	curl_multi_socket_action(all->multi, fd, flags, &running);
	look_for_answers(all);
}

static void on_timeout(evutil_socket_t fd, short what, void *context)
{
	struct requests *all = context;
	int running;

	(void)fd, (void)what;
	curl_multi_socket_action(all->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	look_for_answers(all);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *socket_context)
{
	struct requests *all = context;
	struct event *event = socket_context;
	short wanted =
		(short)((what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0) | EV_PERSIST);

	(void)easy;
	if (event && event_get_events(event) == wanted)
		return 0;
	if (event)
		event_free(event);
	event = what == CURL_POLL_REMOVE ? NULL : event_new(all->base, fd, wanted, on_socket_event, all);
	if (event)
		event_add(event, NULL);
	curl_multi_assign(all->multi, fd, event);
	return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *context)
{
	struct requests *all = context;
	struct timeval wait = {timeout_ms / 1000, timeout_ms % 1000 * 1000};

	(void)multi;
	if (timeout_ms < 0)
		event_del(all->timer);
	else
		event_add(all->timer, &wait);
	return 0;
}

/* ---- the part ---- */

static void write_filler(struct requests *all)
{
	text_init(&all->filler, BODY_MAX);
	for (size_t i = 0; i < (all->is_mail ? MAIL_FILLER : HTTP_FILLER); i++)
		if (all->is_mail && i % LINE_LENGTH == LINE_LENGTH - 1)
			text_add(&all->filler, "\r\n");
		else
			text_add_char(&all->filler, (char)('a' + i % 26));
}

static void open_multi(struct requests *all)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
	all->base = event_base_new();
	all->timer = evtimer_new(all->base, on_timeout, all);
	all->multi = curl_multi_init();
	curl_multi_setopt(all->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(all->multi, CURLMOPT_SOCKETDATA, all);
	curl_multi_setopt(all->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(all->multi, CURLMOPT_TIMERDATA, all);
	curl_multi_setopt(all->multi, CURLMOPT_MAXCONNECTS, (long)all->options->connections);
}

static void close_multi(struct requests *all)
{
	curl_multi_cleanup(all->multi);
	event_free(all->timer);
	event_base_free(all->base);
	text_release(&all->filler);
	curl_global_cleanup();
}

bool floor_requests(const struct floor_options *options, struct error *err)
{
	struct requests all = {.options = options, .is_mail = strncmp(options->url, "smtp://", 7) == 0};

	write_filler(&all);
	open_multi(&all);
	for (int64_t i = 0; i < options->connections && all.started < options->count; i++)
		send_next(request_new(&all));
	event_base_dispatch(all.base);
	close_multi(&all);
	if (all.failed == 0)
		return true;
	return error_set(err, ERROR_TRANSIENT, "A request failed: %s.", all.why);
}
