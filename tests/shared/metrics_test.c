#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "shared/metrics.h"

static const char *const outcomes[] = {"accepted", "say \"no\"\n", NULL};

enum { SENT, LEASES, LATENCY, COUNT };

static const struct metric table[COUNT] = {
	[SENT] = METRIC_COUNTER("sent_total", "outcome", outcomes, "Sent, by outcome.\nTwo \\ lines."),
	[LEASES] = METRIC_GAUGE("leases", NULL, NULL, "Leases held."),
	[LATENCY] = METRIC_HISTOGRAM("latency_seconds", "How long a send takes."),
};

static const char expected[] = "# HELP sent_total Sent, by outcome.\\nTwo \\\\ lines.\n"
			       "# TYPE sent_total counter\n"
			       "sent_total{outcome=\"accepted\"} 5\n"
			       "sent_total{outcome=\"say \\\"no\\\"\\n\"} 1\n"
			       "# HELP leases Leases held.\n"
			       "# TYPE leases gauge\n"
			       "leases -3\n"
			       "# HELP latency_seconds How long a send takes.\n"
			       "# TYPE latency_seconds histogram\n"
			       "latency_seconds_bucket{le=\"0.001\"} 1\n"
			       "latency_seconds_bucket{le=\"0.0025\"} 2\n"
			       "latency_seconds_bucket{le=\"0.005\"} 2\n"
			       "latency_seconds_bucket{le=\"0.01\"} 2\n"
			       "latency_seconds_bucket{le=\"0.025\"} 2\n"
			       "latency_seconds_bucket{le=\"0.05\"} 2\n"
			       "latency_seconds_bucket{le=\"0.1\"} 2\n"
			       "latency_seconds_bucket{le=\"0.25\"} 2\n"
			       "latency_seconds_bucket{le=\"0.5\"} 2\n"
			       "latency_seconds_bucket{le=\"1\"} 2\n"
			       "latency_seconds_bucket{le=\"2.5\"} 2\n"
			       "latency_seconds_bucket{le=\"5\"} 2\n"
			       "latency_seconds_bucket{le=\"10\"} 2\n"
			       "latency_seconds_bucket{le=\"30\"} 2\n"
			       "latency_seconds_bucket{le=\"60\"} 2\n"
			       "latency_seconds_bucket{le=\"+Inf\"} 3\n"
			       "latency_seconds_sum 61.002500\n"
			       "latency_seconds_count 3\n";

static void prints_what_was_counted(void **state)
{
	(void)state;
	struct metrics *metrics = metrics_new(table, COUNT);
	metrics_add(metrics, SENT, 0, 2);
	metrics_add(metrics, SENT, 0, 3);
	metrics_add(metrics, SENT, 1, 1);
	metrics_set(metrics, LEASES, 0, 8);
	metrics_set(metrics, LEASES, 0, -3);
	metrics_observe_ms(metrics, LATENCY, 1.0);
	metrics_observe_ms(metrics, LATENCY, 1.5);
	metrics_observe_ms(metrics, LATENCY, 61000);

	struct text out;
	text_init(&out, 10000);
	metrics_print(metrics, &out);
	assert_string_equal(text_string(&out), expected);
	assert_int_equal(metrics_value(metrics, SENT, 0), 5);
	assert_int_equal(metrics_value(metrics, SENT, 1), 1);
	assert_int_equal(metrics_value(metrics, LATENCY, 0), 3);
	text_release(&out);
	metrics_free(&metrics);
	assert_null(metrics);
	metrics_free(&metrics);
}

static void a_clock_that_jumped_observes_zero(void **state)
{
	(void)state;
	struct metrics *metrics = metrics_new(table, COUNT);
	metrics_observe_ms(metrics, LATENCY, -5);
	struct text out;
	text_init(&out, 10000);
	metrics_print(metrics, &out);
	assert_non_null(strstr(text_string(&out), "latency_seconds_sum 0.000000\n"));
	text_release(&out);
	metrics_free(&metrics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_what_was_counted),
		cmocka_unit_test(a_clock_that_jumped_observes_zero),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
