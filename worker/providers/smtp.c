#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/memory.h"
#include "worker/providers/drivers.h"
#include "worker/providers/email_sender.h"
#include "worker/providers/mime.h"
#include "worker/providers/words.h"

#define HOST_MAX 253

struct provider_account {
	struct provider_transport transport;
	struct text url;
	struct text from; /* the From header's value */
	struct email_sender sender;
	char *host, *tls, *user, *password, *ca_file;
};

static const char settings_help[] = "host        name or address of the mail server\n"
				    "port        587; 465 is usual with tls \"tls\", 25 with \"none\"\n"
				    "tls         \"starttls\" (default), \"tls\" from the first byte, or \"none\"\n"
				    "ca_file     certificates to trust instead of the system's\n"
				    "user        for AUTH; empty: none\n"
				    "password    env:NAME or file:/path\n" EMAIL_SENDER_HELP
				    "timeout_ms  30000; from connecting to the last answer\n";

static void smtp_release(struct provider_account *account)
{
	if (account == NULL)
		return;
	text_release(&account->url);
	text_release(&account->from);
	email_sender_release(&account->sender);
	free(account->host);
	free(account->tls);
	free(account->user);
	if (account->password != NULL)
		explicit_bzero(account->password, strlen(account->password));
	free(account->password);
	free(account->ca_file);
	free(account);
}

static bool read_settings(struct provider_account *account, const json_t *settings, struct error *err)
{
	struct provider_transport *transport = &account->transport;

	return provider_setting_text(settings, "host", false, NULL, &account->host, err) &&
	       provider_setting_text(settings, "tls", false, "starttls", &account->tls, err) &&
	       provider_setting_text(settings, "ca_file", false, "", &account->ca_file, err) &&
	       provider_setting_text(settings, "user", false, "", &account->user, err) &&
	       provider_setting_text(settings, "password", true, "", &account->password, err) &&
	       email_sender_configure(&account->sender, settings, err) &&
	       provider_setting_number(settings, "timeout_ms", 30000, 100, 300000, &transport->timeout_ms, err);
}

static bool host_is_loopback(const char *host)
{
	return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

static bool check_host(const char *host, struct error *err)
{
	size_t length = strlen(host);

	if (length == 0 || length > HOST_MAX ||
	    strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:") != length)
		return error_set(err, ERROR_INVALID,
				 "host: write the server's name or address alone, without smtp:// and without a port.");
	return true;
}

static bool check_secrets(const struct provider_account *account, struct error *err)
{
	if ((account->user[0] == '\0') != (account->password[0] == '\0'))
		return error_set(err, ERROR_INVALID, "user and password belong together: give both or none.");
	if (account->user[0] != '\0' && strcmp(account->tls, "none") == 0 && !host_is_loopback(account->host))
		return error_set(err, ERROR_INVALID,
				 "tls: \"none\" would show the password to everybody on the way; "
				 "use \"starttls\" or \"tls\".");
	return true;
}

static bool check_settings(const struct provider_account *account, struct error *err)
{
	if (strcmp(account->tls, "none") != 0 && strcmp(account->tls, "starttls") != 0 &&
	    strcmp(account->tls, "tls") != 0)
		return error_set(err, ERROR_INVALID, "tls is \"none\", \"starttls\" or \"tls\".");
	return check_host(account->host, err) && check_secrets(account, err);
}

static bool prepare(struct provider_account *account, const json_t *settings, struct error *err)
{
	bool implicit = strcmp(account->tls, "tls") == 0;
	const char *bracket = strchr(account->host, ':') != NULL ? "[" : "";
	struct provider_transport *transport = &account->transport;
	int64_t port;

	if (!provider_setting_number(settings, "port", implicit ? 465 : 587, 1, 65535, &port, err))
		return false;
	text_init(&account->url, 1024);
	text_addf(&account->url, "%s://%s%s%s:%" PRId64, implicit ? "smtps" : "smtp", bracket, account->host,
		  *bracket != '\0' ? "]" : "", port);
	text_init(&account->from, 4096);
	mime_add_mailbox(&account->from, provider_slice(account->sender.name), provider_slice(account->sender.address),
			 6);
	transport->start_tls = strcmp(account->tls, "starttls") == 0;
	transport->plain_allowed = strcmp(account->tls, "none") == 0;
	transport->ca_file = account->ca_file[0] != '\0' ? account->ca_file : NULL;
	transport->user = account->user[0] != '\0' ? account->user : NULL;
	transport->password = account->password[0] != '\0' ? account->password : NULL;
	transport->connect_timeout_ms = transport->timeout_ms < 5000 ? transport->timeout_ms : 5000;
	return true;
}

static struct provider_account *smtp_configure(const json_t *settings, struct error *err)
{
	struct provider_account *account = memory_new(sizeof(*account));

	if (read_settings(account, settings, err) && check_settings(account, err) && prepare(account, settings, err))
		return account;
	smtp_release(account);
	return NULL;
}

static bool smtp_build(struct provider_account *account, const struct provider_message *message,
		       struct provider_request *request, struct error *err)
{
	const struct mime_message mime = {
		.from = {.bytes = text_string(&account->from), .length = account->from.length},
		.from_domain = provider_slice(strchr(account->sender.address, '@') + 1),
		.to = message->address,
		.subject = message->subject,
		.body_text = message->body_text,
		.body_html = message->body_html,
		.delivery_id = message->delivery_id,
		.key = message->idempotency_key,
		.unsubscribe_url = message->unsubscribe_url,
		.created_at_ms = message->created_at_ms,
	};

	provider_request_clear(request);
	if (!email_message_check(message, err))
		return false;
	request->protocol = PROVIDER_SMTP;
	text_add_bytes(&request->url, text_string(&account->url), account->url.length);
	text_add(&request->mail_from, account->sender.address);
	text_add_bytes(&request->rcpt_to, message->address.bytes, message->address.length);
	mime_build(&mime, &request->body);
	if (text_ok(&request->body) && text_ok(&request->rcpt_to))
		return true;
	provider_request_clear(request);
	return error_set(err, ERROR_INVALID, "The message is larger than %d bytes.", PROVIDER_BODY_MAX);
}

/* A reply as RFC 3463 sees it: "550 5.1.1 <...>: unknown". subject and detail are -1 where the server gives none. */
struct reply {
	int status, subject, detail;
	struct slice text; /* behind the codes */
};

static bool take_number(struct slice *text, int *number)
{
	size_t digits = 0;

	*number = 0;
	while (digits < text->length && digits < 3 && text->bytes[digits] >= '0' && text->bytes[digits] <= '9')
		*number = *number * 10 + (text->bytes[digits++] - '0');
	text->bytes += digits;
	text->length -= digits;
	return digits > 0;
}

static bool take_byte(struct slice *text, const char *allowed)
{
	if (text->length == 0 || *text->bytes == '\0' || strchr(allowed, *text->bytes) == NULL)
		return false;
	text->bytes++;
	text->length--;
	return true;
}

/* The first digit of the reply code wins where the two differ: then the enhanced code is ignored. */
static struct reply parse_reply(const struct provider_answer *answer)
{
	struct reply reply = {.status = answer->status, .subject = -1, .detail = -1, .text = answer->body};
	struct slice rest = answer->body;
	int number, subject, detail;

	if (take_number(&rest, &number) && number == answer->status && take_byte(&rest, " -"))
		reply.text = rest;
	rest = reply.text;
	if (take_number(&rest, &number) && take_byte(&rest, ".") && take_number(&rest, &subject) &&
	    take_byte(&rest, ".") && take_number(&rest, &detail) && (rest.length == 0 || take_byte(&rest, " \t\r\n"))) {
		reply.text = rest;
		if (number == answer->status / 100) {
			reply.subject = subject;
			reply.detail = detail;
		}
	}
	return reply;
}

static bool text_mentions(struct slice text, const char *word)
{
	size_t length = strlen(word);

	for (size_t i = 0; i + length <= text.length; i++)
		if (strncasecmp(text.bytes + i, word, length) == 0)
			return true;
	return false;
}

/* 4xx. "Too fast" holds for the whole account; greylisting and a full mailbox are about one recipient. */
static enum outcome_class class_of_delay(const struct reply *reply)
{
	if (text_mentions(reply->text, "greylist") || text_mentions(reply->text, "graylist"))
		return OUTCOME_TRANSIENT;
	if (reply->status == 421 || reply->status == 454)
		return OUTCOME_THROTTLED;
	if ((reply->status == 450 || reply->status == 451) && reply->subject == 7)
		return OUTCOME_THROTTLED;
	return OUTCOME_TRANSIENT;
}

/* x.1.y: addresses. 7 and 8 are about the sender's, which is ours. */
static bool blames_recipient(const struct reply *reply, bool rcpt_stage)
{
	if (reply->subject == 1)
		return reply->detail != 7 && reply->detail != 8;
	if (!rcpt_stage)
		return false;
	if (reply->subject >= 0)
		return reply->subject == 0 || reply->subject == 4 || (reply->subject == 2 && reply->detail != 3);
	/* Without an enhanced code: 500 to 504 say that the command was wrong, 550 to 553 that the mailbox is. */
	return reply->status >= 550 && reply->status <= 553;
}

/* 5xx. */
static enum outcome_class class_of_refusal(const struct reply *reply, bool rcpt_stage)
{
	if (reply->status == 530 || reply->status == 534 || reply->status == 535 || reply->status == 538)
		return OUTCOME_BAD_CREDENTIALS;
	/* A full mailbox may be emptied. */
	if ((reply->subject == 2 && reply->detail == 2) || (reply->status == 552 && reply->subject < 0 && rcpt_stage))
		return OUTCOME_TRANSIENT;
	return blames_recipient(reply, rcpt_stage) ? OUTCOME_BAD_ADDRESS : OUTCOME_BAD_PAYLOAD;
}

static enum outcome_class class_of(const struct reply *reply, bool rcpt_stage)
{
	switch (reply->status / 100) {
	case 2:
		return OUTCOME_ACCEPTED;
	case 4:
		return class_of_delay(reply);
	case 5:
		return class_of_refusal(reply, rcpt_stage);
	default:
		return OUTCOME_UNCERTAIN; /* no reply code of RFC 5321 that could end a transaction */
	}
}

static void set_code(const struct reply *reply, struct outcome *outcome)
{
	size_t size = sizeof(outcome->code);

	if (reply->subject >= 0)
		(void)snprintf(outcome->code, size, "%d %d.%d.%d", reply->status, reply->status / 100, reply->subject,
			       reply->detail);
	else
		(void)snprintf(outcome->code, size, "%d", reply->status);
}

static void smtp_read(struct provider_account *account, const struct provider_answer *answer, struct outcome *outcome)
{
	/* A refusal before the final dot is a refusal, however the transport calls the way that it came. */
	bool refused = answer->progress == PROVIDER_NOT_WRITTEN && answer->status >= 400 && answer->status < 600;
	struct reply reply;
	char words[sizeof(outcome->words)];

	(void)account;
	if (!refused && words_without_answer(answer, outcome))
		return;
	reply = parse_reply(answer);
	words_clean(reply.text, words, sizeof(words));
	outcome_set(outcome, class_of(&reply, answer->rcpt_stage), "", "%s", words);
	set_code(&reply, outcome);
}

static const struct provider_transport *smtp_transport(const struct provider_account *account)
{
	return &account->transport;
}

const struct provider_driver smtp_driver = {
	.name = "smtp",
	.channels = 1u << CHANNEL_EMAIL,
	.keyed = false,
	.settings_help = settings_help,
	.configure = smtp_configure,
	.release = smtp_release,
	.build = smtp_build,
	.read = smtp_read,
	.transport = smtp_transport,
};
