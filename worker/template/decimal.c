#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/template/number.h"

/* coefficient * 10^-scale */
struct decimal {
	__int128 coefficient;
	int scale;
};

#define SCALE_MAX 22 /* larger ones are left to floats: two coefficients of 17 digits still multiply in 128 bits */

/* The shortest decimal that the float stands for. False: too large or too fine. */
static bool decimal_of(const struct value *number, struct decimal *decimal)
{
	char printed[NUMBER_PRINTED_MAX];
	size_t length;

	if (number->kind == VALUE_INTEGER) {
		*decimal = (struct decimal){.coefficient = number->integer};
		return true;
	}
	if (!isfinite(number->real) || fabs(number->real) >= 1e16)
		return false;
	length = number_print_float(number->real, printed);
	*decimal = (struct decimal){.coefficient = 0};
	for (size_t i = 0, behind_point = 0; i < length; i++) {
		if (printed[i] == 'e')
			return false;
		if (printed[i] == '.')
			behind_point = 1;
		if (printed[i] < '0' || printed[i] > '9')
			continue;
		decimal->coefficient = decimal->coefficient * 10 + (printed[i] - '0');
		decimal->scale += (int)behind_point;
	}
	if (printed[0] == '-')
		decimal->coefficient = -decimal->coefficient;
	return decimal->scale <= SCALE_MAX;
}

/* Brings both to the same scale. False: it does not fit. */
static bool align(struct decimal *left, struct decimal *right)
{
	while (left->scale < right->scale) {
		if (__builtin_mul_overflow(left->coefficient, 10, &left->coefficient))
			return false;
		left->scale++;
	}
	while (right->scale < left->scale) {
		if (__builtin_mul_overflow(right->coefficient, 10, &right->coefficient))
			return false;
		right->scale++;
	}
	return true;
}

/* Printed and read back: that rounds correctly. */
static double to_float(struct decimal decimal)
{
	char digits[64];
	size_t at = sizeof(digits);
	bool is_negative = decimal.coefficient < 0;
	unsigned __int128 rest =
		is_negative ? 0 - (unsigned __int128)decimal.coefficient : (unsigned __int128)decimal.coefficient;

	digits[--at] = '\0';
	for (int i = 0; rest > 0 || i <= decimal.scale; i++) {
		if (i == decimal.scale && i > 0)
			digits[--at] = '.';
		digits[--at] = (char)('0' + (int)(rest % 10));
		rest /= 10;
	}
	if (is_negative)
		digits[--at] = '-';
	return strtod(digits + at, NULL);
}

static double as_float(const struct value *number)
{
	return number->kind == VALUE_INTEGER ? (double)number->integer : number->real;
}

static bool calculate_exactly(char operation, const struct value *left, const struct value *right, double *result)
{
	struct decimal a, b, sum;
	bool fits;

	if (operation == '/' || !decimal_of(left, &a) || !decimal_of(right, &b))
		return false;
	if (operation == '*') {
		sum.scale = a.scale + b.scale;
		if (__builtin_mul_overflow(a.coefficient, b.coefficient, &sum.coefficient))
			return false;
		*result = to_float(sum);
		return true;
	}
	if (!align(&a, &b))
		return false;
	sum.scale = a.scale;
	if (operation == '%') {
		sum.coefficient = a.coefficient % b.coefficient;
		if (sum.coefficient != 0 && (sum.coefficient < 0) != (b.coefficient < 0))
			sum.coefficient += b.coefficient;
		fits = true;
	} else {
		fits = operation == '+' ? !__builtin_add_overflow(a.coefficient, b.coefficient, &sum.coefficient)
					: !__builtin_sub_overflow(a.coefficient, b.coefficient, &sum.coefficient);
	}
	*result = fits ? to_float(sum) : 0;
	return fits;
}

static enum number_problem calculate_floats(char operation, const struct value *left, const struct value *right,
					    struct value *result)
{
	double a = as_float(left), b = as_float(right), sum;

	if (operation == '%' && b == 0)
		return NUMBER_ZERO_DIVISOR;
	/* As with Ruby's BigDecimal: 1.0 by 0 is Infinity. */
	if (operation == '/' && b == 0) {
		*result = value_float(a == 0 ? NAN : a > 0 ? INFINITY : -INFINITY);
		return NUMBER_NOT_FINITE;
	}
	if (calculate_exactly(operation, left, right, &sum)) {
		*result = value_float(sum);
		return NUMBER_FINE;
	}
	switch (operation) {
	case '+':
		sum = a + b;
		break;
	case '-':
		sum = a - b;
		break;
	case '*':
		sum = a * b;
		break;
	case '/':
		sum = (double)((long double)a / (long double)b);
		break;
	default:
		sum = a - b * floor(a / b);
		break;
	}
	*result = value_float(sum);
	return isfinite(sum) ? NUMBER_FINE : NUMBER_TOO_LARGE;
}

/* Rounds down, as Ruby does: -7 / 2 is -4 and -7 % 2 is 1. */
static enum number_problem divide(char operation, int64_t left, int64_t right, int64_t *result)
{
	int64_t quotient, rest;

	if (right == 0)
		return NUMBER_ZERO_DIVISOR;
	if (left == INT64_MIN && right == -1) {
		*result = 0;
		return operation == '/' ? NUMBER_TOO_LARGE : NUMBER_FINE;
	}
	quotient = left / right;
	rest = left % right;
	if (rest != 0 && (rest < 0) != (right < 0)) {
		quotient--;
		rest += right;
	}
	*result = operation == '/' ? quotient : rest;
	return NUMBER_FINE;
}

enum number_problem number_calculate(char operation, const struct value *left, const struct value *right,
				     struct value *result)
{
	int64_t integer = 0;
	bool overflows = false;

	if (left->kind != VALUE_INTEGER || right->kind != VALUE_INTEGER)
		return calculate_floats(operation, left, right, result);
	switch (operation) {
	case '+':
		overflows = __builtin_add_overflow(left->integer, right->integer, &integer);
		break;
	case '-':
		overflows = __builtin_sub_overflow(left->integer, right->integer, &integer);
		break;
	case '*':
		overflows = __builtin_mul_overflow(left->integer, right->integer, &integer);
		break;
	default: {
		enum number_problem problem = divide(operation, left->integer, right->integer, &integer);

		if (problem != NUMBER_FINE)
			return problem;
	}
	}
	*result = value_integer(integer);
	return overflows ? NUMBER_TOO_LARGE : NUMBER_FINE;
}

static long double wide(const struct value *number)
{
	if (number->kind == VALUE_INTEGER)
		return (long double)number->integer;
	if (number->kind == VALUE_FLOAT)
		return (long double)number->real;
	return (long double)number_read_float(number->bytes, number->length);
}

int number_compare(const struct value *left, const struct value *right)
{
	long double a = wide(left), b = wide(right);

	return a < b ? -1 : a > b;
}

double number_round(double real, int decimals)
{
	struct value value = value_float(real);
	struct decimal decimal;
	__int128 unit = 1, half;

	if (!decimal_of(&value, &decimal) || decimals >= decimal.scale)
		return real;
	if (decimals < -30)
		return 0;
	for (int i = decimal.scale; i > decimals; i--)
		unit *= 10;
	half = decimal.coefficient < 0 ? -unit / 2 : unit / 2;
	decimal.coefficient = (decimal.coefficient + half) / unit;
	decimal.scale = decimals;
	for (; decimal.scale < 0; decimal.scale++)
		decimal.coefficient *= 10;
	return to_float(decimal);
}
