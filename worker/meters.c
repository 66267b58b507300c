#include "worker/meters.h"

/* In the order of enum outcome_class. */
static const char *const outcome_labels[] = {"accepted",    "not_sent",    "throttled",       "transient", "uncertain",
					     "bad_address", "bad_payload", "bad_credentials", "expired",   NULL};

const struct metric meters_table[METER_COUNT] = {
	[METER_JOBS] = METRIC_COUNTER("postrider_worker_jobs_total", NULL, NULL, "Messages taken from the broker."),
	[METER_MALFORMED] =
		METRIC_COUNTER("postrider_worker_malformed_total", NULL, NULL,
			       "Messages from the broker that make no sense; they are kept in delivery.dead_letter."),
	[METER_CLAIMED] =
		METRIC_COUNTER("postrider_worker_claimed_total", NULL, NULL, "Deliveries claimed to be sent."),
	[METER_STALE] = METRIC_COUNTER("postrider_worker_stale_total", NULL, NULL,
				       "Messages whose delivery had moved on; harmless, a few after every crash."),
	[METER_REFUSED] = METRIC_COUNTER(
		"postrider_worker_refused_total", NULL, NULL,
		"Deliveries that may not be sent, or not now, decided at the claim or just before sending."),
	[METER_OUTCOMES] = METRIC_COUNTER("postrider_worker_outcomes_total", "outcome", outcome_labels,
					  "Calls to providers, by what they came to."),
	[METER_RECORDED] =
		METRIC_COUNTER("postrider_worker_recorded_total", NULL, NULL, "Results written to the database."),
	[METER_FENCED] = METRIC_COUNTER(
		"postrider_worker_fenced_total", NULL, NULL,
		"Requests held back at the last moment because the lease, the permission or the time had run out."),
	[METER_LOST_CLAIMS] = METRIC_COUNTER("postrider_worker_lost_claims_total", NULL, NULL,
					     "Results that came after our time was up; kept as late evidence."),
	[METER_IN_HAND] =
		METRIC_GAUGE("postrider_worker_in_hand", NULL, NULL, "Deliveries this worker has at the moment."),
	[METER_IN_FLIGHT] =
		METRIC_GAUGE("postrider_worker_in_flight", NULL, NULL, "Requests at providers at the moment."),
	[METER_BREAKERS] = METRIC_COUNTER("postrider_worker_breaker_trips_total", NULL, NULL,
					  "How often this worker stopped the use of an account."),
	[METER_PROVIDER_SECONDS] =
		METRIC_HISTOGRAM("postrider_worker_provider_seconds", "How long providers take to answer."),
};
