/* The SMTP look-alike: a relay that accepts everything and honours no key. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/digest.h"
#include "shared/memory.h"
#include "tests/sandbox/certificates.h"
#include "tests/sandbox/connection.h"
#include "tests/sandbox/keys.h"
#include "tests/sandbox/sandbox.h"

enum { LINE_MAX_BYTES = 2048, MESSAGE_MAX = 10 * 1024 * 1024, RECIPIENTS_MAX = 16 * 1024 };

enum smtp_state {
	SMTP_COMMAND,
	SMTP_DATA,
	SMTP_AUTH_PLAIN,    /* the next line is the response */
	SMTP_AUTH_USER,     /* the next line is the user name */
	SMTP_AUTH_PASSWORD, /* the next line is the password */
};

struct smtp {
	struct sandbox *sandbox;
	struct connection *connection;
	enum smtp_state state;
	struct text recipients; /* joined by commas */
	struct text user;
	size_t scanned; /* of the message coming in */
	bool has_sender, oversized, authenticated;
};

static void say(struct smtp *smtp, const char *reply)
{
	text_add(&smtp->connection->output, reply);
}

static void forget_transaction(struct smtp *smtp)
{
	smtp->has_sender = false;
	text_clear(&smtp->recipients);
}

static const struct fault *find_fault(const struct smtp *smtp, unsigned kinds, const char *recipient, size_t length)
{
	struct fault_list *faults = &smtp->sandbox->faults;

	if (faults->count == 0)
		return NULL;
	return fault_take(faults, &(struct fault_place){
					  .protocol = LEDGER_SMTP,
					  .kinds = kinds,
					  .recipient = recipient,
					  .recipient_length = length,
				  });
}

static bool starts_with(const char *line, size_t length, const char *word)
{
	size_t word_length = strlen(word);

	return length >= word_length && strncasecmp(line, word, word_length) == 0;
}

/* The file that was given, else what the HTTPS port shows; NULL: neither. */
static struct tls_context *certificate(const struct smtp *smtp)
{
	const struct sandbox *sandbox = smtp->sandbox;

	return sandbox->tls || !sandbox->certificates ? sandbox->tls : certificates_current(sandbox->certificates);
}

static void do_hello(struct smtp *smtp, const char *line, size_t length)
{
	(void)line;
	(void)length;
	forget_transaction(smtp);
	say(smtp, "250-sandbox.invalid\r\n250-SIZE "
		  "10485760\r\n250-8BITMIME\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n");
	if (certificate(smtp) && !smtp->connection->tls)
		say(smtp, "250-STARTTLS\r\n");
	if (smtp->sandbox->smtp_user)
		say(smtp, "250-AUTH PLAIN LOGIN\r\n");
	say(smtp, "250 SMTPUTF8\r\n");
}

static void do_starttls(struct smtp *smtp, const char *line, size_t length)
{
	(void)line;
	(void)length;
	if (!certificate(smtp) || smtp->connection->tls) {
		say(smtp, "502 5.5.1 Not now\r\n");
		return;
	}
	say(smtp, "220 2.0.0 Go ahead\r\n");
	connection_start_tls(smtp->connection, certificate(smtp));
}

static void finish_auth(struct smtp *smtp, const char *user, const char *password)
{
	smtp->state = SMTP_COMMAND;
	smtp->authenticated = user && password && strcmp(user, smtp->sandbox->smtp_user) == 0 &&
			      strcmp(password, smtp->sandbox->smtp_password) == 0;
	say(smtp, smtp->authenticated ? "235 2.7.0 Welcome\r\n" : "535 5.7.8 Not these credentials\r\n");
}

/* "authorize NUL user NUL password" in base64 */
static void take_plain(struct smtp *smtp, const char *line, size_t length)
{
	const char *user = NULL, *password = NULL;
	struct text plain;

	text_init(&plain, LINE_MAX_BYTES);
	if (digest_base64_decode(&plain, line, length)) {
		user = memchr(text_string(&plain), 0, plain.length);
		password = user ? memchr(user + 1, 0, (size_t)(plain.bytes + plain.length - user - 1)) : NULL;
	}
	finish_auth(smtp, user ? user + 1 : NULL, password ? password + 1 : NULL);
	text_release(&plain);
}

static void take_user(struct smtp *smtp, const char *line, size_t length)
{
	text_clear(&smtp->user);
	if (!digest_base64_decode(&smtp->user, line, length))
		text_clear(&smtp->user);
	smtp->state = SMTP_AUTH_PASSWORD;
	say(smtp, "334 UGFzc3dvcmQ6\r\n");
}

static void take_password(struct smtp *smtp, const char *line, size_t length)
{
	struct text password;

	text_init(&password, LINE_MAX_BYTES);
	if (digest_base64_decode(&password, line, length))
		finish_auth(smtp, text_string(&smtp->user), text_string(&password));
	else
		finish_auth(smtp, NULL, NULL);
	text_release(&password);
}

static void do_auth(struct smtp *smtp, const char *line, size_t length)
{
	if (!smtp->sandbox->smtp_user) {
		say(smtp, "502 5.5.1 No AUTH here\r\n");
	} else if (starts_with(line, length, "AUTH PLAIN ")) {
		take_plain(smtp, line + 11, length - 11);
	} else if (starts_with(line, length, "AUTH PLAIN")) {
		smtp->state = SMTP_AUTH_PLAIN;
		say(smtp, "334 \r\n");
	} else if (starts_with(line, length, "AUTH LOGIN ")) {
		take_user(smtp, line + 11, length - 11);
	} else if (starts_with(line, length, "AUTH LOGIN")) {
		smtp->state = SMTP_AUTH_USER;
		say(smtp, "334 VXNlcm5hbWU6\r\n");
	} else {
		say(smtp, "504 5.5.4 PLAIN or LOGIN\r\n");
	}
}

static void do_mail(struct smtp *smtp, const char *line, size_t length)
{
	(void)line;
	(void)length;
	smtp->sandbox->requests++;
	if (smtp->sandbox->smtp_user && !smtp->authenticated) {
		say(smtp, "530 5.7.0 Authenticate first\r\n");
	} else if (smtp->has_sender) {
		say(smtp, "503 5.5.1 Nested MAIL\r\n");
	} else {
		smtp->has_sender = true;
		say(smtp, "250 2.1.0 Ok\r\n");
	}
}

static bool refuse_recipient(struct smtp *smtp, const char *address, size_t length)
{
	const struct fault *fault =
		find_fault(smtp, FAULT_BIT(FAULT_REFUSE_RCPT) | FAULT_BIT(FAULT_GREYLIST), address, length);

	if (!fault)
		return false;
	if (fault->kind == FAULT_GREYLIST) {
		if (keys_count(smtp->sandbox->greylisted, 'g', address, length) > 0)
			return false;
		say(smtp, "451 4.7.1 Greylisted, come back later\r\n");
		return true;
	}
	text_addf(&smtp->connection->output, "%d %d.1.1 No such mailbox\r\n", fault->status, fault->status / 100);
	return true;
}

static void do_rcpt(struct smtp *smtp, const char *line, size_t length)
{
	const char *open = memchr(line, '<', length);
	const char *shut = open ? memchr(open, '>', length - (size_t)(open - line)) : NULL;
	size_t address_length;

	if (!smtp->has_sender) {
		say(smtp, "503 5.5.1 MAIL first\r\n");
		return;
	}
	if (!shut || shut == open + 1) {
		say(smtp, "501 5.1.3 RCPT TO:<address>\r\n");
		return;
	}
	address_length = (size_t)(shut - open - 1);
	if (refuse_recipient(smtp, open + 1, address_length))
		return;
	if (smtp->recipients.length > 0)
		text_add_char(&smtp->recipients, ',');
	text_add_bytes(&smtp->recipients, open + 1, address_length);
	say(smtp, text_ok(&smtp->recipients) ? "250 2.1.5 Ok\r\n" : "452 4.5.3 Too many recipients\r\n");
}

static void do_data(struct smtp *smtp, const char *line, size_t length)
{
	(void)line;
	(void)length;
	if (smtp->recipients.length == 0) {
		say(smtp, "503 5.5.1 No recipient\r\n");
		return;
	}
	if (find_fault(smtp, FAULT_BIT(FAULT_DROP_BEFORE_DOT), smtp->recipients.bytes, smtp->recipients.length)) {
		connection_close(smtp->connection, CONNECTION_NOW);
		return;
	}
	smtp->state = SMTP_DATA;
	smtp->scanned = 0;
	smtp->oversized = false;
	say(smtp, "354 End with a dot\r\n");
}

static void do_reset(struct smtp *smtp, const char *line, size_t length)
{
	(void)line;
	(void)length;
	forget_transaction(smtp);
	say(smtp, "250 2.0.0 Ok\r\n");
}

static void do_nothing(struct smtp *smtp, const char *line, size_t length)
{
	(void)line;
	(void)length;
	say(smtp, "250 2.0.0 Ok\r\n");
}

static void do_quit(struct smtp *smtp, const char *line, size_t length)
{
	(void)line;
	(void)length;
	say(smtp, "221 2.0.0 Bye\r\n");
	connection_close(smtp->connection, CONNECTION_AFTER_OUTPUT);
}

static const struct {
	const char *word;
	void (*run)(struct smtp *smtp, const char *line, size_t length);
} commands[] = {
	{"MAIL FROM:", do_mail}, {"RCPT TO:", do_rcpt},     {"DATA", do_data},    {"RSET", do_reset},
	{"EHLO", do_hello},      {"HELO", do_hello},        {"NOOP", do_nothing}, {"QUIT", do_quit},
	{"AUTH", do_auth},       {"STARTTLS", do_starttls},
};

static void run_command(struct smtp *smtp, const char *line, size_t length)
{
	for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
		if (!starts_with(line, length, commands[i].word))
			continue;
		commands[i].run(smtp, line, length);
		return;
	}
	say(smtp, "500 5.5.2 What?\r\n");
}

/* The value of the first header of that name; name ends with a colon. */
static const char *find_header(const char *message, size_t length, const char *name, size_t *value_length)
{
	const char *limit = message + length;

	for (const char *line = message; line < limit;) {
		const char *end = memchr(line, '\n', (size_t)(limit - line));
		size_t line_length = end ? (size_t)(end - line) : (size_t)(limit - line);

		if (line_length <= 1)
			break;
		if (starts_with(line, line_length, name)) {
			const char *value = line + strlen(name);
			while (value < line + line_length && *value == ' ')
				value++;
			*value_length = line_length - (size_t)(value - line) - (line[line_length - 1] == '\r');
			return value;
		}
		line += line_length + 1;
	}
	*value_length = 0;
	return NULL;
}

/* Takes the sender's extra dots out, in place. */
static size_t unstuff(char *message, size_t length)
{
	char *dot = length > 0 && message[0] == '.' ? message : memmem(message, length, "\r\n.", 3);
	char *to, *limit = message + length;

	if (!dot)
		return length;
	to = dot == message ? dot : (dot += 2);
	while (dot) {
		char *from = dot + 1;
		char *next = memmem(from, (size_t)(limit - from), "\r\n.", 3);
		size_t run = (size_t)((next ? next + 2 : limit) - from);

		memmove(to, from, run);
		to += run;
		dot = next ? next + 2 : NULL;
	}
	return (size_t)(to - message);
}

static void record(struct smtp *smtp, char *message, size_t length)
{
	struct ledger_entry entry = {.protocol = LEDGER_SMTP, .vendor = "smtp", .is_blind = true, .body = message};

	entry.body_length = unstuff(message, length);
	entry.key = find_header(message, entry.body_length, "Message-ID:", &entry.key_length);
	entry.delivery = find_header(message, entry.body_length, "X-Postrider-Delivery:", &entry.delivery_length);
	entry.recipient = text_string(&smtp->recipients);
	entry.recipient_length = smtp->recipients.length;
	(void)ledger_add(smtp->sandbox->ledger, &entry);
}

static void on_durable(void *context)
{
	connection_release(context);
}

static void answer_accepted(struct smtp *smtp, int64_t delay_ms)
{
	say(smtp, "250 2.0.0 Ok: queued\r\n");
	if (smtp->sandbox->strict) {
		connection_hold(smtp->connection);
		ledger_when_durable(smtp->sandbox->ledger, on_durable, smtp->connection);
	}
	if (delay_ms > 0)
		connection_hold_for(smtp->connection, delay_ms);
}

static void misbehave(struct smtp *smtp, const struct fault *fault)
{
	switch (fault->kind) {
	case FAULT_STATUS:
		text_addf(&smtp->connection->output, "%d %d.0.0 Told to say this\r\n", fault->status,
			  fault->status / 100);
		break;
	case FAULT_HANG:
		connection_hold(smtp->connection);
		break;
	case FAULT_SLOW:
		answer_accepted(smtp, fault->latency_ms);
		break;
	case FAULT_GARBAGE:
		say(smtp, "\x16\x03\x01 this is not SMTP\r\n");
		break;
	case FAULT_DROP_AFTER_DOT:
		connection_close(smtp->connection, CONNECTION_NOW);
		break;
	default:
		connection_close(smtp->connection, CONNECTION_RESET);
	}
}

static void take_message(struct smtp *smtp, char *message, size_t length)
{
	const unsigned kinds = FAULT_BIT(FAULT_STATUS) | FAULT_BIT(FAULT_HANG) | FAULT_BIT(FAULT_RESET_AFTER_BODY) |
			       FAULT_BIT(FAULT_ACCEPT_THEN_RESET) | FAULT_BIT(FAULT_SLOW) | FAULT_BIT(FAULT_GARBAGE) |
			       FAULT_BIT(FAULT_DROP_AFTER_DOT);
	const struct fault *fault = find_fault(smtp, kinds, text_string(&smtp->recipients), smtp->recipients.length);

	smtp->state = SMTP_COMMAND;
	if (smtp->oversized) {
		forget_transaction(smtp);
		say(smtp, "552 5.3.4 Too large\r\n");
		return;
	}
	if (!fault || fault->accept || fault->kind == FAULT_SLOW)
		record(smtp, message, length);
	forget_transaction(smtp);
	if (fault)
		misbehave(smtp, fault);
	else
		answer_accepted(smtp, smtp->sandbox->latency_ms);
}

/* Looks on from where it stopped, less what may be the beginning of the end. */
static void read_message(struct smtp *smtp, char *bytes, size_t length)
{
	struct connection *connection = smtp->connection;
	size_t from = smtp->scanned > 4 ? smtp->scanned - 4 : 0;
	char *end;

	if (smtp->scanned == 0 && length >= 3 && memcmp(bytes, ".\r\n", 3) == 0) {
		take_message(smtp, bytes, 0);
		if (!connection->closed)
			connection_consume(connection, 3);
		return;
	}
	end = memmem(bytes + from, length - from, "\r\n.\r\n", 5);
	if (end) {
		take_message(smtp, bytes, (size_t)(end + 2 - bytes));
		if (!connection->closed)
			connection_consume(connection, (size_t)(end + 5 - bytes));
		return;
	}
	smtp->scanned = length < 3 ? 0 : length;
	if (length > MESSAGE_MAX) {
		smtp->oversized = true;
		smtp->scanned = 4;
		connection_consume(connection, length - 4);
	}
}

static void read_line(struct smtp *smtp, const char *bytes, size_t length)
{
	struct connection *connection = smtp->connection;
	const char *newline = memchr(bytes, '\n', length < LINE_MAX_BYTES ? length : LINE_MAX_BYTES);
	size_t line_length;

	if (!newline) {
		if (length < LINE_MAX_BYTES)
			return;
		say(smtp, "500 5.5.2 Line too long\r\n");
		connection_close(connection, CONNECTION_AFTER_OUTPUT);
		return;
	}
	line_length = (size_t)(newline - bytes);
	connection_consume(connection, line_length + 1); /* the bytes stay until the next read */
	line_length -= line_length > 0 && bytes[line_length - 1] == '\r';
	if (smtp->state == SMTP_AUTH_PLAIN)
		take_plain(smtp, bytes, line_length);
	else if (smtp->state == SMTP_AUTH_USER)
		take_user(smtp, bytes, line_length);
	else if (smtp->state == SMTP_AUTH_PASSWORD)
		take_password(smtp, bytes, line_length);
	else
		run_command(smtp, bytes, line_length);
}

static void on_input(struct connection *connection)
{
	struct smtp *smtp = connection->owner;
	size_t length;
	const char *bytes = connection_input(connection, &length);

	if (smtp->state == SMTP_DATA)
		read_message(smtp, connection->in_bytes + connection->in_start, length);
	else
		read_line(smtp, bytes, length);
}

static void on_closed(struct connection *connection)
{
	struct smtp *smtp = connection->owner;

	if (smtp->sandbox->strict)
		ledger_forget(smtp->sandbox->ledger, connection);
	smtp->sandbox->connections--;
	text_release(&smtp->recipients);
	text_release(&smtp->user);
	free(smtp);
}

void smtp_accept(struct sandbox *sandbox, int fd)
{
	static const struct connection_protocol protocol = {on_input, on_closed};
	struct smtp *smtp = memory_new(sizeof(*smtp));

	sandbox->connections++;
	smtp->sandbox = sandbox;
	text_init(&smtp->recipients, RECIPIENTS_MAX);
	text_init(&smtp->user, LINE_MAX_BYTES);
	smtp->connection = connection_open(sandbox->base, fd, &protocol, smtp);
	if (find_fault(smtp, FAULT_BIT(FAULT_BANNER_421), "", 0)) {
		say(smtp, "421 4.3.2 Not today\r\n");
		connection_close(smtp->connection, CONNECTION_AFTER_OUTPUT);
		return;
	}
	say(smtp, "220 sandbox.invalid ESMTP\r\n");
	connection_flush(smtp->connection);
}
