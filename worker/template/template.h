/* template - personalization: compile once, render many.
 *
 * This is a library of its own: no network, no database, no clock. Here it knows literal text and
 * `{{ path }}` / `{{ path | default: "x" }}`; it grows into the full language behind these calls.
 *
 * Escaping belongs to the slot the text goes to and not to the template. What is rendered is bounded by
 * the output text's ceiling. A compiled template is immutable and may be used for any number of renders.
 *
 *     struct template *subject = template_compile(source, length, TEMPLATE_SLOT_HEADER, &fault);
 *     if (!template_render(subject, &data, TEMPLATE_UNDEFINED_BLANK, &out, &fault)) ...
 *
 * A path is names joined by dots: letters, digits, _ and -; `contact.first_name`. Array elements: `[0]`.
 * A missing path, null and (for default:) false, "", [] and {} count as undefined. `{{-` and `-}}` trim blanks around.
 * Objects and arrays print as their JSON. A template that reads no path does not look at the data.
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_TEMPLATE_H
#define POSTRIDER_WORKER_TEMPLATE_TEMPLATE_H

#include "shared/base.h"
#include "shared/text.h"

#define TEMPLATE_SOURCE_MAX (1024 * 1024)
#define TEMPLATE_FAULT_MAX  300

/* Where the text goes; decides the escape. */
enum template_slot {
	TEMPLATE_SLOT_PLAIN,  /* pure: nothing is escaped (also SMS and text bodies) */
	TEMPLATE_SLOT_HTML,   /* & < > " ' become entities */
	TEMPLATE_SLOT_HEADER, /* CR, LF and control characters are dropped, from values and from literal text */
	TEMPLATE_SLOT_JSON,   /* inside a JSON string */
	TEMPLATE_SLOT_URL,    /* percent-encoded */
};

enum template_undefined {
	TEMPLATE_UNDEFINED_BLANK, /* print nothing */
	TEMPLATE_UNDEFINED_SKIP,  /* do not render: the recipient is skipped, the fault names the path and line */
};

enum template_fault_kind {
	TEMPLATE_FAULT_SYNTAX,    /* does not compile */
	TEMPLATE_FAULT_UNDEFINED, /* a token has no value and the policy is skip */
	TEMPLATE_FAULT_DATA,      /* the data is not a JSON object, or not JSON */
	TEMPLATE_FAULT_LIMIT,     /* too large */
};

struct template_fault {
	enum template_fault_kind kind;
	int line, column;              /* from 1, in characters; 0: not known */
	char text[TEMPLATE_FAULT_MAX]; /* a sentence: what is wrong and what to do */
};

/* JSON bytes, an object. Scanned once for the paths that the template reads; no tree is built. */
struct template_data {
	const char *json;
	size_t length;
};

struct template;

struct template *template_compile(const char *source, size_t length, enum template_slot slot,
				  struct template_fault *fault) MUST_CHECK; /* NULL: see fault */
void template_free(struct template **template);

/* Appends to out. On false, out is as before. */
bool template_render(const struct template *template, const struct template_data *data,
		     enum template_undefined undefined, struct text *out, struct template_fault *fault) MUST_CHECK;

#endif
