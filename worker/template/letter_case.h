/* letter_case - upper and lower case beyond ASCII: Latin, Greek, Cyrillic, Armenian. */
#ifndef POSTRIDER_WORKER_TEMPLATE_LETTER_CASE_H
#define POSTRIDER_WORKER_TEMPLATE_LETTER_CASE_H

#include "shared/base.h"

enum letter_case { LETTER_UPPER, LETTER_LOWER };

/* Bytes that the result may have for each byte of the input: one letter may become two. */
#define LETTER_CASE_GROWTH 2

/* out has room for LETTER_CASE_GROWTH * length bytes. What is not UTF-8 stays as it is. Returns the length. */
size_t letter_case_change(const char *bytes, size_t length, enum letter_case to, char *out);

#endif
