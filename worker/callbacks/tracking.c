#include "worker/callbacks/tracking.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "shared/backoff.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "shared/pg_session.h"
#include "worker/callbacks/visitor.h"

#define BATCH_MAX    500
#define LINGER_MS    200
#define RETRY_MS     1000
#define LINK_MAX     300 /* bytes of a link that are kept, without its query */
#define LOCATION_MAX 8192
#define HEADERS_MAX  (LOCATION_MAX + 400)

/* The smallest transparent picture. */
static const char picture[] = "GIF89a\1\0\1\0\200\0\0\0\0\0\0\0\0!\371\4\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;";

static const struct pg_statement note_statement = {
	.name = "note_tracking",
	.sql = "select delivery.note_tracking($1, $2, $3, $4, $5, $6, $7, $8)",
};

struct seen {
	int64_t delivery_id, at_ms;
	uint64_t number; /* of this process */
	int32_t place;   /* 0: an opening */
	struct visitor visitor;
	char *link;
	struct seen *next, *prev;
};

struct tracking {
	struct pg_session *database;
	struct links *links;
	struct event *due;
	bool due_is_set;
	struct seen *waiting, *flying;
	size_t waiting_count, flying_count;
	uint64_t process, newest; /* event keys */
	struct tracking_counts counts;
	struct text open_prefix, click_prefix, target, headers;
	struct pg_values values;
};

static void on_due(evutil_socket_t fd, short what, void *context);

struct tracking *tracking_open(struct event_base *base, struct pg_session *database, struct links *links)
{
	struct tracking *tracking = memory_new(sizeof(*tracking));

	*tracking = (struct tracking){.database = database, .links = links, .process = backoff_random()};
	tracking->due = evtimer_new(base, on_due, tracking);
	text_init(&tracking->open_prefix, 300);
	text_init(&tracking->click_prefix, 300);
	text_init(&tracking->target, LINKS_TARGET_MAX);
	text_init(&tracking->headers, HEADERS_MAX);
	pg_values_init(&tracking->values);
	return tracking;
}

static void forget(struct seen *list)
{
	struct seen *seen, *next;

	DL_FOREACH_SAFE(list, seen, next) {
		free(seen->link);
		free(seen);
	}
}

void tracking_close(struct tracking **tracking)
{
	if (*tracking == NULL)
		return;
	event_free((*tracking)->due);
	forget((*tracking)->waiting);
	forget((*tracking)->flying);
	text_release(&(*tracking)->open_prefix);
	text_release(&(*tracking)->click_prefix);
	text_release(&(*tracking)->target);
	text_release(&(*tracking)->headers);
	pg_values_release(&(*tracking)->values);
	free(*tracking);
	*tracking = NULL;
}

static void set_due(struct tracking *tracking, int64_t wait_ms)
{
	const struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};

	if (tracking->due_is_set)
		return;
	tracking->due_is_set = true;
	evtimer_add(tracking->due, &wait);
}

static void item_key(struct tracking *tracking, const struct seen *seen)
{
	char key[48];

	snprintf(key, sizeof(key), "own-%016" PRIx64 "-%" PRIu64, tracking->process, seen->number);
	pg_values_item_text(&tracking->values, key, strlen(key));
}

static void item_source(struct tracking *tracking, const struct seen *seen)
{
	char source[100];

	snprintf(source, sizeof(source), "%s%s%s", seen->place > 0 ? "our own link" : "our own picture",
		 seen->visitor.note[0] != '\0' ? ", " : "", seen->visitor.note);
	pg_values_item_text(&tracking->values, source, strlen(source));
}

/* One array parameter: `statement` sees each of those on their way as `s`. */
#define ADD_ARRAY(tracking, statement)                                                                                 \
	do {                                                                                                           \
		const struct seen *s;                                                                                  \
		pg_values_start_array(&(tracking)->values);                                                            \
		DL_FOREACH((tracking)->flying, s)                                                                      \
			statement;                                                                                     \
		pg_values_end_array(&(tracking)->values);                                                              \
	} while (0)

static void on_noted(void *context, const struct pg_rows *rows, const struct error *err);

static void ask(struct tracking *tracking)
{
	struct pg_values *values = &tracking->values;

	ADD_ARRAY(tracking, pg_values_item_int64(values, s->delivery_id));
	ADD_ARRAY(tracking, pg_values_item_text(values, s->place > 0 ? "clicked" : "opened", s->place > 0 ? 7 : 6));
	ADD_ARRAY(tracking, pg_values_item_int64(values, s->at_ms));
	ADD_ARRAY(tracking, item_key(tracking, s));
	ADD_ARRAY(tracking, s->place > 0 ? pg_values_item_int64(values, s->place) : pg_values_item_null(values));
	ADD_ARRAY(tracking, pg_values_item_text(values, s->link, s->link != NULL ? strlen(s->link) : 0));
	ADD_ARRAY(tracking, item_source(tracking, s));
	ADD_ARRAY(tracking, pg_values_item_bool(values, s->visitor.is_machine));
	pg_session_ask(tracking->database, &note_statement, values, on_noted, tracking);
}

static void finish(struct tracking *tracking, int64_t lost)
{
	forget(tracking->flying);
	tracking->flying = NULL;
	tracking->flying_count = 0;
	tracking->counts.lost += lost;
	if (tracking->waiting != NULL)
		set_due(tracking, 0);
}

static void on_noted(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct tracking *tracking = context;

	(void)rows;
	if (err == NULL) {
		finish(tracking, 0);
	} else if (err->kind == ERROR_REFUSED || err->kind == ERROR_INVALID) {
		log_event(LOG_WARNING, "tracking_refused", err->text, LOG_INT("events", tracking->flying_count));
		finish(tracking, (int64_t)tracking->flying_count);
	} else {
		set_due(tracking, RETRY_MS); /* the same again: each event has its key */
	}
}

static void on_due(evutil_socket_t fd, short what, void *context)
{
	struct tracking *tracking = context;

	(void)fd, (void)what;
	tracking->due_is_set = false;
	if (tracking->flying == NULL)
		while (tracking->waiting != NULL && tracking->flying_count < BATCH_MAX) {
			struct seen *seen = tracking->waiting;

			DL_DELETE(tracking->waiting, seen);
			DL_APPEND(tracking->flying, seen);
			tracking->waiting_count--;
			tracking->flying_count++;
		}
	if (tracking->flying != NULL)
		ask(tracking);
}

/* Where a click led, as it is kept: not what stands behind ? or #, which may name the person. */
static char *kept_link(const struct text *target)
{
	size_t length = 0;

	while (length < target->length && length < LINK_MAX && target->bytes[length] != '?' &&
	       target->bytes[length] != '#')
		length++;
	return memory_copy_bytes(target->bytes, length);
}

static void note(struct tracking *tracking, const struct link_claim *claim, const struct http_request *request)
{
	struct seen *seen;

	if (tracking->waiting_count >= TRACKING_WAITING_MAX) {
		tracking->counts.lost++;
		return;
	}
	seen = memory_new(sizeof(*seen));
	*seen = (struct seen){.delivery_id = claim->delivery_id,
			      .at_ms = clock_wall_ms(),
			      .number = ++tracking->newest,
			      .place = claim->place,
			      .visitor = visitor_judge(request->method == HTTP_HEAD, request->headers),
			      .link = claim->place > 0 ? kept_link(&tracking->target) : NULL};
	DL_APPEND(tracking->waiting, seen);
	tracking->waiting_count++;
	if (tracking->flying == NULL)
		set_due(tracking, LINGER_MS);
}

static bool verify(struct tracking *tracking, enum link_kind kind, const struct text *prefix,
		   const struct http_request *request, struct link_claim *claim)
{
	text_clear(&tracking->target);
	if (links_verify(tracking->links, kind, request->path.bytes + prefix->length,
			 request->path.length - prefix->length, claim, &tracking->target))
		return true;
	tracking->counts.forged++;
	return false;
}

static void on_open(void *context, struct http_exchange *exchange, const struct http_request *request)
{
	struct tracking *tracking = context;
	struct link_claim claim;

	if (!verify(tracking, LINK_OPEN, &tracking->open_prefix, request, &claim)) {
		http_exchange_answer(exchange, &(struct http_answer){.status = 404});
		return;
	}
	tracking->counts.opens++;
	note(tracking, &claim, request);
	http_exchange_answer(exchange, &(struct http_answer){.status = 200,
							     .type = "image/gif",
							     .body = {picture, sizeof(picture) - 1},
							     .headers = "Cache-Control: no-store, private\r\n"});
}

void tracking_add_location(struct text *out, const char *target, size_t length)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)target[i];

		if (byte > ' ' && byte < 0x7F && strchr("\"<>\\^`{|}", byte) == NULL)
			text_add_char(out, (char)byte);
		else
			text_add_bytes(out, (char[]){'%', digits[byte >> 4], digits[byte & 15]}, 3);
	}
}

static void on_click(void *context, struct http_exchange *exchange, const struct http_request *request)
{
	struct tracking *tracking = context;
	struct link_claim claim;

	if (!verify(tracking, LINK_CLICK, &tracking->click_prefix, request, &claim)) {
		http_exchange_answer(exchange, &(struct http_answer){.status = 404});
		return;
	}
	tracking->counts.clicks++;
	note(tracking, &claim, request);
	text_clear(&tracking->headers);
	text_add(&tracking->headers, "Cache-Control: no-store, private\r\nReferrer-Policy: no-referrer\r\n"
				     "X-Robots-Tag: noindex\r\nLocation: ");
	tracking_add_location(&tracking->headers, tracking->target.bytes, tracking->target.length);
	text_add(&tracking->headers, "\r\n");
	http_exchange_answer(exchange,
			     &(struct http_answer){.status = 302, .headers = text_string(&tracking->headers)});
}

void tracking_route(struct tracking *tracking, struct http_server *server, const char *path)
{
	text_addf(&tracking->open_prefix, "%s/%c/", path, LINK_OPEN);
	text_addf(&tracking->click_prefix, "%s/%c/", path, LINK_CLICK);
	http_server_route(server, HTTP_GET | HTTP_HEAD, text_string(&tracking->open_prefix), on_open, tracking);
	http_server_route(server, HTTP_GET | HTTP_HEAD, text_string(&tracking->click_prefix), on_click, tracking);
}

size_t tracking_pending(const struct tracking *tracking)
{
	return tracking->waiting_count + tracking->flying_count;
}

void tracking_flush(struct tracking *tracking)
{
	if (tracking->flying != NULL || tracking->waiting == NULL)
		return;
	evtimer_del(tracking->due);
	on_due(-1, 0, tracking);
}

struct tracking_counts tracking_counts(const struct tracking *tracking)
{
	return tracking->counts;
}
