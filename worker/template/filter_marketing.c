#include <math.h>
#include <stdio.h>
#include <string.h>

#include "worker/template/filter.h"
#include "worker/template/number.h"

/* Printed as it is, also in HTML. A header drops its line ends all the same. */
static bool raw(const struct filter_call *call, struct value *result)
{
	if (!run_string(call->run, &call->arguments[0], result))
		return false;
	result->is_safe = call->run->template->slot == TEMPLATE_SLOT_HTML;
	return true;
}

/* How a language writes 1234.5 and where it puts the sign of a currency. */
struct notation {
	const char *languages;
	const char *group, *point;
	bool sign_is_behind;
};

static const struct notation notations[] = {
	{"en he hi ja ko th zh", ",", ".", false},
	{"da de el es id it nl pt ro sl tr vi", ".", ",", true},
	{"bg cs et fi fr hu lt lv nb no pl ru sk sv uk", "\u00A0", ",", true},
	{"de-ch", "\u2019", ".", false},
};

struct currency {
	const char *code, *sign;
	int decimals;
};

/* ISO 4217; a code that is not here is printed as it is, with two decimals. */
static const struct currency currencies[] = {
	{"USD", "$", 2},      {"EUR", "\u20AC", 2},  {"GBP", "\u00A3", 2},  {"JPY", "\u00A5", 0}, {"KRW", "\u20A9", 0},
	{"INR", "\u20B9", 2}, {"UAH", "\u20B4", 2},  {"RUB", "\u20BD", 2},  {"ILS", "\u20AA", 2}, {"VND", "\u20AB", 0},
	{"TRY", "\u20BA", 2}, {"PLN", "z\u0142", 2}, {"CZK", "K\u010D", 2}, {"SEK", "kr", 2},     {"NOK", "kr", 2},
	{"DKK", "kr", 2},     {"CLP", "$", 0},       {"ISK", "kr", 0},
};

static bool has_word(const char *words, const char *word, size_t length)
{
	const char *at = words;

	while (*at != '\0') {
		size_t one = strcspn(at, " ");

		if (one == length && strncasecmp(at, word, length) == 0)
			return true;
		at += one + (at[one] == ' ');
	}
	return false;
}

static const struct notation *notation_of(const struct value *language)
{
	const char *dash = memchr(language->bytes, '-', language->length);
	size_t length = language->length;

	for (int i = 0; i < 2; i++) {
		for (size_t j = 0; j < ARRAY_LENGTH(notations); j++)
			if (has_word(notations[j].languages, language->bytes, length))
				return &notations[j];
		length = dash != NULL ? (size_t)(dash - language->bytes) : length;
	}
	return &notations[0];
}

/* The amount in cents (or whatever its smallest part is), half away from zero. Only right at a half it takes the exact
 * and slower way: 1.005 is 1.01, though its float lies below that. */
static int64_t smallest_parts(double amount, int decimals)
{
	double unit = decimals == 0 ? 1 : 100, parts = fabs(amount) * unit, whole = floor(parts);
	double distance = parts - whole - 0.5;

	if (distance < 1e-3 && distance > -1e-3)
		return (int64_t)(number_round(fabs(amount), decimals) * unit + 0.5);
	return (int64_t)whole + (distance > 0);
}

/* 123450 parts as 1,234.50. Returns the length; bytes has room for 100. */
static size_t print_grouped(int64_t parts, int decimals, const char *group, const char *point, char *bytes)
{
	char digits[NUMBER_PRINTED_MAX];
	size_t group_length = strlen(group), written = 0;
	int64_t unit = decimals == 0 ? 1 : 100;
	int whole = (int)number_print_integer(parts / unit, digits);

	for (int i = 0; i < whole; i++) {
		if (i > 0 && (whole - i) % 3 == 0) {
			memcpy(bytes + written, group, group_length);
			written += group_length;
		}
		bytes[written++] = digits[i];
	}
	if (decimals == 0)
		return written;
	memcpy(bytes + written, point, strlen(point));
	written += strlen(point);
	bytes[written++] = (char)('0' + parts % 100 / 10);
	bytes[written++] = (char)('0' + parts % 10);
	return written;
}

static const struct currency *currency_of(const struct value *code)
{
	for (size_t i = 0; i < ARRAY_LENGTH(currencies); i++)
		if (code->length == 3 && strncasecmp(code->bytes, currencies[i].code, 3) == 0)
			return &currencies[i];
	return NULL;
}

static bool amount_of(const struct filter_call *call, double *amount)
{
	struct value number;

	if (!number_of(&call->arguments[0], &number))
		return run_fault(call->run, "A number is beyond 64 bits: use a smaller one.");
	*amount = number.kind == VALUE_FLOAT ? number.real : (double)number.integer;
	/* Larger ones have no cents left to print. */
	if (!(fabs(*amount) < 1e15))
		return run_fault(call->run, "%s prints amounts below 1000000000000000 only.", call->filter->name);
	return true;
}

struct amount {
	char bytes[1200];
	size_t length;
};

static void add(struct amount *amount, const char *bytes, size_t length)
{
	if (length > sizeof(amount->bytes) - amount->length)
		return;
	memcpy(amount->bytes + amount->length, bytes, length);
	amount->length += length;
}

static bool keep(const struct filter_call *call, const struct amount *amount, struct value *result)
{
	char *bytes = run_memory(call->run, amount->length);

	if (bytes == NULL)
		return false;
	memcpy(bytes, amount->bytes, amount->length);
	*result = value_string(bytes, amount->length);
	return run_charge(call->run, 512);
}

/* money, money: "EUR", money: "EUR", "de" */
static bool money(const struct filter_call *call, struct value *result)
{
	struct value code = value_string("", 0), language = value_string("en", 2);
	const struct notation *notation;
	const struct currency *currency;
	struct amount amount = {.length = 0};
	char digits[100];
	int decimals;
	int64_t parts;
	const char *sign;
	size_t sign_length, length;
	double number = 0;

	if (call->arguments[0].kind == VALUE_NIL) {
		*result = value_nil();
		return true;
	}
	if (!amount_of(call, &number) || (call->count > 0 && !run_string(call->run, &call->arguments[1], &code)) ||
	    (call->count > 1 && !run_string(call->run, &call->arguments[2], &language)))
		return false;
	notation = notation_of(&language);
	currency = currency_of(&code);
	sign = currency != NULL ? currency->sign : code.bytes;
	sign_length = currency != NULL ? strlen(sign) : code.length;
	decimals = currency != NULL ? currency->decimals : 2;
	parts = smallest_parts(number, decimals);
	length = print_grouped(parts, decimals, notation->group, notation->point, digits);
	if (number < 0 && parts > 0)
		add(&amount, "-", 1);
	if (sign_length > 0 && !notation->sign_is_behind) {
		add(&amount, sign, sign_length);
		/* $5, but CHF 5 */
		if ((sign[0] >= 'A' && sign[0] <= 'Z') || (sign[0] >= 'a' && sign[0] <= 'z'))
			add(&amount, "\u00A0", 2);
	}
	add(&amount, digits, length);
	if (sign_length > 0 && notation->sign_is_behind) {
		add(&amount, "\u00A0", 2);
		add(&amount, sign, sign_length);
	}
	return keep(call, &amount, result);
}

/* number_with_delimiter, number_with_delimiter: "." */
static bool number_with_delimiter(const struct filter_call *call, struct value *result)
{
	struct value text, delimiter = value_string(",", 1);
	struct amount amount = {.length = 0};
	size_t whole, start;

	if (call->arguments[0].kind == VALUE_NIL) {
		*result = value_nil();
		return true;
	}
	if (!run_string(call->run, &call->arguments[0], &text) ||
	    (call->count > 0 && !run_string(call->run, &call->arguments[1], &delimiter)))
		return false;
	*result = text;
	start = text.length > 0 && *text.bytes == '-';
	for (whole = start; whole < text.length && text.bytes[whole] >= '0' && text.bytes[whole] <= '9';)
		whole++;
	if (text.length > 40 || delimiter.length > 8 || (whole < text.length && text.bytes[whole] != '.'))
		return true;
	add(&amount, text.bytes, start);
	for (size_t i = start; i < whole; i++) {
		if (i > start && (whole - i) % 3 == 0)
			add(&amount, delimiter.bytes, delimiter.length);
		add(&amount, text.bytes + i, 1);
	}
	/* 1.234,5 */
	if (whole < text.length && delimiter.length == 1 && *delimiter.bytes == '.') {
		add(&amount, ",", 1);
		whole++;
	}
	add(&amount, text.bytes + whole, text.length - whole);
	return keep(call, &amount, result);
}

/* FNV-1a, then mixed so that neighbouring contacts fall apart. */
static uint64_t hash(uint64_t start, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		start = (start ^ (unsigned char)bytes[i]) * UINT64_C(1099511628211);
	start ^= start >> 33;
	start *= UINT64_C(0xff51afd7ed558ccd);
	return start ^ start >> 33;
}

/* "spring test" | split_digit: 0 to 99, always the same for this contact and this name. */
static bool split_digit(const struct filter_call *call, struct value *result)
{
	int64_t contact = call->run->context->settings.contact_id;
	char digits[NUMBER_PRINTED_MAX];
	struct value name;
	uint64_t sum;

	if (!run_string(call->run, &call->arguments[0], &name) || !run_charge(call->run, name.length))
		return false;
	sum = hash(UINT64_C(14695981039346656037), digits, number_print_integer(contact, digits));
	*result = value_integer((int64_t)(hash(sum, name.bytes, name.length) % 100));
	return true;
}

const struct filter marketing_filters[] = {
	{"raw", raw, 0, 0, "| raw", NULL, false, true, false},
	{"money", money, 0, 2, "| money: \"EUR\", \"de\"", NULL, false, true, false},
	{"number_with_delimiter", number_with_delimiter, 0, 1, "| number_with_delimiter: \".\"", NULL, false, true,
	 false},
	{"split_digit", split_digit, 0, 0, "| split_digit", NULL, false, true, false},
	{.name = NULL},
};
