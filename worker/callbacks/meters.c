#include "worker/callbacks/meters.h"

const char *const callback_kind_names[] = {
	[PROVIDER_EVENT_QUEUED] = "queued",
	[PROVIDER_EVENT_SENT] = "sent",
	[PROVIDER_EVENT_DEFERRED] = "deferred",
	[PROVIDER_EVENT_DELIVERED] = "delivered",
	[PROVIDER_EVENT_BOUNCED_HARD] = "bounced_hard",
	[PROVIDER_EVENT_BOUNCED_SOFT] = "bounced_soft",
	[PROVIDER_EVENT_FAILED] = "failed",
	[PROVIDER_EVENT_OPENED] = "opened",
	[PROVIDER_EVENT_CLICKED] = "clicked",
	[PROVIDER_EVENT_COMPLAINED] = "complained",
	[PROVIDER_EVENT_UNSUBSCRIBED] = "unsubscribed",
	[PROVIDER_EVENT_RESUBSCRIBED] = "resubscribed",
	[PROVIDER_EVENT_REPLIED] = "replied",
	[PROVIDER_EVENT_OTHER] = "other",
	NULL,
};

static const char *refusal_names[CALLBACK_REFUSALS + 1] = {
	[CALLBACK_UNKNOWN_ACCOUNT] = "unknown_account",
	[CALLBACK_FORGED] = "forged",
	[CALLBACK_NO_PROBE] = "no_probe",
	[CALLBACK_ACCOUNT_BROKEN] = "account_broken",
	[CALLBACK_DATABASE_AWAY] = "database_away",
	[CALLBACK_NOT_KEPT] = "not_kept",
};

static const struct metric meters[METER_COUNT] = {
	[METER_DATABASE_READY] =
		METRIC_GAUGE("postrider_receiver_database_ready", NULL, NULL, "1 while the database can be used."),
	[METER_REQUESTS] = METRIC_COUNTER("postrider_receiver_requests_total", NULL, NULL,
					  "Whole requests for callbacks, whatever came of them."),
	[METER_REFUSED] = METRIC_COUNTER("postrider_receiver_refused_total", "reason", refusal_names,
					 "Requests of which nothing was kept, by reason."),
	[METER_KEPT] = METRIC_COUNTER("postrider_receiver_kept_total", NULL, NULL,
				      "Callbacks written to delivery.callback_inbox."),
	[METER_REPEATED] = METRIC_COUNTER("postrider_receiver_repeated_total", NULL, NULL,
					  "Callbacks that were there already; answered 200 like new ones."),
	[METER_EVENTS] = METRIC_COUNTER("postrider_receiver_events_total", "kind", callback_kind_names,
					"Events in callbacks, by kind, repeated ones too."),
	[METER_NOT_UNDERSTOOD] =
		METRIC_COUNTER("postrider_receiver_not_understood_total", NULL, NULL,
			       "Callbacks with a right signature that make no sense to us; kept with the problem."),
	[METER_FOLDED] =
		METRIC_COUNTER("postrider_receiver_folded_total", NULL, NULL, "Callbacks folded into deliveries."),
	[METER_READ_AGAIN] = METRIC_COUNTER("postrider_receiver_read_again_total", NULL, NULL,
					    "Callbacks read again because somebody asked for it."),
	[METER_IN_HAND] = METRIC_GAUGE("postrider_receiver_in_hand", NULL, NULL,
				       "Callbacks that wait for their commit at the moment."),
	[METER_ACCOUNTS] =
		METRIC_GAUGE("postrider_receiver_accounts", NULL, NULL, "Accounts whose callbacks can be verified."),
	[METER_KEEP_SECONDS] =
		METRIC_HISTOGRAM("postrider_receiver_keep_seconds", "How long callbacks wait for their commit."),
	[METER_OPENS] = METRIC_COUNTER("postrider_receiver_opens_total", NULL, NULL,
				       "Openings of messages, by people and machines."),
	[METER_CLICKS] = METRIC_COUNTER("postrider_receiver_clicks_total", NULL, NULL,
					"Clicks on links, by people and machines."),
	[METER_TRACKING_LOST] = METRIC_COUNTER(
		"postrider_receiver_tracking_lost_total", NULL, NULL,
		"Openings and clicks that were not written down, because the database was away for long."),
	[METER_UNSUBSCRIBED] = METRIC_COUNTER("postrider_receiver_unsubscribed_total", NULL, NULL,
					      "One-click unsubscriptions, repeated ones too."),
	[METER_CHOICES] =
		METRIC_COUNTER("postrider_receiver_choices_total", NULL, NULL, "Choices saved on the preference page."),
	[METER_FEEDS] =
		METRIC_COUNTER("postrider_receiver_feeds_total", NULL, NULL, "Inboxes fetched by members' apps."),
	[METER_MEMBER_READS] = METRIC_COUNTER("postrider_receiver_inbox_read_total", NULL, NULL,
					      "Messages in inboxes that were read."),
	[METER_TOKENS_REFUSED] = METRIC_COUNTER("postrider_receiver_tokens_refused_total", NULL, NULL,
						"Requests of recipients with a token that is forged, broken or over."),
};

const struct metric *receiver_meters_table(void)
{
	for (size_t i = 0; i < HTTP_REFUSALS; i++)
		refusal_names[i] = http_refusal_names[i];
	return meters;
}
