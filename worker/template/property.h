/* property - what a list filter sees when it asks an element for a property, as Ruby's [] answers. */
#ifndef POSTRIDER_WORKER_TEMPLATE_PROPERTY_H
#define POSTRIDER_WORKER_TEMPLATE_PROPERTY_H

#include "worker/template/filter.h"

enum property_answer {
	PROPERTY_FOUND,   /* *value is set, to nil where there is no such property */
	PROPERTY_NONE,    /* the element has no properties at all: nil, true, 1.5 */
	PROPERTY_REFUSED, /* it has, but none that could be called so */
};

/* An object has its members; a text has the texts that it contains; an integer its bits. False: the fault is set. */
bool property_of(struct run *run, const struct value *element, const struct value *property,
		 enum property_answer *answer, struct value *value) MUST_CHECK;

bool property_fault(const struct filter_call *call);

#endif
