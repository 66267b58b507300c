/* number - numbers as the reference implementation (Ruby) reads, prints and calculates them.
 *
 * A float is printed with the fewest digits that read back as the same float: 5.0, 0.1, 1.0e+16. Sums are exact
 * in decimals, as with Ruby's BigDecimal: 0.1 plus 0.2 is 0.3. Integers have 64 bits; what does not fit is
 * an error and never wraps.
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_NUMBER_H
#define POSTRIDER_WORKER_TEMPLATE_NUMBER_H

#include "worker/template/value.h"

#define NUMBER_PRINTED_MAX 40 /* bytes of a printed number */

/* False: empty, something else than digits behind a sign, or it does not fit. */
bool number_read_integer(const char *bytes, size_t length, int64_t *integer) MUST_CHECK;
/* What is not a number is 0; the digits count up to the first that is none. */
double number_read_float(const char *bytes, size_t length);
/* Like Ruby's to_i: blanks, a sign, digits; what follows is ignored. False: it does not fit. */
bool number_read_leading_integer(const char *bytes, size_t length, int64_t *integer) MUST_CHECK;

/* Returns the length. */
size_t number_print_integer(int64_t integer, char out[NUMBER_PRINTED_MAX]);
size_t number_print_float(double real, char out[NUMBER_PRINTED_MAX]);

/* What a filter takes a value for: a float or "1.5" is FLOAT, an integer or "2" is INTEGER, everything else is the
 * integer 0. False: an integer beyond 64 bits. */
bool number_of(const struct value *value, struct value *number) MUST_CHECK;

enum number_problem {
	NUMBER_FINE,
	NUMBER_TOO_LARGE,
	NUMBER_ZERO_DIVISOR,
	NUMBER_NOT_FINITE, /* a float divided by zero: the result is Infinity or NaN */
};

/* operation: + - * / %. Both are numbers from number_of(). Two integers make an integer, rounded down. */
enum number_problem number_calculate(char operation, const struct value *left, const struct value *right,
				     struct value *result) MUST_CHECK;

/* Below 0, 0 or above; numbers of any kind, BIG also. */
int number_compare(const struct value *left, const struct value *right);

/* Half away from zero, to so many decimals (negative: tens, hundreds). */
double number_round(double real, int decimals);

#endif
