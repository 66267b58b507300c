/* scan - walks JSON once and notes the values of the paths that a template reads.
 *
 * The whole text is checked (RFC 8259, UTF-8 included) but nothing is built: values[n] points to the bytes of node
 * n's value. Of a repeated key the last counts, with all that is below it. No recursion, no memory of its
 * own; nesting is bounded by TEMPLATE_DEPTH_MAX.
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_SCAN_H
#define POSTRIDER_WORKER_TEMPLATE_SCAN_H

#include "worker/template/program.h"
#include "worker/template/piece.h"

#define TEMPLATE_DEPTH_MAX 128

/* values: as many as the template has nodes. */
bool template_scan(const struct template *template, const struct template_data *data, struct piece *values,
		   struct template_fault *fault) MUST_CHECK;

/* The same check alone: object is the whole, to be walked (piece.h). On false, *problem is half a sentence: "a comma is
 * missing". */
bool scan_object_bytes(const char *json, size_t length, struct piece *object, const char **problem) MUST_CHECK;

#endif
