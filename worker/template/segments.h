/* segments - how many SMS a text makes, and which character makes it more. Pure.
 *
 * 3GPP TS 23.038: a text whose characters are all in the GSM 7 bit default alphabet (6.2.1) or its extension table
 * (6.2.1.1, two septets each) has 160 septets in one segment; any other text is UCS-2 (6.2.3) with 70 units of 16
 * bits. A longer one is cut into segments that lose 6 octets each to the header that joins them (TS 23.040, 9.2.3.24.1):
 * 153 septets or 67 units. No escape and no surrogate pair is cut in two, so a segment may stay a unit short.
 *
 *     struct segments segments = segments_count(text, length);
 *     if (segments.is_ucs2) ... the forced_at-th character makes it UCS-2
 *
 * National language tables (shift tables) are not used: providers do not offer them alike.
 */
#ifndef POSTRIDER_WORKER_TEMPLATE_SEGMENTS_H
#define POSTRIDER_WORKER_TEMPLATE_SEGMENTS_H

#include "shared/text.h"

struct segments {
	bool is_ucs2;
	size_t count;       /* segments; 0 for an empty text */
	size_t units;       /* septets, or 16 bit units */
	size_t unit_room;   /* how many more fit without another segment */
	uint32_t forced_by; /* the first character that is not in the GSM alphabet */
	size_t forced_at;   /* where it stands, from 1, in characters; 0: there is none */
};

/* UTF-8; what is not valid counts as U+FFFD, a byte at a time. */
struct segments segments_count(const char *text, size_t length);

/* A sentence for people: "2 segments of GSM text, 120 characters left."; and which character makes it UCS-2. */
void segments_explain(const struct segments *segments, struct text *out);

#endif
