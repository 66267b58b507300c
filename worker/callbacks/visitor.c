#include "worker/callbacks/visitor.h"

#include <string.h>
#include <strings.h>

#define AGENT_MAX 512 /* bytes that are looked at */

enum match { IS, HOLDS };

struct rule {
	enum match match;
	const char *words; /* in any case */
	bool is_machine;
	const char *note;
};

/* The first that fits decides. */
static const struct rule rules[] = {
	{IS, "", true, "no browser named"},
	{IS, "Mozilla/5.0", true, "fetched ahead by Apple Mail for everybody"},
	{HOLDS, "GoogleImageProxy", false, "through Gmail's proxy"},
	{HOLDS, "YahooMailProxy", false, "through Yahoo's proxy"},
	{HOLDS, "Edge/12.246 Mozilla/5.0", true, "fetched ahead by Gmail"},
	{HOLDS, "CUBOT", false, ""}, /* a make of phones */
	{HOLDS, "bot", true, "a robot by its name"},
	{HOLDS, "crawler", true, "a robot by its name"},
	{HOLDS, "spider", true, "a robot by its name"},
	{HOLDS, "scanner", true, "a robot by its name"},
	{HOLDS, "preview", true, "a preview by its name"},
	{HOLDS, "facebookexternalhit", true, "a preview by its name"},
	{HOLDS, "WhatsApp/", true, "a preview by its name"},
	{HOLDS, "Google-Safety", true, "a scanner by its name"},
	{HOLDS, "Barracuda", true, "a scanner by its name"},
	{HOLDS, "Proofpoint", true, "a scanner by its name"},
	{HOLDS, "Mimecast", true, "a scanner by its name"},
	{HOLDS, "Symantec", true, "a scanner by its name"},
	{HOLDS, "FireEye", true, "a scanner by its name"},
	{HOLDS, "Trend Micro", true, "a scanner by its name"},
	{HOLDS, "Sophos", true, "a scanner by its name"},
	{HOLDS, "Zscaler", true, "a scanner by its name"},
	{HOLDS, "HeadlessChrome", true, "a browser without a screen"},
	{HOLDS, "PhantomJS", true, "a browser without a screen"},
	{HOLDS, "curl/", true, "a program by its name"},
	{HOLDS, "Wget", true, "a program by its name"},
	{HOLDS, "python", true, "a program by its name"},
	{HOLDS, "aiohttp", true, "a program by its name"},
	{HOLDS, "libwww", true, "a program by its name"},
	{HOLDS, "Go-http-client", true, "a program by its name"},
	{HOLDS, "Java/", true, "a program by its name"},
	{HOLDS, "Apache-HttpClient", true, "a program by its name"},
	{HOLDS, "okhttp", true, "a program by its name"},
	{HOLDS, "axios", true, "a program by its name"},
	{HOLDS, "node-fetch", true, "a program by its name"},
};

/* Browsers say so when they fetch what nobody has asked to see yet. */
static const struct {
	const char *name, *value;
} ahead[] = {
	{"Sec-Purpose", "prefetch"},
	{"Purpose", "prefetch"},
	{"X-Purpose", "preview"},
	{"X-Moz", "prefetch"},
};

static bool holds(struct slice text, const char *words)
{
	size_t length = strlen(words);

	for (size_t at = 0; at + length <= text.length; at++)
		if (strncasecmp(text.bytes + at, words, length) == 0)
			return true;
	return false;
}

static bool fits(const struct rule *rule, struct slice agent)
{
	size_t length = strlen(rule->words);

	if (rule->match == HOLDS)
		return holds(agent, rule->words);
	return agent.length == length && (length == 0 || strncasecmp(agent.bytes, rule->words, length) == 0);
}

struct visitor visitor_judge(bool is_head, struct slice headers)
{
	struct slice agent = provider_header(headers, "User-Agent");

	if (is_head)
		return (struct visitor){true, "asked with HEAD"};
	for (size_t i = 0; i < ARRAY_LENGTH(ahead); i++)
		if (holds(provider_header(headers, ahead[i].name), ahead[i].value))
			return (struct visitor){true, "fetched ahead by the browser"};
	if (agent.length > AGENT_MAX)
		agent.length = AGENT_MAX;
	for (size_t i = 0; i < ARRAY_LENGTH(rules); i++)
		if (fits(&rules[i], agent))
			return (struct visitor){rules[i].is_machine, rules[i].note};
	return (struct visitor){false, ""};
}
