/* metrics - one table of counters, gauges and histograms with a help text each.
 *
 * A program declares an enum and a table in the same order, then counts with the enum.
 * One optional label per metric with a fixed list of values, so memory never grows.
 * Text format 0.0.4 of Prometheus. Only touched from the main loop's thread.
 *
 *     enum { DELIVERIES, ... METRIC_COUNT };
 *     static const struct metric table[METRIC_COUNT] = {
 *         [DELIVERIES] = METRIC_COUNTER("postrider_worker_deliveries_total", "outcome", outcome_names,
 *                                       "Deliveries recorded, by outcome."),
 *     };
 */
#ifndef POSTRIDER_SHARED_METRICS_H
#define POSTRIDER_SHARED_METRICS_H

#include "shared/base.h"
#include "shared/text.h"

enum metric_kind { METRIC_KIND_COUNTER, METRIC_KIND_GAUGE, METRIC_KIND_HISTOGRAM };

struct metric {
	const char *name;
	enum metric_kind kind;
	const char *label;               /* NULL: none */
	const char *const *label_values; /* NULL-terminated */
	const char *help;
};

#define METRIC_COUNTER(name_, label_, values_, help_)                                                                  \
	{                                                                                                              \
		.name = (name_), .kind = METRIC_KIND_COUNTER, .label = (label_), .label_values = (values_),            \
		.help = (help_)                                                                                        \
	}
#define METRIC_GAUGE(name_, label_, values_, help_)                                                                    \
	{                                                                                                              \
		.name = (name_), .kind = METRIC_KIND_GAUGE, .label = (label_), .label_values = (values_),              \
		.help = (help_)                                                                                        \
	}
/* Seconds, in fixed buckets from 1 ms to 60 s. Observed in milliseconds. */
#define METRIC_HISTOGRAM(name_, help_)                                                                                 \
	{                                                                                                              \
		.name = (name_), .kind = METRIC_KIND_HISTOGRAM, .help = (help_)                                        \
	}

struct metrics;

struct metrics *metrics_new(const struct metric *table, size_t count) MUST_CHECK;
void metrics_free(struct metrics **metrics);

/* index: the row; label: position in label_values, 0 where there is none. */
void metrics_add(struct metrics *metrics, size_t index, size_t label, int64_t amount);
void metrics_set(struct metrics *metrics, size_t index, size_t label, int64_t value);
void metrics_observe_ms(struct metrics *metrics, size_t index, double milliseconds);
int64_t metrics_value(const struct metrics *metrics, size_t index, size_t label);

void metrics_print(const struct metrics *metrics, struct text *out);

#endif
