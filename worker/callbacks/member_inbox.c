#include "worker/callbacks/member_inbox.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#include "shared/clock.h"
#include "shared/digest.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "shared/pg_session.h"
#include "worker/callbacks/fields.h"

#define WAITING_MAX  1000
#define FEED_DEFAULT 20
#define TAG_BYTES    12

static const struct pg_statement feed_statement = {.name = "inbox_feed",
						   .sql = "select delivery.inbox_feed($1, $2, $3, $4, $5)"};
static const struct pg_statement read_statement = {.name = "inbox_read", .sql = "select delivery.inbox_read($1, $2)"};

/* A request that waits for the database. */
struct asking {
	struct member_inbox *inbox;
	struct http_exchange *exchange; /* NULL: it has been answered */
	char *known_tag;                /* If-None-Match; NULL: none */
	struct asking *next, *prev;
};

struct feed_wish {
	int64_t limit, after_weight, after_id; /* after_id 0: from the top */
	bool with_read;
};

struct member_inbox {
	struct pg_session *database;
	struct links *links;
	struct asking *askings;
	size_t asking_count;
	struct member_inbox_counts counts;
	struct text scratch;
	struct pg_values values;
};

struct member_inbox *member_inbox_open(struct pg_session *database, struct links *links)
{
	struct member_inbox *inbox = memory_new(sizeof(*inbox));

	*inbox = (struct member_inbox){.database = database, .links = links};
	text_init(&inbox->scratch, 1000);
	pg_values_init(&inbox->values);
	return inbox;
}

static void end_asking(struct asking *asking)
{
	DL_DELETE(asking->inbox->askings, asking);
	asking->inbox->asking_count--;
	free(asking->known_tag);
	free(asking);
}

void member_inbox_close(struct member_inbox **inbox)
{
	struct asking *asking, *next;

	if (*inbox == NULL)
		return;
	DL_FOREACH_SAFE((*inbox)->askings, asking, next)
		end_asking(asking);
	text_release(&(*inbox)->scratch);
	pg_values_release(&(*inbox)->values);
	free(*inbox);
	*inbox = NULL;
}

void member_inbox_add_token(struct links *links, struct text *out, int64_t contact_id, int64_t expires_at_s)
{
	const struct link_claim claim = {.contact_id = contact_id, .expires_at_s = expires_at_s};

	links_add_token(links, out, LINK_INBOX, &claim, NULL, 0);
}

static void answer_status(struct http_exchange *exchange, int status)
{
	const char *headers = status == 401   ? "WWW-Authenticate: Bearer\r\nCache-Control: no-store\r\n"
			      : status == 503 ? "Retry-After: 30\r\nCache-Control: no-store\r\n"
					      : "Cache-Control: no-store\r\n";

	http_exchange_answer(exchange, &(struct http_answer){.status = status, .headers = headers});
}

/* RFC 6750 §2.1. 0: it is nobody that we know; it is answered. */
static int64_t contact_of(struct member_inbox *inbox, struct http_exchange *exchange,
			  const struct http_request *request)
{
	struct slice header = provider_header(request->headers, "Authorization");
	struct link_claim claim;

	if (header.length > 7 && strncasecmp(header.bytes, "Bearer ", 7) == 0 &&
	    links_verify(inbox->links, LINK_INBOX, header.bytes + 7, header.length - 7, &claim, NULL) &&
	    claim.expires_at_s > clock_wall_ms() / 1000 && claim.contact_id > 0)
		return claim.contact_id;
	inbox->counts.forged++;
	answer_status(exchange, 401);
	return 0;
}

static struct asking *begin_asking(struct member_inbox *inbox, struct http_exchange *exchange)
{
	struct asking *asking;

	if (inbox->asking_count >= WAITING_MAX || !pg_session_is_ready(inbox->database)) {
		answer_status(exchange, 503);
		return NULL;
	}
	asking = memory_new(sizeof(*asking));
	*asking = (struct asking){.inbox = inbox, .exchange = exchange};
	DL_APPEND(inbox->askings, asking);
	inbox->asking_count++;
	return asking;
}

static void answer_failed(struct asking *asking, const struct error *err)
{
	bool is_refused = err->kind == ERROR_REFUSED || err->kind == ERROR_INVALID;

	if (is_refused)
		log_event(LOG_WARNING, "inbox_refused", err->text);
	answer_status(asking->exchange, is_refused ? 500 : 503);
}

static void answer_json(struct member_inbox *inbox, struct http_exchange *exchange, int status, const char *body,
			size_t length, const struct text *tag)
{
	text_clear(&inbox->scratch);
	text_add(&inbox->scratch, "Cache-Control: private, no-cache\r\n");
	if (tag != NULL)
		text_addf(&inbox->scratch, "ETag: %s\r\n", text_string(tag));
	http_exchange_answer(exchange, &(struct http_answer){.status = status,
							     .type = "application/json",
							     .body = {body, length},
							     .headers = text_string(&inbox->scratch)});
}

/* The tag of a feed's bytes: "…", of a part of their digest. */
static void add_tag(struct text *tag, const char *bytes, size_t length)
{
	uint8_t digest[DIGEST_SHA256_BYTES];

	digest_sha256(bytes, length, digest);
	text_add_char(tag, '"');
	digest_add_hex(tag, digest, TAG_BYTES);
	text_add_char(tag, '"');
}

static void on_feed(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct asking *asking = context;
	struct text tag;
	size_t length = 0;
	const char *feed = err == NULL ? pg_rows_text(rows, 0, 0, &length) : NULL;

	if (asking->exchange == NULL) {
		end_asking(asking);
		return;
	}
	if (feed == NULL) {
		answer_failed(asking,
			      err != NULL ? err : &(struct error){.kind = ERROR_INVALID, .text = "There is no feed."});
		end_asking(asking);
		return;
	}
	asking->inbox->counts.feeds++;
	text_init(&tag, 100);
	add_tag(&tag, feed, length);
	if (asking->known_tag != NULL && strstr(asking->known_tag, text_string(&tag)) != NULL)
		answer_json(asking->inbox, asking->exchange, 304, NULL, 0, &tag);
	else
		answer_json(asking->inbox, asking->exchange, 200, feed, length, &tag);
	text_release(&tag);
	end_asking(asking);
}

/* A whole number of at most 18 digits. */
static bool read_number(struct slice value, int64_t *number)
{
	size_t at = value.length > 0 && value.bytes[0] == '-' ? 1 : 0;
	int64_t read = 0;

	if (value.length <= at || value.length - at > 18)
		return false;
	for (size_t i = at; i < value.length; i++) {
		if (value.bytes[i] < '0' || value.bytes[i] > '9')
			return false;
		read = read * 10 + (value.bytes[i] - '0');
	}
	*number = at == 1 ? -read : read;
	return true;
}

/* "5.202611000000000042", as the feed before told it. */
static bool read_cursor(struct slice value, struct feed_wish *wish)
{
	const char *dot = value.length > 0 ? memchr(value.bytes, '.', value.length) : NULL;
	size_t before;

	if (dot == NULL)
		return false;
	before = (size_t)(dot - value.bytes);
	return read_number((struct slice){value.bytes, before}, &wish->after_weight) &&
	       read_number((struct slice){dot + 1, value.length - before - 1}, &wish->after_id) &&
	       wish->after_weight >= -1000000 && wish->after_weight <= 1000000 && wish->after_id > 0;
}

static bool read_wish(struct slice query, struct feed_wish *wish)
{
	struct fields fields;

	*wish = (struct feed_wish){.limit = FEED_DEFAULT};
	fields_start(&fields, query);
	while (fields_next(&fields)) {
		if (fields_is(&fields, "limit") && (!read_number(fields.value, &wish->limit) || wish->limit < 1 ||
						    wish->limit > MEMBER_INBOX_FEED_MAX))
			return false;
		if (fields_is(&fields, "after") && !read_cursor(fields.value, wish))
			return false;
		if (fields_is(&fields, "read"))
			wish->with_read = fields.value.length == 1 && fields.value.bytes[0] == '1';
	}
	return true;
}

static void add_cursor(struct pg_values *values, const struct feed_wish *wish)
{
	if (wish->after_id == 0) {
		pg_values_add_null(values);
		pg_values_add_null(values);
		return;
	}
	pg_values_add_int64(values, wish->after_weight);
	pg_values_add_int64(values, wish->after_id);
}

static void on_feed_wanted(void *context, struct http_exchange *exchange, const struct http_request *request)
{
	struct member_inbox *inbox = context;
	int64_t contact_id = contact_of(inbox, exchange, request);
	struct slice tag = provider_header(request->headers, "If-None-Match");
	struct feed_wish wish;
	struct asking *asking;

	if (contact_id == 0)
		return;
	if (!read_wish(request->query, &wish)) {
		answer_status(exchange, 400);
		return;
	}
	asking = begin_asking(inbox, exchange);
	if (asking == NULL)
		return;
	if (tag.length > 0)
		asking->known_tag = memory_copy_bytes(tag.bytes, tag.length);
	pg_values_add_int64(&inbox->values, contact_id);
	pg_values_add_int64(&inbox->values, wish.limit);
	pg_values_add_bool(&inbox->values, wish.with_read);
	add_cursor(&inbox->values, &wish);
	pg_session_ask(inbox->database, &feed_statement, &inbox->values, on_feed, asking);
}

static void on_read(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct asking *asking = context;
	struct text body;

	if (asking->exchange == NULL) {
		end_asking(asking);
		return;
	}
	if (err != NULL) {
		answer_failed(asking, err);
	} else {
		asking->inbox->counts.reads += pg_rows_int64(rows, 0, 0);
		text_init(&body, 100);
		text_addf(&body, "{\"read\":%" PRId64 "}", pg_rows_int64(rows, 0, 0));
		answer_json(asking->inbox, asking->exchange, 200, body.bytes, body.length, NULL);
		text_release(&body);
	}
	end_asking(asking);
}

/* Fills the array parameter; false when an id is none, and then the values are cleared. */
static bool add_ids(struct pg_values *values, const json_t *ids)
{
	const json_t *id;
	int64_t number;
	size_t i;

	if (!json_is_array(ids) || json_array_size(ids) > MEMBER_INBOX_READ_MAX)
		return false;
	pg_values_start_array(values);
	json_array_foreach(ids, i, id)
	{
		const char *digits = json_string_value(id);

		if (digits == NULL || !read_number((struct slice){digits, json_string_length(id)}, &number)) {
			pg_values_clear(values);
			return false;
		}
		pg_values_item_int64(values, number);
	}
	pg_values_end_array(values);
	return true;
}

static void on_read_told(void *context, struct http_exchange *exchange, const struct http_request *request)
{
	struct member_inbox *inbox = context;
	int64_t contact_id = contact_of(inbox, exchange, request);
	struct asking *asking;
	json_t *body;
	bool is_good;

	if (contact_id == 0)
		return;
	body = json_loadb(request->body.bytes != NULL ? request->body.bytes : "", request->body.length, 0, NULL);
	pg_values_add_int64(&inbox->values, contact_id);
	is_good = add_ids(&inbox->values, json_object_get(body, "ids"));
	json_decref(body);
	if (!is_good) {
		pg_values_clear(&inbox->values);
		answer_status(exchange, 400);
		return;
	}
	asking = begin_asking(inbox, exchange);
	if (asking == NULL) {
		pg_values_clear(&inbox->values);
		return;
	}
	pg_session_ask(inbox->database, &read_statement, &inbox->values, on_read, asking);
}

void member_inbox_database_away(struct member_inbox *inbox)
{
	struct asking *asking;

	DL_FOREACH(inbox->askings, asking) {
		if (asking->exchange != NULL)
			answer_status(asking->exchange, 503);
		asking->exchange = NULL;
	}
}

void member_inbox_route(struct member_inbox *inbox, struct http_server *server)
{
	http_server_route(server, HTTP_GET, "/inbox/feed", on_feed_wanted, inbox);
	http_server_route(server, HTTP_POST, "/inbox/read", on_read_told, inbox);
}

struct member_inbox_counts member_inbox_counts(const struct member_inbox *inbox)
{
	return inbox->counts;
}
