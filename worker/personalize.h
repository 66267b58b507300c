/* personalize - makes one delivery's message from its step's templates and its contact's facts. Pure.
 *
 * Templates see {"contact": {contact_id, first_name, last_name, member_no, language, time_zone, tier, points},
 * "profile": {...}, "data": {...}, "campaign": {"name"}, "unsubscribe_url", "preferences_url"}. 'now' is when the delivery was planned, told in the contact's
 * time zone. The same facts give the same bytes, so that a retry repeats its first attempt.
 */
#ifndef POSTRIDER_WORKER_PERSONALIZE_H
#define POSTRIDER_WORKER_PERSONALIZE_H

#include "worker/delivery.h"
#include "worker/step.h"

enum personalize_result {
	PERSONALIZE_OK,
	PERSONALIZE_MISSING_TOKEN, /* the campaign says: skip who lacks a token */
	PERSONALIZE_ABORTED,       /* the template says so; the explanation is its author's */
	PERSONALIZE_FAILED,        /* the template or the data do not work */
};

/* Fills subject, body_text, body_html, link, image and data. document is scratch space. explanation: a sentence, with line and column. */
enum personalize_result personalize(struct delivery *delivery, struct template_context *context, struct text *document,
				    char *explanation, size_t explanation_size);

/* The policy as the database writes it: blank, skip or default. What is unknown is blank. */
enum template_undefined personalize_policy(const char *word);

/* Whether a message may have that path: profile.* and data.* may hold anything, contact.* and campaign.* are known. False:
 * sentence gets what is wrong. */
bool personalize_knows(const char *path, size_t length, struct text *sentence);

#endif
