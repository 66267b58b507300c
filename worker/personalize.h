/* personalize - makes one delivery's message from its step's templates and its contact's facts. Pure.
 *
 * Templates see {"contact": {first_name, last_name, member_no, language, time_zone, tier, points}, "profile": {...},
 * "data": {...}, "campaign": {"name"}}. The same facts give the same bytes, so that a retry repeats its first attempt.
 */
#ifndef POSTRIDER_WORKER_PERSONALIZE_H
#define POSTRIDER_WORKER_PERSONALIZE_H

#include "worker/delivery.h"
#include "worker/step.h"

enum personalize_result {
	PERSONALIZE_OK,
	PERSONALIZE_MISSING_TOKEN, /* the campaign says: skip who lacks a token */
	PERSONALIZE_FAILED,        /* the template or the data do not work */
};

/* Fills subject, body_text, body_html, link, image and data. document is scratch space. explanation: a sentence, with line and column. */
enum personalize_result personalize(struct delivery *delivery, struct text *document, char *explanation,
				    size_t explanation_size);

#endif
