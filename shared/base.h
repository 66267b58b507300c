/* base - the few words that every file uses.
 *
 * Include it first. It brings the fixed-width integers and size_t, and the
 * annotations that let the compiler check what the comments promise.
 */
#ifndef POSTRIDER_SHARED_BASE_H
#define POSTRIDER_SHARED_BASE_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The caller must look at the answer. */
#define MUST_CHECK             __attribute__((warn_unused_result))
#define PRINTF_LIKE(at, first) __attribute__((format(printf, at, first)))
#define ARRAY_LENGTH(array)    (sizeof(array) / sizeof((array)[0]))

#endif
