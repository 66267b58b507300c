/* tags - finds the tags of an HTML text that matter for tracking, in one pass. Private to worker/links/.
 *
 * Follows the tokenizer of the HTML standard (§13.2.5): attributes quoted in each way or not at all, the first of two with
 * one name counts, a > inside quotes ends nothing, nothing inside comments, <script>, <style>, <title>, <textarea>
 * and their like is a tag. Slices point into the source.
 */
#ifndef POSTRIDER_WORKER_LINKS_TAGS_H
#define POSTRIDER_WORKER_LINKS_TAGS_H

#include "shared/base.h"

struct tag {
	const char *begin;           /* its < */
	const char *href, *href_end; /* the value, without quotes; NULL: none */
	bool is_link;                /* <a> or <area> */
	bool is_exempt;              /* it has data-no-tracking */
	bool is_body_end;            /* </body> */
};

/* The next tag from *at on; *at goes behind it. False: there is none; *at is end, or, when the text ends inside of something
 * (a tag, a comment, a script), where that begins. */
bool tags_next(const char **at, const char *end, struct tag *tag);

bool tags_is_blank(char letter);

#endif
