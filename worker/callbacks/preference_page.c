#include "worker/callbacks/preference_page.h"

#include <string.h>

#include "shared/digest.h"

static const char style[] =
	":root{color-scheme:light dark;--ink:#1c2024;--quiet:#5b6470;--paper:#fff;--ground:#f3f4f6;--line:#d9dde3;--blue:#1d4ed8;"
	"--on-blue:#fff;--good:#e7f5ec;--good-ink:#14532d}"
	"@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--quiet:#a3abb6;--paper:#1b1e23;--ground:#111316;--line:#363c45;"
	"--blue:#8ab4f8;--on-blue:#0b1220;--good:#12301f;--good-ink:#b7e4c7}}"
	"*{box-sizing:border-box}"
	"body{margin:0;background:var(--ground);color:var(--ink);font:1rem/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,"
	"\"Noto Sans\",sans-serif}"
	"main{max-width:36rem;margin:0 auto;padding:2rem 1rem 3rem}"
	"h1{font-size:1.6rem;line-height:1.25;margin:0 0 .5rem}"
	"p{margin:0 0 1rem;overflow-wrap:anywhere}"
	".quiet{color:var(--quiet)}"
	".news{background:var(--good);color:var(--good-ink);border-radius:.5rem;padding:.75rem 1rem}"
	"fieldset{border:1px solid var(--line);border-radius:.75rem;background:var(--paper);margin:0 0 1rem;"
	"padding:.75rem 1rem .25rem;min-width:0}"
	"legend{float:left;width:100%;font-weight:600;padding:0;overflow-wrap:anywhere}"
	"legend+*{clear:both}"
	"fieldset p{margin:0 0 .25rem}"
	"label{display:flex;align-items:center;gap:.75rem;min-height:2.75rem;cursor:pointer}"
	"input[type=checkbox]{width:1.25rem;height:1.25rem;margin:0;accent-color:var(--blue);flex:none}"
	"button{font:inherit;font-weight:600;min-height:2.75rem;padding:.5rem 1.25rem;border-radius:.5rem;border:1px solid var(--blue);"
	"background:var(--blue);color:var(--on-blue);cursor:pointer}"
	"button.plain{background:transparent;color:var(--ink);border-color:var(--quiet)}"
	":focus-visible{outline:3px solid var(--blue);outline-offset:2px}"
	".end{border-top:1px solid var(--line);margin-top:2rem;padding-top:1.5rem}"
	"@media(max-width:30rem){button{width:100%}}";

/* Foreign text, escaped. What is missing is left out. */
static void add_foreign(struct text *out, const json_t *value)
{
	if (json_is_string(value))
		text_add_html(out, json_string_value(value), json_string_length(value));
}

static void add_text(struct text *out, const json_t *facts, const char *key)
{
	add_foreign(out, json_object_get(json_object_get(facts, "texts"), key));
}

static void add_paragraph(struct text *out, const char *attributes, const json_t *facts, const char *key)
{
	text_addf(out, "<p%s>", attributes);
	add_text(out, facts, key);
	text_add(out, "</p>\n");
}

static void add_head(struct text *out, const json_t *facts)
{
	text_add(out, "<!doctype html>\n<html lang=\"");
	add_foreign(out, json_object_get(facts, "language"));
	text_add(out, "\">\n<head>\n<meta charset=\"utf-8\">\n"
		      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		      "<meta name=\"robots\" content=\"noindex\">\n<title>");
	add_text(out, facts, "title");
	text_add(out, "</title>\n<style>");
	text_add(out, style);
	text_add(out, "</style>\n</head>\n<body>\n<main>\n<h1>");
	add_text(out, facts, "title");
	text_add(out, "</h1>\n");
}

static void add_news(struct text *out, const json_t *facts, enum preference_news news)
{
	if (news == PREFERENCE_SAVED)
		add_paragraph(out, " class=\"news\" role=\"status\"", facts, "saved");
	else if (news == PREFERENCE_EVERYTHING_OFF)
		add_paragraph(out, " class=\"news\" role=\"status\"", facts, "everything_done");
}

static void add_form(struct text *out, const struct preference_page *page)
{
	text_addf(out, "<form method=\"post\" action=\"%s\">\n<input type=\"hidden\" name=\"form\" value=\"%s\">\n",
		  page->action, page->form_token);
}

/* "shown" goes along with each box: what was not on the page is not taken for a no. */
static void add_box(struct text *out, const json_t *facts, json_int_t topic_id, const char *channel, bool is_on)
{
	struct text value;

	text_init(&value, 100);
	text_add_int64(&value, topic_id);
	text_add_char(&value, '.');
	text_add_html(&value, channel, strlen(channel));
	text_addf(out, "<input type=\"hidden\" name=\"shown\" value=\"%s\">", text_string(&value));
	text_addf(out, "<label><input type=\"checkbox\" name=\"on\" value=\"%s\"%s> <span>", text_string(&value),
		  is_on ? " checked" : "");
	add_text(out, facts, channel);
	text_add(out, "</span></label>\n");
	text_release(&value);
}

static void add_topic(struct text *out, const json_t *facts, const json_t *topic)
{
	const json_t *channels = json_object_get(facts, "channels"), *on = json_object_get(topic, "on");
	const json_t *description = json_object_get(topic, "description"), *channel;
	size_t i;

	text_add(out, "<fieldset>\n<legend>");
	add_foreign(out, json_object_get(topic, "name"));
	text_add(out, "</legend>\n");
	if (json_is_string(description)) {
		text_add(out, "<p class=\"quiet\">");
		add_foreign(out, description);
		text_add(out, "</p>\n");
	}
	json_array_foreach(channels, i, channel)
	{
		const char *name = json_string_value(channel);

		if (name != NULL && json_object_get(on, name) != NULL)
			add_box(out, facts, json_integer_value(json_object_get(topic, "topic_id")), name,
				json_is_true(json_object_get(on, name)));
	}
	text_add(out, "</fieldset>\n");
}

static void add_choices(struct text *out, const json_t *facts, const struct preference_page *page)
{
	const json_t *topics = json_object_get(facts, "topics"), *topic;
	size_t i;

	if (json_array_size(topics) == 0 || json_array_size(json_object_get(facts, "channels")) == 0) {
		add_paragraph(out, " class=\"quiet\"", facts, "nothing");
		return;
	}
	add_paragraph(out, " class=\"quiet\"", facts, "intro");
	add_form(out, page);
	json_array_foreach(topics, i, topic) add_topic(out, facts, topic);
	text_add(out, "<button type=\"submit\">");
	add_text(out, facts, "save");
	text_add(out, "</button>\n</form>\n");
}

static void add_everything(struct text *out, const json_t *facts, const struct preference_page *page)
{
	text_add(out, "<div class=\"end\">\n");
	add_form(out, page);
	text_add(out, "<input type=\"hidden\" name=\"everything\" value=\"1\">\n");
	add_paragraph(out, " class=\"quiet\" id=\"hint\"", facts, "everything_hint");
	text_add(out, "<button type=\"submit\" class=\"plain\" aria-describedby=\"hint\">");
	add_text(out, facts, "everything");
	text_add(out, "</button>\n</form>\n</div>\n");
}

bool preference_page_add(const struct preference_page *page, struct text *out, struct error *err)
{
	json_t *facts = json_loadb(page->facts.bytes, page->facts.length, 0, NULL);

	if (!json_is_object(facts)) {
		json_decref(facts);
		return error_set(err, ERROR_INVALID,
				 "What the database knows of a contact's choices is no JSON object.");
	}
	add_head(out, facts);
	add_news(out, facts, page->news);
	add_choices(out, facts, page);
	add_everything(out, facts, page);
	text_add(out, "</main>\n</body>\n</html>\n");
	json_decref(facts);
	if (!text_ok(out))
		return error_set(err, ERROR_INVALID, "The preference page is too large: fewer topics may be listed.");
	return true;
}

void preference_page_add_headers(struct text *out)
{
	uint8_t digest[DIGEST_SHA256_BYTES];

	digest_sha256(style, sizeof(style) - 1, digest);
	text_add(out, "Content-Security-Policy: default-src 'none'; style-src 'sha256-");
	digest_add_base64(out, digest, sizeof(digest));
	text_add(out, "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'\r\n"
		      "Referrer-Policy: no-referrer\r\n"
		      "Cache-Control: no-store\r\n"
		      "X-Content-Type-Options: nosniff\r\n"
		      "X-Frame-Options: DENY\r\n"
		      "X-Robots-Tag: noindex\r\n");
}
