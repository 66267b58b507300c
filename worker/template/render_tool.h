/* render_tool - postrider-worker render: templates and data in, texts out, a JSON object a line each.
 *
 * For previews, tests and comparisons with other engines: the code that renders is the one that sends. What a line may
 * hold stands in --help. One answer a line, in the same order, flushed; a line that makes no sense is answered with an
 * error, and the next is read.
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_RENDER_TOOL_H
#define POSTRIDER_WORKER_TEMPLATE_RENDER_TOOL_H

#include <stdio.h>

#include "shared/base.h"

#define RENDER_LINE_BYTES_MAX ((size_t)8 * 1024 * 1024)

extern const char render_tool_help[];

/* Until the end of in. False: out cannot be written to. */
bool render_tool_run(FILE *in, FILE *out);

#endif
