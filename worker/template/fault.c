#include "worker/template/fault.h"

#include <stdarg.h>
#include <stdio.h>

bool template_fault_set(struct template_fault *fault, enum template_fault_kind kind, int line, int column,
			const char *format, ...)
{
	va_list arguments;

	fault->kind = kind;
	fault->line = line;
	fault->column = column;
	va_start(arguments, format);
	(void)vsnprintf(fault->text, sizeof(fault->text), format, arguments);
	va_end(arguments);
	return false;
}
