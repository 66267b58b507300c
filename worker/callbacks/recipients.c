#include "worker/callbacks/recipients.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/memory.h"
#include "shared/metrics.h"
#include "shared/pg_session.h"
#include "worker/callbacks/member_inbox.h"
#include "worker/callbacks/meters.h"
#include "worker/callbacks/preferences.h"
#include "worker/callbacks/tracking.h"

#define STATEMENT_TIMEOUT_MS 10000
#define TOKEN_SECONDS_MAX    (366 * 86400)

struct recipients {
	struct links *links;
	struct pg_session *writes, *questions;
	struct tracking *tracking;
	struct preferences *preferences;
	struct member_inbox *inbox;
	struct metrics *metrics;
	struct event *tick;
	struct tracking_counts seen;
	struct preferences_counts said;
	struct member_inbox_counts read;
};

/* What has been counted since the last time. */
static void report(struct recipients *recipients)
{
	const struct tracking_counts seen = tracking_counts(recipients->tracking);
	const struct preferences_counts said = preferences_counts(recipients->preferences);
	const struct member_inbox_counts read = member_inbox_counts(recipients->inbox);
	struct metrics *metrics = recipients->metrics;

	metrics_add(metrics, METER_OPENS, 0, seen.opens - recipients->seen.opens);
	metrics_add(metrics, METER_CLICKS, 0, seen.clicks - recipients->seen.clicks);
	metrics_add(metrics, METER_TRACKING_LOST, 0, seen.lost - recipients->seen.lost);
	metrics_add(metrics, METER_UNSUBSCRIBED, 0, said.unsubscribed - recipients->said.unsubscribed);
	metrics_add(metrics, METER_CHOICES, 0, said.saved - recipients->said.saved);
	metrics_add(metrics, METER_FEEDS, 0, read.feeds - recipients->read.feeds);
	metrics_add(metrics, METER_MEMBER_READS, 0, read.reads - recipients->read.reads);
	metrics_add(metrics, METER_TOKENS_REFUSED, 0,
		    seen.forged - recipients->seen.forged + said.forged - recipients->said.forged + read.forged -
			    recipients->read.forged);
	recipients->seen = seen;
	recipients->said = said;
	recipients->read = read;
}

static void on_tick(evutil_socket_t number, short what, void *context)
{
	(void)number, (void)what;
	report(context);
}

static void on_questions_changed(void *context, bool ready, const char *reason)
{
	struct recipients *recipients = context;

	(void)reason;
	if (ready)
		return;
	preferences_database_away(recipients->preferences);
	member_inbox_database_away(recipients->inbox);
}

static struct pg_session *open_session(struct event_base *base, const char *url, const char *name,
				       pg_session_changed *changed, void *context)
{
	const struct pg_session_settings settings = {
		.url = url, .application_name = name, .statement_timeout_ms = STATEMENT_TIMEOUT_MS};

	return pg_session_open(base, &settings, changed, context);
}

/* The path of https://host/path: a proxy hands it over as it is. */
static const char *path_of(const char *url)
{
	const char *host = strstr(url, "://"), *path = host != NULL ? strchr(host + 3, '/') : NULL;

	return path != NULL ? path : "";
}

bool recipients_open(struct recipients **opened, struct event_base *base, struct http_server *server,
		     const struct recipients_settings *settings, struct metrics *metrics, struct error *err)
{
	struct recipients *recipients;
	const struct timeval second = {.tv_sec = 1};
	struct links *links;

	if (!links_open(&links, settings->link_url, settings->link_key, err))
		return false;
	*opened = NULL;
	if (links == NULL)
		return true;
	recipients = memory_new(sizeof(*recipients));
	*recipients = (struct recipients){.links = links, .metrics = metrics};
	recipients->writes = open_session(base, settings->database_url, "postrider-receiver tracking", NULL, NULL);
	recipients->questions = open_session(base, settings->database_url, "postrider-receiver people",
					     on_questions_changed, recipients);
	recipients->tracking = tracking_open(base, recipients->writes, links);
	recipients->preferences = preferences_open(recipients->questions, links, settings->keeps_address);
	recipients->inbox = member_inbox_open(recipients->questions, links);
	tracking_route(recipients->tracking, server, path_of(settings->link_url));
	preferences_route(recipients->preferences, server, path_of(settings->link_url));
	member_inbox_route(recipients->inbox, server);
	recipients->tick = event_new(base, -1, EV_PERSIST, on_tick, recipients);
	event_add(recipients->tick, &second);
	*opened = recipients;
	return true;
}

void recipients_close(struct recipients **recipients)
{
	if (*recipients == NULL)
		return;
	event_free((*recipients)->tick);
	pg_session_close(&(*recipients)->writes);
	pg_session_close(&(*recipients)->questions);
	tracking_close(&(*recipients)->tracking);
	preferences_close(&(*recipients)->preferences);
	member_inbox_close(&(*recipients)->inbox);
	links_close(&(*recipients)->links);
	free(*recipients);
	*recipients = NULL;
}

size_t recipients_drain(struct recipients *recipients)
{
	if (recipients == NULL)
		return 0;
	tracking_flush(recipients->tracking);
	return tracking_pending(recipients->tracking);
}

static bool read_number(const char *text, int64_t highest, int64_t *number)
{
	char *end;
	long long read = strtoll(text, &end, 10);

	*number = read;
	return *text >= '0' && *text <= '9' && *end == '\0' && read > 0 && read <= highest;
}

int recipients_print_token(const struct recipients_settings *settings, const char *contact, const char *seconds)
{
	struct error err = {0};
	struct links *links = NULL;
	struct text token;
	int64_t contact_id, valid_for_s;

	if (!read_number(contact, INT64_MAX - 1, &contact_id) ||
	    !read_number(seconds, TOKEN_SECONDS_MAX, &valid_for_s)) {
		fprintf(stderr, "postrider-receiver: token wants a contact's number and 1 to %d seconds\n",
			TOKEN_SECONDS_MAX);
		return 2;
	}
	if (!links_open(&links, settings->link_url, settings->link_key, &err) || links == NULL) {
		fprintf(stderr, "postrider-receiver: %s\n",
			err.kind != ERROR_NONE ? err.text : "POSTRIDER_LINK_KEY and POSTRIDER_LINK_URL are not set");
		return 2;
	}
	text_init(&token, 200);
	member_inbox_add_token(links, &token, contact_id, clock_wall_ms() / 1000 + valid_for_s);
	printf("%s\n", text_string(&token));
	text_release(&token);
	links_close(&links);
	return 0;
}
