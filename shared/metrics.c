#include "shared/metrics.h"

#include <assert.h>
#include <stdlib.h>

#include "shared/memory.h"

/* Upper bounds of the buckets, as numbers and as Prometheus wants to read them. */
static const struct {
	double ms;
	const char *seconds;
} buckets[] = {
	{1, "0.001"},  {2.5, "0.0025"}, {5, "0.005"},  {10, "0.01"},  {25, "0.025"},
	{50, "0.05"},  {100, "0.1"},    {250, "0.25"}, {500, "0.5"},  {1000, "1"},
	{2500, "2.5"}, {5000, "5"},     {10000, "10"}, {30000, "30"}, {60000, "60"},
};

#define BUCKET_COUNT ARRAY_LENGTH(buckets)

struct histogram {
	int64_t counts[BUCKET_COUNT + 1]; /* the last: above every bound */
	int64_t count;
	int64_t sum_us;
};

struct series {
	int64_t *values; /* one per label value, at least one */
	size_t value_count;
	struct histogram *histogram;
};

struct metrics {
	const struct metric *table;
	size_t count;
	struct series *series;
};

static size_t count_values(const struct metric *metric)
{
	size_t count = 0;
	while (metric->label && metric->label_values[count])
		count++;
	return metric->label ? count : 1;
}

struct metrics *metrics_new(const struct metric *table, size_t count)
{
	struct metrics *metrics = memory_new(sizeof(*metrics));
	metrics->table = table;
	metrics->count = count;
	metrics->series = memory_new_array(count, sizeof(*metrics->series));
	for (size_t i = 0; i < count; i++) {
		struct series *series = &metrics->series[i];
		if (table[i].kind == METRIC_KIND_HISTOGRAM) {
			series->histogram = memory_new(sizeof(*series->histogram));
			continue;
		}
		series->value_count = count_values(&table[i]);
		series->values = memory_new_array(series->value_count, sizeof(*series->values));
	}
	return metrics;
}

void metrics_free(struct metrics **metrics)
{
	if (!*metrics)
		return;
	for (size_t i = 0; i < (*metrics)->count; i++) {
		free((*metrics)->series[i].values);
		free((*metrics)->series[i].histogram);
	}
	free((*metrics)->series);
	free(*metrics);
	*metrics = NULL;
}

/* A wrong index is a bug; a release build then counts nothing rather than writing anywhere. */
static int64_t *value_at(const struct metrics *metrics, size_t index, size_t label)
{
	bool exists = index < metrics->count && label < metrics->series[index].value_count;
	assert(exists);
	return exists ? &metrics->series[index].values[label] : NULL;
}

void metrics_add(struct metrics *metrics, size_t index, size_t label, int64_t amount)
{
	int64_t *value = value_at(metrics, index, label);
	if (value)
		*value += amount;
}

void metrics_set(struct metrics *metrics, size_t index, size_t label, int64_t value)
{
	int64_t *kept = value_at(metrics, index, label);
	if (kept)
		*kept = value;
}

void metrics_observe_ms(struct metrics *metrics, size_t index, double milliseconds)
{
	struct histogram *histogram = index < metrics->count ? metrics->series[index].histogram : NULL;
	assert(histogram);
	if (!histogram)
		return;
	if (milliseconds < 0)
		milliseconds = 0;
	size_t bucket = 0;
	while (bucket < BUCKET_COUNT && milliseconds > buckets[bucket].ms)
		bucket++;
	histogram->counts[bucket]++;
	histogram->count++;
	histogram->sum_us += (int64_t)(milliseconds * 1000);
}

int64_t metrics_value(const struct metrics *metrics, size_t index, size_t label)
{
	if (index < metrics->count && metrics->series[index].histogram)
		return metrics->series[index].histogram->count;
	const int64_t *value = value_at(metrics, index, label);
	return value ? *value : 0;
}

static void print_escaped(struct text *out, const char *string, bool in_quotes)
{
	for (; *string; string++) {
		if (*string == '\n')
			text_add(out, "\\n");
		else if (*string == '\\' || (in_quotes && *string == '"'))
			text_add_bytes(out, (char[]){'\\', *string}, 2);
		else
			text_add_char(out, *string);
	}
}

static void print_head(const struct metric *metric, struct text *out)
{
	static const char *const kinds[] = {"counter", "gauge", "histogram"};
	text_addf(out, "# HELP %s ", metric->name);
	print_escaped(out, metric->help, false);
	text_addf(out, "\n# TYPE %s %s\n", metric->name, kinds[metric->kind]);
}

static void print_values(const struct metric *metric, const struct series *series, struct text *out)
{
	for (size_t i = 0; i < series->value_count; i++) {
		text_add(out, metric->name);
		if (metric->label) {
			text_addf(out, "{%s=\"", metric->label);
			print_escaped(out, metric->label_values[i], true);
			text_add(out, "\"}");
		}
		text_add_char(out, ' ');
		text_add_int64(out, series->values[i]);
		text_add_char(out, '\n');
	}
}

static void print_histogram(const char *name, const struct histogram *histogram, struct text *out)
{
	int64_t so_far = 0;
	for (size_t i = 0; i < BUCKET_COUNT; i++) {
		so_far += histogram->counts[i];
		text_addf(out, "%s_bucket{le=\"%s\"} %" PRId64 "\n", name, buckets[i].seconds, so_far);
	}
	text_addf(out, "%s_bucket{le=\"+Inf\"} %" PRId64 "\n", name, histogram->count);
	text_addf(out, "%s_sum %" PRId64 ".%06" PRId64 "\n", name, histogram->sum_us / 1000000,
		  histogram->sum_us % 1000000);
	text_addf(out, "%s_count %" PRId64 "\n", name, histogram->count);
}

void metrics_print(const struct metrics *metrics, struct text *out)
{
	for (size_t i = 0; i < metrics->count; i++) {
		const struct metric *metric = &metrics->table[i];
		print_head(metric, out);
		if (metrics->series[i].histogram)
			print_histogram(metric->name, metrics->series[i].histogram, out);
		else
			print_values(metric, &metrics->series[i], out);
	}
}
