/* meters - what the receiver counts, for /metrics. */
#ifndef POSTRIDER_WORKER_CALLBACKS_METERS_H
#define POSTRIDER_WORKER_CALLBACKS_METERS_H

#include "shared/metrics.h"
#include "worker/callbacks/http_head.h"
#include "worker/providers/provider.h"

enum receiver_meter {
	METER_DATABASE_READY,
	METER_REQUESTS,
	METER_REFUSED, /* labelled with enum http_refusal, then enum callback_refusal */
	METER_KEPT,
	METER_REPEATED,
	METER_EVENTS, /* labelled with enum provider_event_kind */
	METER_NOT_UNDERSTOOD,
	METER_FOLDED,
	METER_READ_AGAIN,
	METER_IN_HAND,
	METER_ACCOUNTS,
	METER_KEEP_SECONDS,
	METER_OPENS,
	METER_CLICKS,
	METER_TRACKING_LOST,
	METER_UNSUBSCRIBED,
	METER_CHOICES,
	METER_FEEDS,
	METER_MEMBER_READS,
	METER_TOKENS_REFUSED,
	METER_COUNT,
};

/* Why a whole request is not kept; the labels follow those of enum http_refusal. */
enum callback_refusal {
	CALLBACK_UNKNOWN_ACCOUNT = HTTP_REFUSALS, /* 404 */
	CALLBACK_FORGED,                          /* 403 */
	CALLBACK_NO_PROBE,                        /* 405: a HEAD, where the provider has no such probe */
	CALLBACK_ACCOUNT_BROKEN,                  /* 503: its settings do not work, so nothing can be verified */
	CALLBACK_DATABASE_AWAY,                   /* 503 */
	CALLBACK_NOT_KEPT,                        /* 503: the database refused it */
	CALLBACK_REFUSALS,
};

/* The words of delivery.callback_event.kind; ends with NULL. */
extern const char *const callback_kind_names[];

const struct metric *receiver_meters_table(void); /* METER_COUNT rows */

#endif
