/* fault - fills a template_fault: a kind, a place and a sentence. Always returns false. */
#ifndef POSTRIDER_WORKER_TEMPLATE_FAULT_H
#define POSTRIDER_WORKER_TEMPLATE_FAULT_H

#include "worker/template/template.h"

/* How much of the author's own text a sentence quotes: "%.*s" with TEMPLATE_QUOTE(bytes, length). */
#define TEMPLATE_QUOTED_MAX           60
#define TEMPLATE_QUOTE(bytes, length) template_quoted((bytes), (length)), (bytes)

bool template_fault_set(struct template_fault *fault, enum template_fault_kind kind, int line, int column,
			const char *format, ...) PRINTF_LIKE(5, 6);

/* At most TEMPLATE_QUOTED_MAX bytes, and never half a character. */
int template_quoted(const char *bytes, size_t length);

#endif
