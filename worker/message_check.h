/* message_check - what is to be said about the texts of a template version before anybody is sent it. Pure.
 *
 *     struct message_check check;
 *     message_check_run(&check, CHANNEL_SMS, &sources, partials);
 *     for (size_t i = 0; i < check.count; i++) ... check.findings[i]
 *     ... template_need_at(check.parts[MESSAGE_SUBJECT], 0)
 *     message_check_release(&check);
 *
 * Errors: the first of each text that does not compile. Warnings: placeholders of other systems, paths that no message
 * has, a character that makes an SMS dear. Notes: how many segments an SMS makes without its values. Only errors keep a
 * campaign from starting.
 */
#ifndef POSTRIDER_WORKER_MESSAGE_CHECK_H
#define POSTRIDER_WORKER_MESSAGE_CHECK_H

#include "worker/message_template.h"

#define MESSAGE_FINDINGS_MAX 40 /* what is not seen among these is seen when they are mended */

enum finding_severity { FINDING_ERROR, FINDING_WARNING, FINDING_NOTE };
const char *finding_severity_name(enum finding_severity severity);

struct finding {
	enum finding_severity severity;
	enum message_part part;
	int line, column; /* from 1; 0: the text as a whole */
	char sentence[TEMPLATE_FAULT_MAX];
};

struct message_check {
	struct template *parts[MESSAGE_PARTS]; /* NULL where there is an error */
	struct finding findings[MESSAGE_FINDINGS_MAX];
	size_t count;
};

void message_check_run(struct message_check *check, enum channel channel, const struct message_sources *sources,
		       struct named_texts *partials);
void message_check_release(struct message_check *check);

#endif
