#include "worker/providers/callback_fields.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "worker/providers/form.h"

#define DIGITS_MAX  18
#define SECONDS_MAX INT64_C(253402300799) /* the end of the year 9999 */

bool callback_slice_is(struct slice slice, const char *text)
{
	return slice.length == strlen(text) && (slice.length == 0 || memcmp(slice.bytes, text, slice.length) == 0);
}

enum provider_event_kind callback_kind(const struct callback_word *words, struct slice word)
{
	while (words->word != NULL && !callback_slice_is(word, words->word))
		words++;
	return words->kind;
}

struct slice callback_text(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	struct slice text = {.bytes = json_string_value(value), .length = json_string_length(value)};

	if (text.bytes == NULL || memchr(text.bytes, '\0', text.length) != NULL)
		return (struct slice){NULL, 0};
	return text;
}

int64_t callback_number(struct slice digits)
{
	int64_t number = 0;

	if (digits.length > DIGITS_MAX)
		return 0;
	for (size_t i = 0; i < digits.length; i++) {
		if (digits.bytes[i] < '0' || digits.bytes[i] > '9')
			return 0;
		number = number * 10 + (digits.bytes[i] - '0');
	}
	return number;
}

int64_t callback_query_number(const char *query, const char *name)
{
	struct error malformed = {0};
	int64_t number = 0;
	struct form form;

	if (form_parse(&form, provider_slice(query), &malformed)) {
		number = callback_number(form_value(&form, name));
		form_release(&form);
	}
	return number;
}

int64_t callback_delivery_id(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	int64_t number =
		json_is_integer(value) ? json_integer_value(value) : callback_number(callback_text(object, name));

	return number > 0 ? number : 0;
}

int64_t callback_seconds_ms(const json_t *object, const char *name, int64_t otherwise_ms)
{
	const json_t *value = json_object_get(object, name);
	double seconds = json_number_value(value);

	if (json_is_integer(value) && json_integer_value(value) > 0 && json_integer_value(value) <= SECONDS_MAX)
		return json_integer_value(value) * 1000;
	if (json_is_real(value) && seconds > 0 && seconds <= (double)SECONDS_MAX)
		return llround(seconds * 1000);
	if (json_is_string(value)) {
		int64_t number = callback_number(callback_text(object, name));

		return number > 0 && number <= SECONDS_MAX ? number * 1000 : otherwise_ms;
	}
	return otherwise_ms;
}

/* ".123" into milliseconds; moves on behind all digits. */
static int64_t take_fraction_ms(const char **at)
{
	int64_t fraction_ms = 0, weight_ms = 100;

	if (**at != '.')
		return 0;
	for (++*at; **at >= '0' && **at <= '9'; ++*at, weight_ms /= 10)
		fraction_ms += weight_ms * (**at - '0');
	return fraction_ms;
}

/* "Z", "+02:00" or "-02:00" to the end, as minutes east of Greenwich. */
static bool take_zone(const char *at, int *east_minutes)
{
	int hours, minutes, length = 0;

	*east_minutes = 0;
	if (strcmp(at, "Z") == 0)
		return true;
	if ((*at != '+' && *at != '-') || sscanf(at + 1, "%2d:%2d%n", &hours, &minutes, &length) != 2 || length != 5 ||
	    at[6] != '\0' || hours < 0 || minutes < 0)
		return false;
	*east_minutes = (*at == '-' ? -1 : 1) * (hours * 60 + minutes);
	return true;
}

int64_t callback_time_ms(struct slice text, int64_t otherwise_ms)
{
	struct tm date = {0};
	int64_t fraction_ms;
	int east_minutes;
	const char *at;
	char copy[40];

	if (text.length == 0 || text.length >= sizeof(copy))
		return otherwise_ms;
	memcpy(copy, text.bytes, text.length);
	copy[text.length] = '\0';
	at = strptime(copy, "%Y-%m-%dT%H:%M:%S", &date);
	if (at == NULL)
		return otherwise_ms;
	fraction_ms = take_fraction_ms(&at);
	if (!take_zone(at, &east_minutes) || date.tm_year < 70)
		return otherwise_ms;
	return ((int64_t)timegm(&date) - east_minutes * INT64_C(60)) * 1000 + fraction_ms;
}

bool callback_json(struct slice body, json_t **json, struct error *err)
{
	*json = body.length > 0 ? json_loadb(body.bytes, body.length, JSON_ALLOW_NUL, NULL) : NULL;
	return *json != NULL || error_set(err, ERROR_INVALID, "The callback is no JSON.");
}

bool callback_check_age(struct slice seconds, int64_t now_ms, int64_t tolerance_s, struct error *err)
{
	int64_t signed_s = callback_number(seconds), now_s = now_ms / 1000;

	if (signed_s <= 0)
		return error_set(err, ERROR_REFUSED, "The callback's timestamp is missing or makes no sense.");
	if (signed_s < now_s - tolerance_s || signed_s > now_s + tolerance_s)
		return error_set(err, ERROR_REFUSED,
				 "The callback's timestamp is more than %" PRId64 " s from our clock.", tolerance_s);
	return true;
}
