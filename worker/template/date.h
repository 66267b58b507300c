/* date - a moment as people write it and read it.
 *
 * The calendar is the proleptic Gregorian one, in 64 bits, without the C library's time zone and locale. What is
 * read: 2026-11-27, 2026-11-27T10:20:30Z, with +02:00, November 27, 2026, 27 Nov 2026, Fri, 27 Nov 2026 10:20:30 GMT, 27/11/2026,
 * 10:20, 5 pm and the like.
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_DATE_H
#define POSTRIDER_WORKER_TEMPLATE_DATE_H

#include "worker/template/zone.h"

struct date {
	int64_t year;
	int month, day; /* from 1 */
	int hour, minute, second;
	int32_t millisecond;
	int weekday, year_day;  /* Sunday is 0; January 1 is 1 */
	int32_t offset_seconds; /* east of Greenwich */
	char zone[ZONE_ABBREVIATION_MAX];
	int64_t seconds; /* since 1970, UTC */
};

/* Days since 1970-01-01. */
int64_t date_days(int64_t year, int month, int day);

/* The moment as a clock in the zone shows it; zone NULL: UTC. */
struct date date_of_moment(int64_t seconds, const struct zone *zone);

/* False: it is no date. Without a zone of its own it is one of zone, without a day one of today. keeps_offset: a date with
 * an offset stays in it, instead of being shown in zone. */
bool date_read(const char *bytes, size_t length, const struct zone *zone, int64_t now_seconds, bool keeps_offset,
	       struct date *date) MUST_CHECK;

/* Formats like Ruby's strftime: %Y-%m-%d, %-d, %B, %^a, %3N ... Writes at most size bytes, returns the length; size: it
 * was too long. Widths are bounded. */
size_t date_print(const struct date *date, const char *format, size_t length, char *out, size_t size);

#endif
