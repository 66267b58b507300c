#include "worker/concurrency.h"

#define REMEASURE_MS 60000
#define PROBE_MAX_MS 2000 /* a probe of a slow provider ends without a result */

void concurrency_init(struct concurrency *concurrency, uint32_t lowest, uint32_t highest)
{
	*concurrency = (struct concurrency){.fast_start = true};
	concurrency->lowest = lowest > 0 ? lowest : CONCURRENCY_LOWEST;
	concurrency->highest = highest > 0 ? highest : CONCURRENCY_HIGHEST;
	if (concurrency->lowest > concurrency->highest)
		concurrency->lowest = concurrency->highest;
	concurrency->limit = concurrency->lowest;
}

uint32_t concurrency_limit(const struct concurrency *concurrency)
{
	return concurrency->probing ? concurrency->lowest : concurrency->limit;
}

static void start_window(struct concurrency *concurrency)
{
	concurrency->answers = 0;
	concurrency->sum_us = 0;
	concurrency->most_in_flight = 0;
	concurrency->shrunk = false;
}

static void grow(struct concurrency *concurrency, uint32_t by)
{
	uint32_t room = concurrency->highest - concurrency->limit;

	concurrency->limit += by < room ? by : room;
}

static void shrink(struct concurrency *concurrency)
{
	uint32_t by = concurrency->limit / 10 > 0 ? concurrency->limit / 10 : 1;

	concurrency->fast_start = false;
	concurrency->shrunk = true;
	concurrency->limit -= by;
	if (concurrency->limit < concurrency->lowest)
		concurrency->limit = concurrency->lowest;
}

static void judge_window(struct concurrency *concurrency, int64_t now_ms)
{
	int64_t mean_us = concurrency->sum_us / concurrency->answers;
	concurrency->mean_us = mean_us > 0 ? mean_us : 1;
	/* A little below the limit is still in use: the loop refills in batches. */
	bool in_use = concurrency->most_in_flight + concurrency->limit / 10 + 1 >= concurrency->limit;

	if (concurrency->smallest_us == 0)
		concurrency->measured_at_ms = now_ms;
	if (concurrency->smallest_us == 0 || mean_us < concurrency->smallest_us)
		concurrency->smallest_us = mean_us > 0 ? mean_us : 1;
	if (concurrency->shrunk)
		return;
	if (mean_us > 3 * concurrency->smallest_us + 5000)
		shrink(concurrency);
	else if (in_use && mean_us < 2 * concurrency->smallest_us + 2000)
		grow(concurrency, concurrency->fast_start ? concurrency->answers : 1);
}

static void start_probe(struct concurrency *concurrency, int64_t now_ms)
{
	concurrency->probing = true;
	concurrency->probe_until_ms = now_ms + PROBE_MAX_MS;
	start_window(concurrency);
}

static void end_probe(struct concurrency *concurrency, int64_t now_ms)
{
	if (concurrency->answers > 0) {
		concurrency->smallest_us = concurrency->sum_us / concurrency->answers;
		if (concurrency->smallest_us == 0)
			concurrency->smallest_us = 1;
	}
	concurrency->probing = false;
	concurrency->measured_at_ms = now_ms;
	start_window(concurrency);
}

static void add_answer(struct concurrency *concurrency, int64_t duration_us)
{
	concurrency->answers++;
	concurrency->sum_us += duration_us;
}

/* The first answers of a probe were asked for before it began; they count once the crowd has left. */
static void note_probe(struct concurrency *concurrency, int64_t duration_us, uint32_t in_flight, int64_t now_ms)
{
	if (in_flight <= concurrency->lowest)
		concurrency->most_in_flight++;
	if (concurrency->most_in_flight > concurrency->lowest)
		add_answer(concurrency, duration_us);
	if (concurrency->answers >= concurrency->lowest || now_ms >= concurrency->probe_until_ms)
		end_probe(concurrency, now_ms);
}

static void note_answer(struct concurrency *concurrency, int64_t duration_us, uint32_t in_flight, int64_t now_ms)
{
	if (in_flight > concurrency->most_in_flight)
		concurrency->most_in_flight = in_flight;
	add_answer(concurrency, duration_us);
	if (concurrency->answers < concurrency->limit)
		return;
	judge_window(concurrency, now_ms);
	start_window(concurrency);
	if (now_ms - concurrency->measured_at_ms >= REMEASURE_MS)
		start_probe(concurrency, now_ms);
}

void concurrency_note(struct concurrency *concurrency, enum outcome_class class, int64_t duration_us,
		      uint32_t in_flight, int64_t now_ms)
{
	if (class == OUTCOME_EXPIRED)
		return;
	if ((class == OUTCOME_NOT_SENT || class == OUTCOME_THROTTLED) && !concurrency->shrunk)
		shrink(concurrency);
	if (class == OUTCOME_NOT_SENT || duration_us < 0)
		return;
	if (concurrency->probing)
		note_probe(concurrency, duration_us, in_flight, now_ms);
	else
		note_answer(concurrency, duration_us, in_flight, now_ms);
}
