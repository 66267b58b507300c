#include "samples.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define OFFERS 5

void sample_profile(struct text *out)
{
	text_add(out,
		 "{\"contact\":{\"first_name\":\"Ada\",\"last_name\":\"O'Neill & Sons\",\"member_no\":\"LV-2048-7731\","
		 "\"language\":\"en\",\"time_zone\":\"Europe/Riga\",\"tier\":\"gold\",\"points\":48250},\"profile\":{");
	for (int i = 0; i < 34; i++)
		text_addf(out, "\"attribute_%02d\":\"value %d of a profile\",", i, i * 37);
	text_add(
		out,
		"\"city\":\"R\\u012bga\",\"birthday\":\"1990-05-17\",\"consents\":[true,false,true],\"balance\":1284.5,"
		"\"store\":{\"name\":\"Old Town\",\"open\":\"09:00\"}},\"data\":{\"code\":\"SPRING-25\",\"expires\":"
		"\"2026-12-24T21:00:00Z\",\"offers\":[");
	for (int i = 0; i < OFFERS; i++)
		text_addf(
			out,
			"%s{\"title\":\"Offer <%d> & more\",\"price\":%d.9%d,\"until\":\"2026-12-%02d\",\"url\":"
			"\"https://example.org/o/%d\",\"stock\":%d,\"note\":\"While stocks last, in all our stores\"}",
			i > 0 ? "," : "", i + 1, 1200 * i + 19, i, 10 + i, i + 1, 3 * i);
	text_add(out, "]},\"campaign\":{\"name\":\"Spring\"}}");
}

/* -- a text message of 160 bytes with three tokens -- */

static void sms_source(struct text *out)
{
	text_add(
		out,
		"Hi {{ contact.first_name | default: \"friend\" }}, you have {{ contact.points }} points. Show the code "
		"{{ data.code }} in our store until Sunday and save 25 %. Stop: 1234");
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));

	return value != NULL ? value : "";
}

static void add_or(const json_t *object, const char *name, const char *otherwise, struct text *out)
{
	const char *value = text_of(object, name);

	text_add(out, *value != '\0' ? value : otherwise);
}

static void sms_direct(const json_t *profile, struct text *out)
{
	const json_t *contact = json_object_get(profile, "contact"), *data = json_object_get(profile, "data");

	text_add(out, "Hi ");
	add_or(contact, "first_name", "friend", out);
	text_add(out, ", you have ");
	text_add_int64(out, json_integer_value(json_object_get(contact, "points")));
	text_add(out, " points. Show the code ");
	text_add(out, text_of(data, "code"));
	text_add(out, " in our store until Sunday and save 25 %. Stop: 1234");
}

/* -- a push message that branches -- */

static void push_source(struct text *out)
{
	text_add(
		out,
		"{% if contact.tier == \"platinum\" %}Dear {{ contact.first_name }}, the lounge is yours today."
		"{% elsif contact.tier == \"gold\" and contact.points > 40000 %}{{ contact.first_name | default: \"Dear "
		"friend\" }}, only {{ 50000 | minus: contact.points }} points to platinum!"
		"{% elsif contact.tier == \"silver\" %}You are silver, {{ contact.first_name }}."
		"{% else %}Collect points with every purchase.{% endif %}");
}

static void push_direct(const json_t *profile, struct text *out)
{
	const json_t *contact = json_object_get(profile, "contact");
	const char *tier = text_of(contact, "tier");
	json_int_t points = json_integer_value(json_object_get(contact, "points"));

	if (strcmp(tier, "platinum") == 0) {
		text_add(out, "Dear ");
		text_add(out, text_of(contact, "first_name"));
		text_add(out, ", the lounge is yours today.");
	} else if (strcmp(tier, "gold") == 0 && points > 40000) {
		add_or(contact, "first_name", "Dear friend", out);
		text_add(out, ", only ");
		text_add_int64(out, 50000 - points);
		text_add(out, " points to platinum!");
	} else if (strcmp(tier, "silver") == 0) {
		text_add(out, "You are silver, ");
		text_add(out, text_of(contact, "first_name"));
		text_add(out, ".");
	} else {
		text_add(out, "Collect points with every purchase.");
	}
}

/* -- an HTML mail of 20 KB with a loop over five offers -- */

static const char style[] =
	"<tr><td style=\"padding:12px 24px;font-family:Arial,Helvetica,sans-serif;font-size:15px;line-height:22px;color:#222222;"
	"border-bottom:1px solid #eeeeee\">Members collect a point for every cent, in every store and online.</td></tr>\n";

static void add_style(struct text *out, int times)
{
	for (int i = 0; i < times; i++)
		text_add_bytes(out, style, sizeof(style) - 1);
}

static void html(const char *bytes, struct text *out)
{
	text_add_html(out, bytes, strlen(bytes));
}

/* 1234.5 as 1,234.50 */
static void money(double amount, struct text *out)
{
	char digits[64];
	int length = snprintf(digits, sizeof(digits), "%.2f", amount);

	text_add(out, "€");
	for (int i = 0; i < length; i++) {
		int left = length - 3 - i;

		if (i > 0 && left > 0 && left % 3 == 0)
			text_add_char(out, ',');
		text_add_char(out, digits[i]);
	}
}

static void day(const char *iso, struct text *out)
{
	struct tm when = {0};
	char printed[40];

	if (strptime(iso, "%Y-%m-%d", &when) != NULL)
		text_add_bytes(out, printed, strftime(printed, sizeof(printed), "%d %B %Y", &when));
}

static void mail_source(struct text *out)
{
	text_add(
		out,
		"<html><body><table>\n<tr><td>Dear {{ contact.first_name | default: \"friend\" }} {{ contact.last_name }},"
		"</td></tr>\n");
	add_style(out, 30);
	text_add(
		out,
		"<tr><td>{{ contact.member_no }} {{ contact.tier | upcase }} {{ contact.points }} {{ profile.city }} "
		"{{ profile.store.name | escape }} {{ profile.store.open }} {{ profile.balance | money: \"EUR\" }}</td></tr>\n");
	add_style(out, 24);
	text_add(
		out,
		"{% for offer in data.offers %}<tr><td><a href=\"{{ offer.url }}\">{{ offer.title }}</a> "
		"{{ offer.price | money: \"EUR\" }} until {{ offer.until | date: \"%d %B %Y\" }}</td></tr>\n{% endfor %}");
	add_style(out, 30);
	text_add(out, "<tr><td>Code {{ data.code }}, born {{ profile.birthday | date: \"%d %B %Y\" }}. "
		      "{{ campaign.name }} {{ profile.nickname | default: \"\" }}</td></tr>\n");
	add_style(out, 2);
	text_add(out, "</table></body></html>\n");
}

static void mail_offers(const json_t *offers, struct text *out)
{
	for (size_t i = 0; i < json_array_size(offers); i++) {
		const json_t *offer = json_array_get(offers, i);

		text_add(out, "<tr><td><a href=\"");
		html(text_of(offer, "url"), out);
		text_add(out, "\">");
		html(text_of(offer, "title"), out);
		text_add(out, "</a> ");
		money(json_number_value(json_object_get(offer, "price")), out);
		text_add(out, " until ");
		day(text_of(offer, "until"), out);
		text_add(out, "</td></tr>\n");
	}
}

static void upper(const char *bytes, struct text *out)
{
	for (; *bytes != '\0'; bytes++)
		text_add_char(out, *bytes >= 'a' && *bytes <= 'z' ? (char)(*bytes - 32) : *bytes);
}

static void mail_card(const json_t *contact, const json_t *profile, struct text *out)
{
	const json_t *store = json_object_get(profile, "store");

	text_add(out, "<tr><td>");
	html(text_of(contact, "member_no"), out);
	text_add_char(out, ' ');
	upper(text_of(contact, "tier"), out);
	text_add_char(out, ' ');
	text_add_int64(out, json_integer_value(json_object_get(contact, "points")));
	text_add_char(out, ' ');
	html(text_of(profile, "city"), out);
	text_add_char(out, ' ');
	html(text_of(store, "name"), out);
	text_add_char(out, ' ');
	html(text_of(store, "open"), out);
	text_add_char(out, ' ');
	money(json_number_value(json_object_get(profile, "balance")), out);
	text_add(out, "</td></tr>\n");
}

static void mail_direct(const json_t *root, struct text *out)
{
	const json_t *contact = json_object_get(root, "contact"), *profile = json_object_get(root, "profile");
	const json_t *data = json_object_get(root, "data");
	const char *name = text_of(contact, "first_name");

	text_add(out, "<html><body><table>\n<tr><td>Dear ");
	html(*name != '\0' ? name : "friend", out);
	text_add_char(out, ' ');
	html(text_of(contact, "last_name"), out);
	text_add(out, ",</td></tr>\n");
	add_style(out, 30);
	mail_card(contact, profile, out);
	add_style(out, 24);
	mail_offers(json_object_get(data, "offers"), out);
	add_style(out, 30);
	text_add(out, "<tr><td>Code ");
	html(text_of(data, "code"), out);
	text_add(out, ", born ");
	day(text_of(profile, "birthday"), out);
	text_add(out, ". ");
	html(text_of(json_object_get(root, "campaign"), "name"), out);
	text_add_char(out, ' ');
	html(text_of(profile, "nickname"), out);
	text_add(out, "</td></tr>\n");
	add_style(out, 2);
	text_add(out, "</table></body></html>\n");
}

const struct sample samples[] = {
	{"sms", TEMPLATE_SLOT_PLAIN, sms_source, sms_direct},
	{"push", TEMPLATE_SLOT_PLAIN, push_source, push_direct},
	{"email", TEMPLATE_SLOT_HTML, mail_source, mail_direct},
};
const size_t sample_count = ARRAY_LENGTH(samples);
