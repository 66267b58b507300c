#include "worker/template/zone_rule.h"

#include <string.h>

#include "worker/template/date.h"

struct cursor {
	const char *at, *end;
};

static bool next_is(const struct cursor *cursor, char byte)
{
	return cursor->at < cursor->end && *cursor->at == byte;
}

/* CET, or <+07> */
static bool read_abbreviation(struct cursor *cursor, char abbreviation[ZONE_ABBREVIATION_MAX])
{
	bool is_quoted = next_is(cursor, '<');
	size_t length = 0;

	cursor->at += is_quoted;
	while (cursor->at < cursor->end && length + 1 < ZONE_ABBREVIATION_MAX) {
		char byte = *cursor->at;

		if (is_quoted ? byte == '>' : !((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z'))
			break;
		abbreviation[length++] = byte;
		cursor->at++;
	}
	abbreviation[length] = '\0';
	if (is_quoted && !next_is(cursor, '>'))
		return false;
	cursor->at += is_quoted;
	return length > 0;
}

static bool read_number(struct cursor *cursor, int *number)
{
	const char *start = cursor->at;

	for (*number = 0; cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9' && *number < 10000;)
		*number = *number * 10 + (*cursor->at++ - '0');
	return cursor->at > start;
}

/* -3:30 or 2:00:00 */
static bool read_time(struct cursor *cursor, int32_t *seconds)
{
	int sign = 1, part, unit = 3600, sum = 0;

	if (next_is(cursor, '-') || next_is(cursor, '+'))
		sign = *cursor->at++ == '-' ? -1 : 1;
	do {
		if (!read_number(cursor, &part) || part > 200)
			return false;
		sum += part * unit;
		unit /= 60;
	} while (unit > 0 && next_is(cursor, ':') && cursor->at++);
	*seconds = sign * sum;
	return true;
}

static bool read_month_day(struct cursor *cursor, struct zone_day *day)
{
	cursor->at++;
	if (!read_number(cursor, &day->month) || !next_is(cursor, '.') ||
	    (cursor->at++, !read_number(cursor, &day->week)) || !next_is(cursor, '.') ||
	    (cursor->at++, !read_number(cursor, &day->day)))
		return false;
	return day->month >= 1 && day->month <= 12 && day->week >= 1 && day->week <= 5 && day->day <= 6;
}

static bool read_day(struct cursor *cursor, struct zone_day *day)
{
	if (!next_is(cursor, ','))
		return false;
	cursor->at++;
	day->time_seconds = 2 * 3600;
	if (next_is(cursor, 'M')) {
		day->kind = ZONE_DAY_OF_MONTH;
		if (!read_month_day(cursor, day))
			return false;
	} else {
		day->kind = next_is(cursor, 'J') ? ZONE_DAY_JULIAN : ZONE_DAY_OF_YEAR;
		cursor->at += day->kind == ZONE_DAY_JULIAN;
		if (!read_number(cursor, &day->day) || day->day > 366)
			return false;
	}
	if (!next_is(cursor, '/'))
		return true;
	cursor->at++;
	return read_time(cursor, &day->time_seconds);
}

bool zone_rule_read(const char *bytes, size_t length, struct zone_rule *rule)
{
	struct cursor cursor = {.at = bytes, .end = bytes + length};

	*rule = (struct zone_rule){.offset = 0};
	if (!read_abbreviation(&cursor, rule->abbreviation) || !read_time(&cursor, &rule->offset))
		return false;
	/* POSIX counts west of Greenwich. */
	rule->offset = -rule->offset;
	if (cursor.at == cursor.end)
		return true;
	rule->has_summer = true;
	rule->summer_offset = rule->offset + 3600;
	if (!read_abbreviation(&cursor, rule->summer_abbreviation))
		return false;
	if (!next_is(&cursor, ',')) {
		if (!read_time(&cursor, &rule->summer_offset))
			return false;
		rule->summer_offset = -rule->summer_offset;
	}
	return read_day(&cursor, &rule->start) && read_day(&cursor, &rule->end);
}

/* Seconds since 1970 on a clock that shows standard or summer time, whichever is changed from. */
static int64_t wall_of(const struct zone_day *day, int64_t year)
{
	int64_t first, days;
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	if (day->kind == ZONE_DAY_OF_YEAR) {
		days = date_days(year, 1, 1) + day->day;
	} else if (day->kind == ZONE_DAY_JULIAN) {
		days = date_days(year, 1, 1) + day->day - 1 + (is_leap && day->day > 59);
	} else {
		int64_t next = date_days(year + (day->month == 12), day->month % 12 + 1, 1);

		first = date_days(year, day->month, 1);
		days = first + (day->day - (first % 7 + 11) % 7 + 7) % 7 + (int64_t)7 * (day->week - 1);
		while (days >= next)
			days -= 7;
	}
	return days * 86400 + day->time_seconds;
}

int32_t zone_rule_offset_at(const struct zone_rule *rule, int64_t seconds, char abbreviation[ZONE_ABBREVIATION_MAX])
{
	bool is_summer = false;

	if (rule->has_summer) {
		int64_t year = date_of_moment(seconds + rule->offset, NULL).year;
		int64_t start = wall_of(&rule->start, year) - rule->offset;
		int64_t end = wall_of(&rule->end, year) - rule->summer_offset;

		is_summer = start < end ? seconds >= start && seconds < end : seconds >= start || seconds < end;
	}
	memcpy(abbreviation, is_summer ? rule->summer_abbreviation : rule->abbreviation, ZONE_ABBREVIATION_MAX);
	return is_summer ? rule->summer_offset : rule->offset;
}
