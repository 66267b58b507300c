/* fault - fills a template_fault: a kind, a place and a sentence. Always returns false. */
#ifndef POSTRIDER_WORKER_TEMPLATE_FAULT_H
#define POSTRIDER_WORKER_TEMPLATE_FAULT_H

#include "worker/template/template.h"

bool template_fault_set(struct template_fault *fault, enum template_fault_kind kind, int line, int column,
			const char *format, ...) PRINTF_LIKE(5, 6);

#endif
