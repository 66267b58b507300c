#include <string.h>

#include "worker/template/date.h"
#include "worker/template/filter.h"
#include "worker/template/number.h"

/* What one directive prints at most, and what each byte of a format can become at most: %c is two bytes. */
#define GROWTH 64

static const struct zone *zone_of(const struct run *run)
{
	return run->template->is_marketing ? run->context->zone : NULL;
}

static int64_t now_of(const struct run *run)
{
	int64_t now_ms = run->context->settings.now_ms;

	return now_ms / 1000 - (now_ms % 1000 < 0);
}

static bool is_word(const struct value *text, const char *word)
{
	return strlen(word) == text->length && strncasecmp(text->bytes, word, text->length) == 0;
}

static bool all_digits(const struct value *text)
{
	for (uint32_t i = 0; i < text->length; i++)
		if (text->bytes[i] < '0' || text->bytes[i] > '9')
			return false;
	return text->length > 0;
}

/* Seconds since 1970, now, today, or a date as people write it. */
static bool read_date(const struct filter_call *call, struct date *date)
{
	const struct value *input = &call->arguments[0];
	const struct run *run = call->run;
	int64_t seconds;

	if (input->kind == VALUE_INTEGER) {
		*date = date_of_moment(input->integer, zone_of(run));
		return true;
	}
	if (input->kind != VALUE_STRING || input->length == 0)
		return false;
	if (is_word(input, "now") || is_word(input, "today")) {
		*date = date_of_moment(now_of(run), zone_of(run));
		return true;
	}
	if (all_digits(input)) {
		if (!number_read_integer(input->bytes, input->length, &seconds))
			return false;
		*date = date_of_moment(seconds, zone_of(run));
		return true;
	}
	return date_read(input->bytes, input->length, zone_of(run), now_of(run), !run->template->is_marketing, date);
}

static bool print_date(const struct filter_call *call, struct value *result)
{
	struct value format;
	struct date date;
	size_t room, length;
	char *bytes;

	if (!run_string(call->run, &call->arguments[1], &format))
		return false;
	*result = call->arguments[0];
	if (format.length == 0 || !read_date(call, &date))
		return true;
	if (format.length > 1000)
		return run_fault(call->run, "A date's format has at most 1000 bytes: shorten it.");
	room = GROWTH + format.length * (GROWTH / 2);
	if ((bytes = run_memory(call->run, room)) == NULL)
		return false;
	length = date_print(&date, format.bytes, format.length, bytes, room);
	arena_shrink(call->run->arena, bytes, room, length);
	*result = value_string(bytes, length);
	return run_charge(call->run, 4 * length + 256);
}

const struct filter date_filters[] = {
	{"date", print_date, 1, 1, "| date: \"%d.%m.%Y\"", NULL, false, false, false},
	{.name = NULL},
};
