#include "worker/callbacks/preferences.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "shared/channel.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "shared/pg_session.h"
#include "worker/callbacks/fields.h"
#include "worker/callbacks/preference_page.h"

#define WAITING_MAX   1000 /* requests that wait for the database */
#define CHOICES_MAX   500
#define PROOF_MAX     600
#define AGENT_MAX     200
#define CHANNEL_BYTES 20

static const struct pg_statement page_statement = {.name = "preferences", .sql = "select marketing.preferences($1)"};
static const struct pg_statement click_statement = {.name = "unsubscribe",
						    .sql = "select marketing.unsubscribe($1, $2, $3, $4)"};
static const struct pg_statement everything_statement = {
	.name = "unsubscribe_everything", .sql = "select marketing.unsubscribe_everything($1, $2, $3, $4)"};
static const struct pg_statement save_statement = {
	.name = "save_preferences", .sql = "select marketing.save_preferences($1, $2, $3, $4, $5, $6, $7)"};

/* A request that waits for the database. */
struct visit {
	struct preferences *preferences;
	struct http_exchange *exchange; /* NULL: it has been answered */
	struct link_claim claim;
	enum preference_news news;
	struct visit *next, *prev;
};

/* A box of the page, as it came back. */
struct choice {
	int64_t topic_id;
	char channel[CHANNEL_BYTES];
	bool is_on;
};

struct preferences {
	struct pg_session *database;
	struct links *links;
	bool keeps_peer;
	struct visit *visits;
	size_t visit_count;
	struct preferences_counts counts;
	struct text click_prefix, page_prefix, page_headers, page, action, form_token, proof, location;
	struct choice *choices;
	size_t choice_count;
	struct pg_values values;
};

struct preferences *preferences_open(struct pg_session *database, struct links *links, bool keeps_peer)
{
	struct preferences *preferences = memory_new(sizeof(*preferences));

	*preferences = (struct preferences){.database = database, .links = links, .keeps_peer = keeps_peer};
	text_init(&preferences->click_prefix, 300);
	text_init(&preferences->page_prefix, 300);
	text_init(&preferences->page_headers, 1000);
	text_init(&preferences->page, PREFERENCE_PAGE_MAX);
	text_init(&preferences->action, 500);
	text_init(&preferences->form_token, 100);
	text_init(&preferences->proof, PROOF_MAX);
	text_init(&preferences->location, 1000);
	preference_page_add_headers(&preferences->page_headers);
	preferences->choices = memory_new_array(CHOICES_MAX, sizeof(*preferences->choices));
	pg_values_init(&preferences->values);
	return preferences;
}

static void end_visit(struct visit *visit)
{
	DL_DELETE(visit->preferences->visits, visit);
	visit->preferences->visit_count--;
	free(visit);
}

void preferences_close(struct preferences **closed)
{
	struct preferences *preferences = *closed;
	struct visit *visit, *next;

	if (preferences == NULL)
		return;
	DL_FOREACH_SAFE(preferences->visits, visit, next)
		end_visit(visit);
	text_release(&preferences->click_prefix);
	text_release(&preferences->page_prefix);
	text_release(&preferences->page_headers);
	text_release(&preferences->page);
	text_release(&preferences->action);
	text_release(&preferences->form_token);
	text_release(&preferences->proof);
	text_release(&preferences->location);
	pg_values_release(&preferences->values);
	free(preferences->choices);
	free(preferences);
	*closed = NULL;
}

static void answer_status(struct http_exchange *exchange, int status)
{
	static const char headers[] = "Cache-Control: no-store\r\n",
			  again[] = "Cache-Control: no-store\r\nRetry-After: 30\r\n";

	http_exchange_answer(exchange,
			     &(struct http_answer){.status = status, .headers = status == 503 ? again : headers});
}

static void answer_failed(struct visit *visit, const struct error *err)
{
	if (err->kind == ERROR_REFUSED || err->kind == ERROR_INVALID)
		log_event(LOG_WARNING, "preferences_refused", err->text, LOG_INT("delivery", visit->claim.delivery_id));
	answer_status(visit->exchange, err->kind == ERROR_REFUSED || err->kind == ERROR_INVALID ? 500 : 503);
}

/* NULL: there is no room or no database; it is answered. */
static struct visit *begin_visit(struct preferences *preferences, struct http_exchange *exchange,
				 const struct link_claim *claim)
{
	struct visit *visit;

	if (preferences->visit_count >= WAITING_MAX || !pg_session_is_ready(preferences->database)) {
		answer_status(exchange, 503);
		return NULL;
	}
	visit = memory_new(sizeof(*visit));
	*visit = (struct visit){.preferences = preferences, .exchange = exchange, .claim = *claim};
	DL_APPEND(preferences->visits, visit);
	preferences->visit_count++;
	return visit;
}

/* --- the page --- */

static void make_addresses(struct preferences *preferences, const struct link_claim *claim)
{
	text_clear(&preferences->action);
	text_add_bytes(&preferences->action, preferences->page_prefix.bytes, preferences->page_prefix.length);
	links_add_token(preferences->links, &preferences->action, LINK_PREFERENCES, claim, NULL, 0);
	text_clear(&preferences->form_token);
	links_add_token(preferences->links, &preferences->form_token, LINK_FORM, claim, NULL, 0);
}

static void answer_page(struct visit *visit, const char *facts, size_t length)
{
	struct preferences *preferences = visit->preferences;
	struct error err = {0};
	struct preference_page page = {.facts = {facts, length}, .news = visit->news};

	make_addresses(preferences, &visit->claim);
	page.action = text_string(&preferences->action);
	page.form_token = text_string(&preferences->form_token);
	text_clear(&preferences->page);
	if (!preference_page_add(&page, &preferences->page, &err)) {
		answer_failed(visit, &err);
		return;
	}
	preferences->counts.shown++;
	http_exchange_answer(visit->exchange,
			     &(struct http_answer){.status = 200,
						   .type = "text/html; charset=utf-8",
						   .body = {preferences->page.bytes, preferences->page.length},
						   .headers = text_string(&preferences->page_headers)});
}

static void on_facts(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct visit *visit = context;
	size_t length = 0;
	const char *facts = err == NULL ? pg_rows_text(rows, 0, 0, &length) : NULL;

	if (visit->exchange == NULL)
		log_event(LOG_DEBUG, "answered_before", "The page came too late.");
	else if (err != NULL)
		answer_failed(visit, err);
	else if (facts == NULL)
		answer_status(visit->exchange, 404); /* somebody who asked to be forgotten */
	else
		answer_page(visit, facts, length);
	end_visit(visit);
}

static enum preference_news news_of(struct slice query)
{
	if (query.length == 5 && memcmp(query.bytes, "saved", 5) == 0)
		return PREFERENCE_SAVED;
	if (query.length == 3 && memcmp(query.bytes, "off", 3) == 0)
		return PREFERENCE_EVERYTHING_OFF;
	return PREFERENCE_NO_NEWS;
}

static void show(struct preferences *preferences, struct http_exchange *exchange, const struct http_request *request,
		 const struct link_claim *claim)
{
	struct visit *visit = begin_visit(preferences, exchange, claim);

	if (visit == NULL)
		return;
	visit->news = news_of(request->query);
	pg_values_add_int64(&preferences->values, claim->contact_id);
	pg_session_ask(preferences->database, &page_statement, &preferences->values, on_facts, visit);
}

/* --- what changes --- */

/* What shows later that it was said: which message, with what. The browser's name is foreign text. */
static const char *proof_of(struct preferences *preferences, const struct link_claim *claim,
			    const struct http_request *request)
{
	struct slice agent = provider_header(request->headers, "User-Agent");
	struct text *proof = &preferences->proof;

	text_clear(proof);
	text_add(proof, "link in delivery ");
	text_add_int64(proof, claim->delivery_id);
	if (agent.length > 0) {
		text_add(proof, ", with ");
		text_add_header(proof, agent.bytes, agent.length < AGENT_MAX ? agent.length : AGENT_MAX);
	}
	if (preferences->keeps_peer)
		text_addf(proof, ", from %s", request->peer);
	return text_string(proof);
}

static void add_who(struct preferences *preferences, const struct link_claim *claim)
{
	pg_values_add_int64(&preferences->values, claim->delivery_id);
	pg_values_add_int64(&preferences->values, claim->contact_id);
}

static void on_clicked(void *context, const struct pg_rows *rows, const struct error *err)
{
	static const char told[] = "You are unsubscribed.\n";
	struct visit *visit = context;

	if (visit->exchange == NULL) {
		log_event(LOG_DEBUG, "answered_before", "The unsubscription came through in the end, or not.");
	} else if (err != NULL) {
		answer_failed(visit, err);
	} else if (strcmp(pg_rows_text(rows, 0, 0, NULL), "unknown") == 0) {
		answer_status(visit->exchange, 404);
	} else {
		visit->preferences->counts.unsubscribed++;
		http_exchange_answer(visit->exchange, &(struct http_answer){.status = 200,
									    .body = {told, sizeof(told) - 1},
									    .headers = "Cache-Control: no-store\r\n"});
	}
	end_visit(visit);
}

static void unsubscribe(struct preferences *preferences, struct http_exchange *exchange,
			const struct http_request *request, const struct link_claim *claim)
{
	struct visit *visit = begin_visit(preferences, exchange, claim);

	if (visit == NULL)
		return;
	add_who(preferences, claim);
	pg_values_add_text(&preferences->values, "one-click");
	pg_values_add_text(&preferences->values, proof_of(preferences, claim, request));
	pg_session_ask(preferences->database, &click_statement, &preferences->values, on_clicked, visit);
}

static void on_saved(void *context, const struct pg_rows *rows, const struct error *err)
{
	struct visit *visit = context;
	struct preferences *preferences = visit->preferences;

	if (visit->exchange == NULL) {
		log_event(LOG_DEBUG, "answered_before", "The choice came through in the end, or not.");
	} else if (err != NULL) {
		answer_failed(visit, err);
	} else if (pg_rows_is_null(rows, 0, 0)) {
		answer_status(visit->exchange, 404);
	} else {
		preferences->counts.saved++;
		make_addresses(preferences, &visit->claim);
		text_clear(&preferences->location);
		text_addf(&preferences->location,
			  "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nLocation: %s?%s\r\n",
			  text_string(&preferences->action), visit->news == PREFERENCE_SAVED ? "saved" : "off");
		http_exchange_answer(
			visit->exchange,
			&(struct http_answer){.status = 303, .headers = text_string(&preferences->location)});
	}
	end_visit(visit);
}

/* "12.email" */
static bool read_choice(struct slice value, struct choice *choice)
{
	const char *dot = value.length > 0 ? memchr(value.bytes, '.', value.length) : NULL;
	size_t digits = dot != NULL ? (size_t)(dot - value.bytes) : 0, left;
	enum channel channel;

	*choice = (struct choice){0};
	if (digits == 0 || digits > 18)
		return false;
	for (size_t i = 0; i < digits; i++) {
		if (value.bytes[i] < '0' || value.bytes[i] > '9')
			return false;
		choice->topic_id = choice->topic_id * 10 + (value.bytes[i] - '0');
	}
	left = value.length - digits - 1;
	if (left >= sizeof(choice->channel))
		return false;
	memcpy(choice->channel, dot + 1, left);
	return strlen(choice->channel) == left && channel_parse(choice->channel, &channel);
}

static void take_choice(struct preferences *preferences, const struct fields *fields)
{
	struct choice read;
	bool is_shown = fields_is(fields, "shown");

	if ((!is_shown && !fields_is(fields, "on")) || !read_choice(fields->value, &read))
		return;
	for (size_t i = 0; i < preferences->choice_count; i++)
		if (preferences->choices[i].topic_id == read.topic_id &&
		    strcmp(preferences->choices[i].channel, read.channel) == 0) {
			preferences->choices[i].is_on |= !is_shown;
			return;
		}
	/* A box stands behind its "shown" on the page. */
	if (is_shown && preferences->choice_count < CHOICES_MAX)
		preferences->choices[preferences->choice_count++] = read;
}

/* Reads the form. False: it is not one of our page for this contact. */
static bool read_form(struct preferences *preferences, struct slice body, const struct link_claim *claim,
		      bool *everything)
{
	struct link_claim signed_for;
	struct fields fields;
	bool is_ours = false;

	*everything = false;
	preferences->choice_count = 0;
	fields_start(&fields, body);
	while (fields_next(&fields)) {
		if (fields_is(&fields, "form"))
			is_ours |= links_verify(preferences->links, LINK_FORM, fields.value.bytes, fields.value.length,
						&signed_for, NULL) &&
				   signed_for.contact_id == claim->contact_id &&
				   signed_for.delivery_id == claim->delivery_id;
		*everything |= fields_is(&fields, "everything");
		take_choice(preferences, &fields);
	}
	return is_ours;
}

static void add_choices(struct preferences *preferences)
{
	const struct choice *first = preferences->choices, *end = first + preferences->choice_count;

	pg_values_start_array(&preferences->values);
	for (const struct choice *choice = first; choice < end; choice++)
		pg_values_item_int64(&preferences->values, choice->topic_id);
	pg_values_end_array(&preferences->values);
	pg_values_start_array(&preferences->values);
	for (const struct choice *choice = first; choice < end; choice++)
		pg_values_item_text(&preferences->values, choice->channel, strlen(choice->channel));
	pg_values_end_array(&preferences->values);
	pg_values_start_array(&preferences->values);
	for (const struct choice *choice = first; choice < end; choice++)
		pg_values_item_bool(&preferences->values, choice->is_on);
	pg_values_end_array(&preferences->values);
}

static void save(struct preferences *preferences, struct http_exchange *exchange, const struct http_request *request,
		 const struct link_claim *claim)
{
	struct visit *visit;
	bool everything;

	if (!read_form(preferences, request->body, claim, &everything)) {
		preferences->counts.forged++;
		answer_status(exchange, 403);
		return;
	}
	visit = begin_visit(preferences, exchange, claim);
	if (visit == NULL)
		return;
	visit->news = everything ? PREFERENCE_EVERYTHING_OFF : PREFERENCE_SAVED;
	add_who(preferences, claim);
	if (!everything)
		add_choices(preferences);
	pg_values_add_text(&preferences->values, "preference page");
	pg_values_add_text(&preferences->values, proof_of(preferences, claim, request));
	pg_session_ask(preferences->database, everything ? &everything_statement : &save_statement,
		       &preferences->values, on_saved, visit);
}

/* --- routes --- */

static bool verify(struct preferences *preferences, enum link_kind kind, const struct text *prefix,
		   struct http_exchange *exchange, const struct http_request *request, struct link_claim *claim)
{
	if (links_verify(preferences->links, kind, request->path.bytes + prefix->length,
			 request->path.length - prefix->length, claim, NULL))
		return true;
	preferences->counts.forged++;
	answer_status(exchange, 404);
	return false;
}

static void on_click(void *context, struct http_exchange *exchange, const struct http_request *request)
{
	struct preferences *preferences = context;
	struct link_claim claim;

	if (!verify(preferences, LINK_UNSUBSCRIBE, &preferences->click_prefix, exchange, request, &claim))
		return;
	if (request->method == HTTP_POST)
		unsubscribe(preferences, exchange, request, &claim);
	else
		show(preferences, exchange, request, &claim);
}

static void on_page(void *context, struct http_exchange *exchange, const struct http_request *request)
{
	struct preferences *preferences = context;
	struct link_claim claim;

	if (!verify(preferences, LINK_PREFERENCES, &preferences->page_prefix, exchange, request, &claim))
		return;
	if (request->method == HTTP_POST)
		save(preferences, exchange, request, &claim);
	else
		show(preferences, exchange, request, &claim);
}

void preferences_route(struct preferences *preferences, struct http_server *server, const char *path)
{
	const unsigned methods = HTTP_GET | HTTP_HEAD | HTTP_POST;

	text_addf(&preferences->click_prefix, "%s/%c/", path, LINK_UNSUBSCRIBE);
	text_addf(&preferences->page_prefix, "%s/%c/", path, LINK_PREFERENCES);
	http_server_route(server, methods, text_string(&preferences->click_prefix), on_click, preferences);
	http_server_route(server, methods, text_string(&preferences->page_prefix), on_page, preferences);
}

void preferences_database_away(struct preferences *preferences)
{
	struct visit *visit;

	DL_FOREACH(preferences->visits, visit) {
		if (visit->exchange != NULL)
			answer_status(visit->exchange, 503);
		visit->exchange = NULL;
	}
}

struct preferences_counts preferences_counts(const struct preferences *preferences)
{
	return preferences->counts;
}
