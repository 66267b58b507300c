#include <math.h>

#include "worker/template/filter.h"
#include "worker/template/number.h"

static bool number(const struct filter_call *call, int which, struct value *value)
{
	return number_of(&call->arguments[which], value) ||
	       run_fault(call->run, "A number is beyond 64 bits: use a smaller one.");
}

static bool too_large(const struct filter_call *call)
{
	return run_fault(call->run, "The result of %s is beyond 64 bits: use smaller numbers.", call->filter->name);
}

static bool calculate(const struct filter_call *call, char operation, struct value *result)
{
	struct value left, right;

	if (!number(call, 0, &left) || !number(call, 1, &right))
		return false;
	switch (number_calculate(operation, &left, &right, result)) {
	case NUMBER_FINE:
		return true;
	case NUMBER_NOT_FINITE:
		if (!call->run->template->is_marketing)
			return true;
		/* fallthrough */
	case NUMBER_ZERO_DIVISOR:
		return run_fault(call->run, "%s divides by zero: check the number behind the colon with if first.",
				 call->filter->name);
	default:
		return too_large(call);
	}
}

static bool plus(const struct filter_call *call, struct value *result)
{
	return calculate(call, '+', result);
}

static bool minus(const struct filter_call *call, struct value *result)
{
	return calculate(call, '-', result);
}

static bool times(const struct filter_call *call, struct value *result)
{
	return calculate(call, '*', result);
}

static bool divided_by(const struct filter_call *call, struct value *result)
{
	return calculate(call, '/', result);
}

static bool modulo(const struct filter_call *call, struct value *result)
{
	return calculate(call, '%', result);
}

static bool absolute(const struct filter_call *call, struct value *result)
{
	if (!number(call, 0, result))
		return false;
	if (result->kind == VALUE_FLOAT)
		result->real = fabs(result->real);
	else if (result->integer == INT64_MIN)
		return too_large(call);
	else if (result->integer < 0)
		result->integer = -result->integer;
	return true;
}

static bool to_integer(const struct filter_call *call, double real, struct value *result)
{
	if (!(real >= -9223372036854775808.0 && real < 9223372036854775808.0))
		return too_large(call);
	*result = value_integer((int64_t)real);
	return true;
}

static bool ceiling(const struct filter_call *call, struct value *result)
{
	return number(call, 0, result) &&
	       (result->kind == VALUE_INTEGER || to_integer(call, ceil(result->real), result));
}

static bool floored(const struct filter_call *call, struct value *result)
{
	return number(call, 0, result) &&
	       (result->kind == VALUE_INTEGER || to_integer(call, floor(result->real), result));
}

/* An integer rounded to tens, hundreds ... */
static bool round_integer(const struct filter_call *call, int64_t digits, struct value *result)
{
	int64_t unit = 1, rest;

	for (; digits < 0; digits++)
		if (__builtin_mul_overflow(unit, 10, &unit)) {
			*result = value_integer(0);
			return true;
		}
	rest = result->integer % unit;
	result->integer -= rest;
	if (2 * (rest < 0 ? -(unsigned __int128)rest : (unsigned __int128)rest) >= (unsigned __int128)unit &&
	    unit > 1 && __builtin_add_overflow(result->integer, rest < 0 ? -unit : unit, &result->integer))
		return too_large(call);
	return true;
}

static bool round_number(const struct filter_call *call, struct value *result)
{
	struct value digits = value_integer(0);

	if (!number(call, 0, result) || (call->count > 0 && !number(call, 1, &digits)))
		return false;
	if (digits.kind == VALUE_FLOAT)
		digits = value_integer(fabs(digits.real) < 1000 ? (int64_t)digits.real : 1000);
	if (digits.integer > 1000 || digits.integer < -1000)
		digits.integer = digits.integer > 0 ? 1000 : -1000;
	if (result->kind == VALUE_INTEGER)
		return digits.integer >= 0 || round_integer(call, digits.integer, result);
	result->real = number_round(result->real, (int)digits.integer);
	return digits.integer > 0 || to_integer(call, result->real, result);
}

static bool limit(const struct filter_call *call, int sign, struct value *result)
{
	struct value other;

	if (!number(call, 0, result) || !number(call, 1, &other))
		return false;
	if (sign * number_compare(result, &other) < 0)
		*result = other;
	return true;
}

static bool at_least(const struct filter_call *call, struct value *result)
{
	return limit(call, 1, result);
}

static bool at_most(const struct filter_call *call, struct value *result)
{
	return limit(call, -1, result);
}

const struct filter number_filters[] = {
	{"plus", plus, 1, 1, "| plus: 1", NULL, false, false, false},
	{"minus", minus, 1, 1, "| minus: 1", NULL, false, false, false},
	{"times", times, 1, 1, "| times: 2", NULL, false, false, false},
	{"divided_by", divided_by, 1, 1, "| divided_by: 2", NULL, false, false, false},
	{"modulo", modulo, 1, 1, "| modulo: 2", NULL, false, false, false},
	{"abs", absolute, 0, 0, "| abs", NULL, false, false, false},
	{"ceil", ceiling, 0, 0, "| ceil", NULL, false, false, false},
	{"floor", floored, 0, 0, "| floor", NULL, false, false, false},
	{"round", round_number, 0, 1, "| round: 2", NULL, false, false, false},
	{"at_least", at_least, 1, 1, "| at_least: 0", NULL, false, false, false},
	{"at_most", at_most, 1, 1, "| at_most: 100", NULL, false, false, false},
	{.name = NULL},
};
