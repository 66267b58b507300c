#include "worker/template/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 400 /* of a number that is read as a float; more do not change it visibly */

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

/* The digits from *at on. False: they do not fit. */
static bool read_digits(const char *bytes, size_t length, size_t *at, bool is_negative, int64_t *integer)
{
	int64_t sum = 0;

	for (; *at < length && is_digit(bytes[*at]); (*at)++) {
		int64_t digit = is_negative ? '0' - bytes[*at] : bytes[*at] - '0';

		if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_add_overflow(sum, digit, &sum))
			return false;
	}
	*integer = sum;
	return true;
}

bool number_read_integer(const char *bytes, size_t length, int64_t *integer)
{
	bool is_negative = length > 0 && bytes[0] == '-';
	size_t at = is_negative ? 1 : 0;

	return at < length && read_digits(bytes, length, &at, is_negative, integer) && at == length;
}

bool number_read_leading_integer(const char *bytes, size_t length, int64_t *integer)
{
	size_t at = 0;
	bool is_negative;

	while (at < length && strchr(" \t\n\v\f\r", bytes[at]) != NULL && bytes[at] != '\0')
		at++;
	is_negative = at < length && bytes[at] == '-';
	if (at < length && (bytes[at] == '-' || bytes[at] == '+'))
		at++;
	return read_digits(bytes, length, &at, is_negative, integer);
}

double number_read_float(const char *bytes, size_t length)
{
	char copy[DIGITS_MAX + 1];

	length = length > DIGITS_MAX ? DIGITS_MAX : length;
	memcpy(copy, bytes, length);
	copy[length] = '\0';
	return strtod(copy, NULL);
}

size_t number_print_integer(int64_t integer, char out[NUMBER_PRINTED_MAX])
{
	char digits[24];
	size_t count = 0, length = 0;
	uint64_t rest = integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer;

	do {
		digits[count++] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (integer < 0)
		out[length++] = '-';
	while (count > 0)
		out[length++] = digits[--count];
	return length;
}

/* The fewest significant digits that read back as the same float. */
static int shortest(double real, char digits[32], int *exponent)
{
	char printed[40];
	int count = 0;

	for (int precision = 14; precision <= 16; precision++) {
		(void)snprintf(printed, sizeof(printed), "%.*e", precision, fabs(real));
		if (strtod(printed, NULL) == fabs(real))
			break;
	}
	*exponent = atoi(strchr(printed, 'e') + 1);
	for (const char *at = printed; *at != 'e'; at++)
		if (is_digit(*at))
			digits[count++] = *at;
	while (count > 1 && digits[count - 1] == '0')
		count--;
	return count;
}

static size_t put_digits(const char *digits, int count, int from, int to, char *out)
{
	size_t length = 0;

	for (int i = from; i < to; i++)
		out[length++] = i >= 0 && i < count ? digits[i] : '0';
	return length;
}

size_t number_print_float(double real, char out[NUMBER_PRINTED_MAX])
{
	char digits[32];
	int count, exponent;
	size_t length = 0;

	if (isnan(real) || isinf(real))
		return (size_t)snprintf(out, NUMBER_PRINTED_MAX, "%s",
					isnan(real) ? "NaN"
					: real < 0  ? "-Infinity"
						    : "Infinity");
	count = shortest(real, digits, &exponent);
	if (signbit(real))
		out[length++] = '-';
	if (real != 0 && (exponent < -4 || exponent >= 15)) {
		out[length++] = digits[0];
		out[length++] = '.';
		length += put_digits(digits, count, 1, count > 1 ? count : 2, out + length);
		return length + (size_t)snprintf(out + length, NUMBER_PRINTED_MAX - length, "e%c%02d",
						 exponent < 0 ? '-' : '+', abs(exponent));
	}
	length += put_digits(digits, count, exponent < 0 ? -1 : 0, exponent < 0 ? 0 : exponent + 1, out + length);
	out[length++] = '.';
	length += put_digits(digits, count, exponent + 1, count > exponent + 1 ? count : exponent + 2, out + length);
	return length;
}

/* -?\d+\.\d+ and nothing else but blanks around. */
static bool is_decimal(const char *bytes, size_t length)
{
	size_t at = 0, whole, fraction;

	if (at < length && bytes[at] == '-')
		at++;
	for (whole = 0; at < length && is_digit(bytes[at]); at++)
		whole++;
	if (whole == 0 || at == length || bytes[at++] != '.')
		return false;
	for (fraction = 0; at < length && is_digit(bytes[at]); at++)
		fraction++;
	return fraction > 0 && at == length;
}

static bool is_blank(char byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static bool number_of_string(const struct value *value, struct value *number)
{
	const char *bytes = value->bytes;
	size_t length = value->length;
	int64_t integer;

	while (length > 0 && is_blank(bytes[0])) {
		bytes++;
		length--;
	}
	while (length > 0 && is_blank(bytes[length - 1]))
		length--;
	if (is_decimal(bytes, length)) {
		*number = value_float(number_read_float(bytes, length));
		return true;
	}
	if (!number_read_leading_integer(bytes, length, &integer))
		return false;
	*number = value_integer(integer);
	return true;
}

bool number_of(const struct value *value, struct value *number)
{
	switch (value->kind) {
	case VALUE_INTEGER:
	case VALUE_FLOAT:
		*number = *value;
		return true;
	case VALUE_BIG:
		return false;
	case VALUE_STRING:
		return number_of_string(value, number);
	default:
		*number = value_integer(0);
		return true;
	}
}
