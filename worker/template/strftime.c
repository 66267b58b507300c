#include <stdio.h>
#include <string.h>

#include "worker/template/date.h"

#define WIDTH_MAX 64 /* of one directive: nobody needs more, and 10^9 blanks nobody can hold */

struct printer {
	const struct date *date;
	char *out;
	size_t length, size;
};

/* %-5^B: what stands between % and the letter. */
struct directive {
	char pad; /* '\0': the directive's own; '-': none; '0'; ' ' */
	bool is_upper, swaps_case;
	int width; /* 0: the directive's own */
	int colons;
};

static void put(struct printer *printer, char byte)
{
	if (printer->length < printer->size)
		printer->out[printer->length++] = byte;
}

static void put_text(struct printer *printer, const struct directive *directive, const char *text)
{
	size_t length = strlen(text);

	for (int i = (int)length; i < directive->width && directive->pad != '-'; i++)
		put(printer, directive->pad == '0' ? '0' : ' ');
	for (size_t i = 0; i < length; i++) {
		char byte = text[i];

		if ((directive->is_upper || directive->swaps_case) && byte >= 'a' && byte <= 'z')
			byte = (char)(byte - 32);
		put(printer, byte);
	}
}

static void put_number(struct printer *printer, const struct directive *directive, int64_t number, int width, char pad)
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%" PRId64, number < 0 ? -number : number);

	pad = directive->pad != '\0' ? directive->pad : pad;
	width = directive->width > 0 ? directive->width : width;
	width -= number < 0;
	if (number < 0 && pad != ' ')
		put(printer, '-');
	for (int i = length; i < width && pad != '-'; i++)
		put(printer, pad);
	if (number < 0 && pad == ' ')
		put(printer, '-');
	for (int i = 0; i < length; i++)
		put(printer, digits[i]);
}

static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
				     "July",    "August",   "September", "October", "November", "December"};
static const char *const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

static void put_short(struct printer *printer, const struct directive *directive, const char *name)
{
	char three[4] = {name[0], name[1], name[2], '\0'};

	put_text(printer, directive, three);
}

/* +0200, %:z +02:00, %::z +02:00:00 */
static void put_offset(struct printer *printer, const struct directive *directive)
{
	int32_t offset = printer->date->offset_seconds, rest = offset < 0 ? -offset : offset;
	char text[32];
	int hours = rest / 3600, minutes = rest / 60 % 60, seconds = rest % 60;

	if (directive->colons == 0)
		(void)snprintf(text, sizeof(text), "%c%02d%02d", offset < 0 ? '-' : '+', hours, minutes);
	else if (directive->colons == 1)
		(void)snprintf(text, sizeof(text), "%c%02d:%02d", offset < 0 ? '-' : '+', hours, minutes);
	else
		(void)snprintf(text, sizeof(text), "%c%02d:%02d:%02d", offset < 0 ? '-' : '+', hours, minutes, seconds);
	put_text(printer, directive, text);
}

/* Weeks that begin on Sunday (0) or Monday (1). */
static int week_of_year(const struct date *date, int first_day)
{
	return (date->year_day + 6 - (date->weekday - first_day + 7) % 7) / 7;
}

/* ISO 8601: the week that has the year's first Thursday is the first. */
static void iso_week(const struct date *date, int64_t *year, int *week)
{
	int64_t day = date->seconds + date->offset_seconds;
	int64_t days_since = (day - (((day % 86400) + 86400) % 86400)) / 86400;
	int64_t thursday = days_since - (date->weekday + 6) % 7 + 3;

	*year = date->year;
	if (thursday < date_days(date->year, 1, 1))
		(*year)--;
	else if (thursday >= date_days(date->year + 1, 1, 1))
		(*year)++;
	*week = (int)((thursday - date_days(*year, 1, 1)) / 7 + 1);
}

static void put_fraction(struct printer *printer, const struct directive *directive, int digits)
{
	int unit = 100;

	digits = directive->width > 0 ? directive->width : digits;
	for (int i = 0; i < digits; i++) {
		put(printer, (char)('0' + (unit > 0 ? printer->date->millisecond / unit % 10 : 0)));
		unit /= 10;
	}
}

static int half_hour(const struct date *date)
{
	return date->hour % 12 == 0 ? 12 : date->hour % 12;
}

/* %#Z is in small letters. */
static void put_zone(struct printer *printer, const struct directive *directive)
{
	struct directive plain = *directive;
	char name[ZONE_ABBREVIATION_MAX];
	size_t length = 0;

	for (; printer->date->zone[length] != '\0'; length++) {
		char byte = printer->date->zone[length];

		name[length] = (char)(directive->swaps_case && byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
	}
	name[length] = '\0';
	plain.swaps_case = false;
	put_text(printer, &plain, name);
}

static bool put_iso(struct printer *printer, const struct directive *directive, char letter)
{
	int64_t year;
	int week;

	iso_week(printer->date, &year, &week);
	if (letter == 'G')
		put_number(printer, directive, year, 4, '0');
	else if (letter == 'g')
		put_number(printer, directive, (year % 100 + 100) % 100, 2, '0');
	else
		put_number(printer, directive, week, 2, '0');
	return true;
}

static bool put_day(struct printer *printer, const struct directive *directive, char letter)
{
	const struct date *date = printer->date;

	switch (letter) {
	case 'Y':
		put_number(printer, directive, date->year, date->year < 0 ? 5 : 4, '0');
		return true;
	case 'C':
		put_number(printer, directive, date->year / 100, 2, '0');
		return true;
	case 'y':
		put_number(printer, directive, (date->year % 100 + 100) % 100, 2, '0');
		return true;
	case 'm':
		put_number(printer, directive, date->month, 2, '0');
		return true;
	case 'B':
		put_text(printer, directive, months[date->month - 1]);
		return true;
	case 'b':
	case 'h':
		put_short(printer, directive, months[date->month - 1]);
		return true;
	case 'd':
	case 'e':
		put_number(printer, directive, date->day, 2, letter == 'd' ? '0' : ' ');
		return true;
	case 'j':
		put_number(printer, directive, date->year_day, 3, '0');
		return true;
	case 'A':
		put_text(printer, directive, days[date->weekday]);
		return true;
	case 'a':
		put_short(printer, directive, days[date->weekday]);
		return true;
	case 'u':
		put_number(printer, directive, date->weekday == 0 ? 7 : date->weekday, 1, '0');
		return true;
	case 'w':
		put_number(printer, directive, date->weekday, 1, '0');
		return true;
	case 'U':
	case 'W':
		put_number(printer, directive, week_of_year(date, letter == 'W'), 2, '0');
		return true;
	case 'G':
	case 'g':
	case 'V':
		return put_iso(printer, directive, letter);
	default:
		return false;
	}
}

static bool put_time(struct printer *printer, const struct directive *directive, char letter)
{
	const struct date *date = printer->date;

	switch (letter) {
	case 'H':
	case 'k':
		put_number(printer, directive, date->hour, 2, letter == 'H' ? '0' : ' ');
		return true;
	case 'I':
	case 'l':
		put_number(printer, directive, half_hour(date), 2, letter == 'I' ? '0' : ' ');
		return true;
	case 'M':
		put_number(printer, directive, date->minute, 2, '0');
		return true;
	case 'S':
		put_number(printer, directive, date->second, 2, '0');
		return true;
	case 'L':
		put_fraction(printer, directive, 3);
		return true;
	case 'N':
		put_fraction(printer, directive, 9);
		return true;
	case 'P':
		put_text(printer, directive, date->hour < 12 ? "am" : "pm");
		return true;
	case 'p':
		if (directive->swaps_case)
			return put_time(printer, &(struct directive){.pad = directive->pad, .width = directive->width},
					'P');
		put_text(printer, directive, date->hour < 12 ? "AM" : "PM");
		return true;
	case 's':
		put_number(printer, directive, date->seconds, 1, '0');
		return true;
	case 'z':
		put_offset(printer, directive);
		return true;
	case 'Z':
		put_zone(printer, directive);
		return true;
	default:
		return false;
	}
}

/* What a letter that stands for several is short for. */
static const char *expand(char letter)
{
	switch (letter) {
	case 'c':
		return "%a %b %e %H:%M:%S %Y";
	case 'D':
	case 'x':
		return "%m/%d/%y";
	case 'F':
		return "%Y-%m-%d";
	case 'R':
		return "%H:%M";
	case 'r':
		return "%I:%M:%S %p";
	case 'T':
	case 'X':
		return "%H:%M:%S";
	case 'v':
		return "%e-%^b-%Y";
	case '+':
		return "%a %b %e %H:%M:%S %Z %Y";
	default:
		return NULL;
	}
}

static size_t read_directive(const char *format, size_t length, struct directive *directive)
{
	size_t at = 0;

	*directive = (struct directive){.pad = '\0'};
	for (; at < length && strchr("-0^#_:", format[at]) != NULL && format[at] != '\0'; at++) {
		directive->is_upper |= format[at] == '^';
		directive->swaps_case |= format[at] == '#';
		directive->colons += format[at] == ':';
		if (format[at] == '-' || format[at] == '0')
			directive->pad = format[at];
		if (format[at] == '_')
			directive->pad = ' ';
	}
	for (; at < length && format[at] >= '0' && format[at] <= '9'; at++)
		if (directive->width <= WIDTH_MAX)
			directive->width = directive->width * 10 + (format[at] - '0');
	directive->width = directive->width > WIDTH_MAX ? WIDTH_MAX : directive->width;
	for (; at < length && format[at] == ':'; at++)
		directive->colons++;
	return at;
}

size_t date_print(const struct date *date, const char *format, size_t length, char *out, size_t size)
{
	struct printer printer = {.date = date, .out = out, .size = size};

	for (size_t at = 0; at < length; at++) {
		struct directive directive;
		size_t letter;
		const char *longer;

		letter = at + 1;
		if (format[at] == '%')
			letter += read_directive(format + at + 1, length - at - 1, &directive);
		if (format[at] != '%' || letter >= length) {
			put(&printer, format[at]);
			continue;
		}
		longer = expand(format[letter]);
		if (longer != NULL) {
			char text[64];
			size_t one = date_print(date, longer, strlen(longer), text, sizeof(text) - 1);

			text[one] = '\0';
			put_text(&printer, &directive, text);
		} else if (format[letter] == '%' || format[letter] == 'n' || format[letter] == 't') {
			put(&printer, format[letter] == '%' ? '%' : format[letter] == 'n' ? '\n' : '\t');
		} else if (!put_day(&printer, &directive, format[letter]) &&
			   !put_time(&printer, &directive, format[letter])) {
			for (; at < letter; at++)
				put(&printer, format[at]);
			put(&printer, format[letter]);
		}
		at = letter;
	}
	return printer.length;
}
