/* memory - allocation that either works or ends the process with one line.
 *
 * A server that bounds its memory by prefetch cannot do anything sensible
 * when a small allocation fails; ending is safe, because every promise is kept
 * by the database and not by the process. Everything is returned zeroed, so a
 * half-built object can always be released. Free with free().
 */
#ifndef POSTRIDER_SHARED_MEMORY_H
#define POSTRIDER_SHARED_MEMORY_H

#include "shared/base.h"

void *memory_new(size_t size_bytes) MUST_CHECK;
void *memory_new_array(size_t count, size_t size_bytes) MUST_CHECK;
/* Like realloc; the grown part is not zeroed. */
void *memory_grow(void *old, size_t count, size_t size_bytes) MUST_CHECK;
char *memory_copy_string(const char *string) MUST_CHECK;              /* NULL stays NULL */
char *memory_copy_bytes(const void *bytes, size_t length) MUST_CHECK; /* adds a NUL behind */

#endif
