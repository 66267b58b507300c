#include "worker/message_links.h"

#include "worker/links/rewrite.h"
#include "worker/step.h"

#define URL_MAX       400
#define UNTRACKED_MAX (2 * 1024 * 1024)

void message_links_init(struct message_links *message_links, struct links *links)
{
	*message_links = (struct message_links){.links = links};
	text_init(&message_links->unsubscribe_url, URL_MAX);
	text_init(&message_links->preferences_url, URL_MAX);
	text_init(&message_links->untracked, UNTRACKED_MAX);
}

void message_links_release(struct message_links *message_links)
{
	text_release(&message_links->unsubscribe_url);
	text_release(&message_links->preferences_url);
	text_release(&message_links->untracked);
}

static const char *make(struct message_links *message_links, struct text *url, enum link_kind kind,
			const struct delivery *delivery)
{
	const struct link_claim claim = {.delivery_id = delivery->delivery_id,
					 .contact_id = delivery->facts.contact_id};

	text_clear(url);
	links_add_url(message_links->links, url, kind, &claim, NULL, 0);
	return text_string(url);
}

void message_links_prepare(struct message_links *message_links, struct delivery *delivery)
{
	delivery->unsubscribe_url = delivery->preferences_url = NULL;
	if (message_links->links == NULL)
		return;
	delivery->unsubscribe_url = make(message_links, &message_links->unsubscribe_url, LINK_UNSUBSCRIBE, delivery);
	delivery->preferences_url = make(message_links, &message_links->preferences_url, LINK_PREFERENCES, delivery);
}

/* What was rendered becomes the source; the buffers change places, so that nothing is copied twice. */
static void swap(struct text *a, struct text *b)
{
	struct text was = *a;

	*a = *b;
	*b = was;
}

static void keep_untracked(struct message_links *message_links, struct text *body)
{
	if (!text_ok(body))
		swap(body, &message_links->untracked);
	text_clear(&message_links->untracked);
}

void message_links_track(struct message_links *message_links, struct delivery *delivery, enum channel channel)
{
	const struct step *step = delivery->step;
	struct text *html = &delivery->rendered[MESSAGE_BODY_HTML], *plain = &delivery->rendered[MESSAGE_BODY_TEXT];
	struct text *untracked = &message_links->untracked;

	if (message_links->links == NULL || !(step->track_opens || step->track_clicks))
		return;
	if (channel == CHANNEL_EMAIL && html->length > 0) {
		swap(html, untracked);
		text_clear(html);
		rewrite_html(message_links->links, delivery->delivery_id, step->track_opens, step->track_clicks,
			     untracked->bytes, untracked->length, html);
		keep_untracked(message_links, html);
	} else if (channel == CHANNEL_SMS && step->track_clicks && plain->length > 0) {
		swap(plain, untracked);
		text_clear(plain);
		rewrite_text(message_links->links, delivery->delivery_id, untracked->bytes, untracked->length, plain);
		keep_untracked(message_links, plain);
	}
}
