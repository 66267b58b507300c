#include "worker/template/date.h"

#include <stdio.h>
#include <string.h>

/* Howard Hinnant's days_from_civil: http://howardhinnant.github.io/date_algorithms.html */
int64_t date_days(int64_t year, int month, int day)
{
	int64_t era, year_of_era, day_of_year;

	year -= month <= 2;
	era = (year >= 0 ? year : year - 399) / 400;
	year_of_era = year - era * 400;
	day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void set_civil(struct date *date, int64_t days)
{
	int64_t era, day_of_era, year_of_era, day_of_year, month;

	days += 719468;
	era = (days >= 0 ? days : days - 146096) / 146097;
	day_of_era = days - era * 146097;
	year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	month = (5 * day_of_year + 2) / 153;
	date->day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
	date->month = (int)(month + (month < 10 ? 3 : -9));
	date->year = year_of_era + era * 400 + (date->month <= 2);
}

static int64_t floor_divide(int64_t number, int64_t by)
{
	return number / by - (number % by < 0);
}

/* As a clock so far east of Greenwich shows it. */
static void set_wall(struct date *date, int64_t seconds, int32_t offset)
{
	int64_t days = floor_divide(seconds + offset, 86400);
	int of_day = (int)(seconds + offset - days * 86400);

	date->seconds = seconds;
	date->offset_seconds = offset;
	set_civil(date, days);
	date->hour = of_day / 3600;
	date->minute = of_day / 60 % 60;
	date->second = of_day % 60;
	date->weekday = (int)((days % 7 + 11) % 7);
	date->year_day = (int)(days - date_days(date->year, 1, 1) + 1);
}

#define SECONDS_MAX INT64_C(100000000000000) /* three million years: nobody's campaign, and no overflow */

struct date date_of_moment(int64_t seconds, const struct zone *zone)
{
	struct date date = {.year = 1970};

	if (seconds > SECONDS_MAX || seconds < -SECONDS_MAX)
		seconds = seconds > 0 ? SECONDS_MAX : -SECONDS_MAX;
	set_wall(&date, seconds, zone_offset_at(zone, seconds, date.zone));
	return date;
}

/* -- reading -- */

struct reader {
	const char *at, *end;
	int64_t year;
	int month, day, hour, minute, second, millisecond;
	bool has_year, has_month, has_day, has_time, has_offset, is_afternoon, has_half;
	int32_t offset;
};

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_letter(char byte)
{
	return (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
}

/* At most nine digits. *count: how many. */
static int read_number(struct reader *reader, size_t *count)
{
	int number = 0;

	for (*count = 0; reader->at < reader->end && is_digit(*reader->at) && *count < 9; reader->at++, ++*count)
		number = number * 10 + (*reader->at - '0');
	return number;
}

static bool next_is(const struct reader *reader, char byte)
{
	return reader->at < reader->end && *reader->at == byte;
}

static bool digit_follows(const struct reader *reader)
{
	return reader->end - reader->at > 1 && is_digit(reader->at[1]);
}

static void read_fraction(struct reader *reader)
{
	int unit = 100;

	for (reader->at++; reader->at < reader->end && is_digit(*reader->at); reader->at++) {
		reader->millisecond += unit * (*reader->at - '0');
		unit /= 10;
	}
}

/* Behind the hour: :20, :20:30, :20:30.5 */
static bool read_time(struct reader *reader, int hour)
{
	size_t count;

	if (reader->has_time)
		return false;
	reader->has_time = true;
	reader->hour = hour;
	reader->at++;
	reader->minute = read_number(reader, &count);
	if (next_is(reader, ':') && digit_follows(reader)) {
		reader->at++;
		reader->second = read_number(reader, &count);
		if ((next_is(reader, '.') || next_is(reader, ',')) && digit_follows(reader))
			read_fraction(reader);
	}
	return true;
}

/* +02:00, -0500, +3 */
static bool read_offset(struct reader *reader)
{
	int sign = *reader->at++ == '-' ? -1 : 1;
	size_t count;
	int number = read_number(reader, &count), minutes = 0;

	if (count == 0 || count > 4)
		return false;
	if (count > 2) {
		minutes = number % 100;
		number /= 100;
	} else if (next_is(reader, ':') && digit_follows(reader)) {
		reader->at++;
		minutes = read_number(reader, &count);
	}
	if (number > 23 || minutes > 59)
		return false;
	reader->has_offset = true;
	reader->offset = sign * (number * 3600 + minutes * 60);
	return true;
}

static bool set_day(struct reader *reader, int64_t year, int month, int day)
{
	if (reader->has_year || reader->has_day)
		return false;
	reader->year = year;
	reader->month = month;
	reader->day = day;
	reader->has_year = reader->has_month = reader->has_day = true;
	return true;
}

/* 69 is 1969 and 68 is 2068, as in Ruby. */
static int64_t full_year(int year, size_t digits)
{
	if (digits > 2)
		return year;
	return year + (year >= 69 ? 1900 : 2000);
}

/* 2026-11-27, 2026/11/27, 27/11/2026, 27.11.2026, 27-11-2026 */
static bool read_parts(struct reader *reader, int first, size_t first_digits)
{
	char mark = *reader->at++;
	size_t second_digits, third_digits = 0;
	int second = read_number(reader, &second_digits), third = 0;

	if (second_digits == 0)
		return false;
	if (next_is(reader, mark) && digit_follows(reader)) {
		reader->at++;
		third = read_number(reader, &third_digits);
	}
	if (first_digits > 2 && third_digits > 0)
		return set_day(reader, first, second, third);
	if (third_digits > 2)
		return set_day(reader, third, second, first);
	return third_digits > 0 && set_day(reader, full_year(first, first_digits), second, third);
}

/* 20261127 and 20261127102030 */
static bool read_packed(struct reader *reader)
{
	int parts[6] = {0};
	size_t count = 0;

	while (reader->at + count < reader->end && is_digit(reader->at[count]))
		count++;
	if (count != 8 && count != 14 && count != 12)
		return false;
	for (size_t part = 0, at = 0; at < count; part++) {
		size_t width = part == 0 ? 4 : 2;

		for (size_t i = 0; i < width; i++, at++)
			parts[part] = parts[part] * 10 + (reader->at[at] - '0');
	}
	reader->at += count;
	if (count > 8) {
		reader->has_time = true;
		reader->hour = parts[3];
		reader->minute = parts[4];
		reader->second = parts[5];
	}
	return set_day(reader, parts[0], parts[1], parts[2]);
}

/* A day, or a year behind it. */
static bool lone_number(struct reader *reader, int number, size_t digits)
{
	if (next_is(reader, '\'') || digits > 2 || (reader->has_day && !reader->has_year)) {
		if (reader->has_year)
			return false;
		reader->year = full_year(number, digits);
		return reader->has_year = true;
	}
	if (reader->has_day)
		return false;
	reader->day = number;
	return reader->has_day = true;
}

static bool read_half(struct reader *reader, const char *at)
{
	size_t left = (size_t)(reader->end - at);

	while (left > 0 && *at == ' ') {
		at++;
		left--;
	}
	if (left < 2 || (at[1] | 0x20) != 'm' || ((at[0] | 0x20) != 'a' && (at[0] | 0x20) != 'p') ||
	    (left > 2 && is_letter(at[2])))
		return false;
	reader->has_half = true;
	reader->is_afternoon = (at[0] | 0x20) == 'p';
	reader->at = at + 2;
	return true;
}

static bool read_digits(struct reader *reader)
{
	size_t count;
	int number;

	if (reader->end - reader->at >= 8 && read_packed(reader))
		return true;
	number = read_number(reader, &count);
	if (reader->at < reader->end && *reader->at == ':' && digit_follows(reader))
		return read_time(reader, number) && (read_half(reader, reader->at) || true);
	if (!reader->has_time && count <= 2 && read_half(reader, reader->at)) {
		reader->hour = number;
		return reader->has_time = true;
	}
	if (reader->at < reader->end && strchr("-/.", *reader->at) != NULL && digit_follows(reader))
		return read_parts(reader, number, count);
	return lone_number(reader, number, count);
}

static int word_number(const char *word, size_t length, const char *const *words, int count)
{
	for (int i = 0; i < count; i++)
		if (length >= 3 && length <= strlen(words[i]) && strncasecmp(word, words[i], length) == 0)
			return i + 1;
	return 0;
}

static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
				     "July",    "August",   "September", "October", "November", "December"};
static const char *const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

/* Zones that mail has always known by letters, RFC 5322. */
static bool read_zone_word(struct reader *reader, const char *word, size_t length)
{
	static const struct {
		const char *name;
		int hours;
	} zones[] = {{"z", 0},    {"utc", 0},  {"gmt", 0},  {"est", -5}, {"edt", -4}, {"cst", -6},
		     {"cdt", -5}, {"mst", -7}, {"mdt", -6}, {"pst", -8}, {"pdt", -7}, {"cet", 1},
		     {"cest", 2}, {"eet", 2},  {"eest", 3}, {"bst", 1},  {"msk", 3}};

	for (size_t i = 0; i < ARRAY_LENGTH(zones); i++)
		if (strlen(zones[i].name) == length && strncasecmp(word, zones[i].name, length) == 0) {
			reader->has_offset = true;
			reader->offset = zones[i].hours * 3600;
			return true;
		}
	return false;
}

static bool read_word(struct reader *reader)
{
	const char *word = reader->at;
	size_t length;
	int month;

	while (reader->at < reader->end && is_letter(*reader->at))
		reader->at++;
	length = (size_t)(reader->at - word);
	month = word_number(word, length, months, 12);
	if (month > 0 && !reader->has_month) {
		reader->month = month;
		return reader->has_month = true;
	}
	if (word_number(word, length, days, 7) > 0 || read_zone_word(reader, word, length))
		return true;
	/* T before a time; th and the like behind a day; at, of. */
	return length == 1 ? (*word | 0x20) == 't' : length == 2;
}

static bool read_all(struct reader *reader)
{
	while (reader->at < reader->end) {
		char byte = *reader->at;

		if (is_digit(byte)) {
			if (!read_digits(reader))
				return false;
		} else if (is_letter(byte)) {
			if (!read_word(reader))
				return false;
		} else if ((byte == '+' || byte == '-') && reader->has_time && !reader->has_offset &&
			   digit_follows(reader)) {
			if (!read_offset(reader))
				return false;
		} else if (strchr(" ,.-/()\t\n", byte) != NULL && byte != '\0') {
			reader->at++;
		} else {
			return false;
		}
	}
	return reader->has_day || reader->has_month || reader->has_time;
}

/* February 30 is March 1 or 2, as in Ruby. */
static bool settle(struct reader *reader, const struct date *today)
{
	if (!reader->has_year)
		reader->year = today->year;
	if (!reader->has_month)
		reader->month = today->month;
	if (!reader->has_day)
		reader->day = reader->has_month ? 1 : today->day;
	if (reader->has_half && (reader->hour < 1 || reader->hour > 12))
		return false;
	if (reader->has_half)
		reader->hour = reader->hour % 12 + (reader->is_afternoon ? 12 : 0);
	return reader->month >= 1 && reader->month <= 12 && reader->day >= 1 && reader->year <= 999999 &&
	       reader->day <= 31 && reader->hour <= 24 && reader->minute <= 59 && reader->second <= 60 &&
	       (reader->hour < 24 || (reader->minute == 0 && reader->second == 0));
}

static void name_offset(struct date *date)
{
	if (date->offset_seconds == 0)
		memcpy(date->zone, "UTC", 4);
	else
		date->zone[0] = '\0';
}

bool date_read(const char *bytes, size_t length, const struct zone *zone, int64_t now_seconds, bool keeps_offset,
	       struct date *date)
{
	struct reader reader = {.at = bytes, .end = bytes + length};
	struct date today = date_of_moment(now_seconds, zone);
	int64_t wall;

	if (length > 128 || !read_all(&reader) || !settle(&reader, &today))
		return false;
	wall = date_days(reader.year, reader.month, reader.day) * 86400 + reader.hour * 3600 + reader.minute * 60 +
	       reader.second;
	if (!reader.has_offset) {
		*date = date_of_moment(zone_moment_of(zone, wall), zone);
	} else if (keeps_offset) {
		*date = (struct date){.year = 1970};
		set_wall(date, wall - reader.offset, reader.offset);
		name_offset(date);
	} else {
		*date = date_of_moment(wall - reader.offset, zone);
	}
	date->millisecond = reader.millisecond;
	return true;
}
