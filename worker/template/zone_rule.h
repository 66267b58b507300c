/* zone_rule - CET-1CEST,M3.5.0,M10.5.0/3: when the clocks are changed, year after year.
 *
 * The footer of a time zone file, as POSIX (Base Definitions, 8.3, TZ) and RFC 8536 3.3.1 write it.
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_ZONE_RULE_H
#define POSTRIDER_WORKER_TEMPLATE_ZONE_RULE_H

#include "worker/template/zone.h"

/* Mmonth.week.day: week 5 is the last; or a day of the year, J: not counting February 29. */
struct zone_day {
	enum { ZONE_DAY_OF_MONTH, ZONE_DAY_OF_YEAR, ZONE_DAY_JULIAN } kind;
	int month, week, day;
	int32_t time_seconds;
};

struct zone_rule {
	int32_t offset, summer_offset;
	char abbreviation[ZONE_ABBREVIATION_MAX], summer_abbreviation[ZONE_ABBREVIATION_MAX];
	bool has_summer;
	struct zone_day start, end;
};

bool zone_rule_read(const char *bytes, size_t length, struct zone_rule *rule) MUST_CHECK;
int32_t zone_rule_offset_at(const struct zone_rule *rule, int64_t seconds, char abbreviation[ZONE_ABBREVIATION_MAX]);

#endif
