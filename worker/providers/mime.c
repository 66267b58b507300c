#include "worker/providers/mime.h"

#include <string.h>
#include <time.h>

#include "worker/providers/mime_body.h"

#define FOLD_COLUMN    76 /* RFC 2047 allows no more for lines with encoded words; RFC 5322 recommends 78 */
#define WORD_FRAME     12 /* =?UTF-8?B? and ?= */
#define WORD_BYTES     45 /* 60 characters of base64: an encoded word has at most 75 */
#define PLAIN_WORD_MAX 50 /* what is longer cannot be folded and goes encoded */
#define KEY_MAX        64
#define LOCAL_MAX      64 /* RFC 5321 §4.5.3.1 */
#define DOMAIN_MAX     255
#define ADDRESS_MAX    254

/* Printable ASCII that stays the same when it is folded, and is no encoded word by accident. */
static bool is_plain(struct slice value, size_t column)
{
	bool fits = column + value.length <= FOLD_COLUMN;
	size_t word = 0;

	for (size_t i = 0; i < value.length; i++) {
		char byte = value.bytes[i];

		if (byte < ' ' || byte > '~' || (byte == '=' && i + 1 < value.length && value.bytes[i + 1] == '?'))
			return false;
		if (byte == ' ' && word == 0 && (i == 0 || !fits))
			return false;
		word = byte == ' ' ? 0 : word + 1;
		if (word > PLAIN_WORD_MAX && !fits)
			return false;
	}
	return value.length == 0 || word > 0;
}

static void add_folded(struct text *out, struct slice value, size_t column)
{
	while (column + value.length > FOLD_COLUMN) {
		size_t cut = FOLD_COLUMN - column;

		/* Words are short enough that there is a blank; from the second line on it is not the one in front. */
		while (value.bytes[cut] != ' ')
			cut--;
		text_add_bytes(out, value.bytes, cut);
		text_add(out, "\r\n ");
		value.bytes += cut + 1;
		value.length -= cut + 1;
		column = 1;
	}
	text_add_bytes(out, value.bytes, value.length);
}

/* Whole characters into chunk, at most room bytes; tells how much of the value they took. Controls are dropped. */
static size_t take_characters(struct slice value, char chunk[WORD_BYTES], size_t room, size_t *taken)
{
	size_t used = 0, at = 0;

	while (at < value.length) {
		size_t length = text_utf8_length(value.bytes + at, value.length - at);
		const char *character = length > 0 ? value.bytes + at : "\uFFFD";
		size_t needed = length > 0 ? length : 3;
		bool control = length == 1 && ((unsigned char)*character < ' ' || *character == 0x7F);

		if (!control && used + needed > room)
			break;
		if (!control) {
			memcpy(chunk + used, character, needed);
			used += needed;
		}
		at += length > 0 ? length : 1;
	}
	*taken = at;
	return used;
}

static void add_encoded_words(struct text *out, struct slice value, size_t column)
{
	bool fold = column + WORD_FRAME + 8 > FOLD_COLUMN;

	while (value.length > 0) {
		char chunk[WORD_BYTES];
		size_t room = (FOLD_COLUMN - (fold ? 1 : column) - WORD_FRAME) / 4 * 3, taken;
		size_t used = take_characters(value, chunk, room < WORD_BYTES ? room : WORD_BYTES, &taken);

		value.bytes += taken;
		value.length -= taken;
		if (used == 0)
			continue;
		text_add(out, fold ? "\r\n =?UTF-8?B?" : "=?UTF-8?B?");
		digest_add_base64(out, chunk, used);
		text_add(out, "?=");
		fold = true;
	}
}

void mime_add_header_text(struct text *out, struct slice value, size_t column)
{
	if (is_plain(value, column))
		add_folded(out, value, column);
	else
		add_encoded_words(out, value, column);
}

static void add_quoted(struct text *out, struct slice name)
{
	text_add_char(out, '"');
	for (size_t i = 0; i < name.length; i++) {
		if (name.bytes[i] == '"' || name.bytes[i] == '\\')
			text_add_char(out, '\\');
		text_add_char(out, name.bytes[i]);
	}
	text_add_char(out, '"');
}

void mime_add_mailbox(struct text *out, struct slice name, struct slice address, size_t column)
{
	size_t before = out->length;

	if (name.length > 0) {
		/* Quoted text is not folded; long names go as encoded words, which are. */
		if (is_plain(name, 0) && name.length <= WORD_BYTES)
			add_quoted(out, name);
		else
			add_encoded_words(out, name, column);
		text_add(out, column + (out->length - before) + address.length + 3 > FOLD_COLUMN ? "\r\n " : " ");
	}
	text_add_char(out, '<');
	text_add_bytes(out, address.bytes, address.length);
	text_add_char(out, '>');
}

static void add_two_digits(struct text *out, int number)
{
	text_add_char(out, (char)('0' + number / 10 % 10));
	text_add_char(out, (char)('0' + number % 10));
}

/* Sat, 21 Nov 2026 22:03:40 +0000 */
static void add_date(struct text *out, int64_t wall_ms)
{
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm date;

	if (gmtime_r(&seconds, &date) == NULL)
		memset(&date, 0, sizeof(date));
	text_add_bytes(out, days + 3 * date.tm_wday, 3);
	text_add(out, ", ");
	add_two_digits(out, date.tm_mday);
	text_add_char(out, ' ');
	text_add_bytes(out, months + 3 * date.tm_mon, 3);
	text_add_char(out, ' ');
	text_add_int64(out, date.tm_year + INT64_C(1900));
	text_add_char(out, ' ');
	add_two_digits(out, date.tm_hour);
	text_add_char(out, ':');
	add_two_digits(out, date.tm_min);
	text_add_char(out, ':');
	add_two_digits(out, date.tm_sec);
	text_add(out, " +0000");
}

static bool is_key_byte(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
	       byte == '-' || byte == '_';
}

/* <delivery-id.key@domain>; what has no place in a Message-ID becomes _, the delivery id alone is unique. */
static void add_message_id(struct text *out, const struct mime_message *message)
{
	const char *key = message->key != NULL ? message->key : "";

	text_add(out, "<");
	text_add_int64(out, message->delivery_id);
	if (*key != '\0')
		text_add_char(out, '.');
	for (size_t i = 0; i < KEY_MAX && key[i] != '\0'; i++)
		text_add_char(out, is_key_byte(key[i]) ? key[i] : '_');
	text_add_char(out, '@');
	text_add_bytes(out, message->from_domain.bytes, message->from_domain.length);
	text_add_char(out, '>');
}

/* Begins with =_ : neither quoted-printable nor base64 can contain that, and no line of a 7bit body begins so. */
static void add_boundary(struct text *out, const struct mime_message *message)
{
	text_add(out, MIME_BOUNDARY_MARK);
	text_add_int64(out, message->delivery_id);
	text_add_char(out, '_');
	text_add_int64(out, message->created_at_ms);
}

/* The address stands on a line of its own: it cannot be folded. */
static void add_list_headers(struct text *out, const char *unsubscribe_url)
{
	if (unsubscribe_url == NULL)
		return;
	text_add(out, "\r\nList-Unsubscribe:\r\n <");
	text_add(out, unsubscribe_url);
	text_add(out, ">\r\nList-Unsubscribe-Post: " MIME_LIST_POST);
}

static void add_headers(struct text *out, const struct mime_message *message)
{
	text_add(out, "From: ");
	text_add_bytes(out, message->from.bytes, message->from.length);
	text_add(out, "\r\nTo: <");
	text_add_bytes(out, message->to.bytes, message->to.length);
	text_add(out, ">\r\nSubject: ");
	mime_add_header_text(out, message->subject, 9);
	text_add(out, "\r\nDate: ");
	add_date(out, message->created_at_ms);
	text_add(out, "\r\nMessage-ID: ");
	add_message_id(out, message);
	text_add(out, "\r\nX-Postrider-Delivery: ");
	text_add_int64(out, message->delivery_id);
	add_list_headers(out, message->unsubscribe_url);
	text_add(out, "\r\nMIME-Version: 1.0\r\n");
}

static void add_delimiter(struct text *out, const struct mime_message *message, const char *end)
{
	text_add(out, "--");
	add_boundary(out, message);
	text_add(out, end);
}

void mime_build(const struct mime_message *message, struct text *out)
{
	add_headers(out, message);
	if (message->body_html.length == 0) {
		mime_add_part(out, "text/plain", message->body_text);
		return;
	}
	text_add(out, "Content-Type: multipart/alternative;\r\n boundary=\"");
	add_boundary(out, message);
	text_add(out, "\"\r\n\r\n");
	if (message->body_text.length > 0) {
		add_delimiter(out, message, "\r\n");
		mime_add_part(out, "text/plain", message->body_text);
	}
	add_delimiter(out, message, "\r\n");
	mime_add_part(out, "text/html", message->body_html);
	add_delimiter(out, message, "--\r\n");
}

static const char *domain_fault(struct slice domain)
{
	if (domain.length == 0 || domain.length > DOMAIN_MAX ||
	    memchr(domain.bytes, '.', domain.length) == domain.bytes || domain.bytes[domain.length - 1] == '.' ||
	    memmem(domain.bytes, domain.length, "..", 2) != NULL)
		return "The address is not an email address: its domain is not one.";
	for (size_t i = 0; i < domain.length; i++)
		if (!is_key_byte(domain.bytes[i]) && domain.bytes[i] != '.')
			return "The address is not an email address: a character of its domain is not allowed.";
	return NULL;
}

static const char *local_fault(struct slice local)
{
	if (local.length == 0 || local.length > LOCAL_MAX)
		return "The address is not an email address: what stands before the @ is missing or too long.";
	for (size_t i = 0; i < local.length; i++)
		if (local.bytes[i] != '.' && !is_key_byte(local.bytes[i]) &&
		    (local.bytes[i] == '\0' || strchr("!#$%&'*+/=?^`{|}~", local.bytes[i]) == NULL))
			return "The address is not an email address: a character before the @ is not allowed.";
	return NULL;
}

const char *mime_address_fault(struct slice address)
{
	const char *at = address.length > 0 ? memchr(address.bytes, '@', address.length) : NULL;
	const char *fault;
	struct slice local, domain;

	if (at == NULL || address.length > ADDRESS_MAX)
		return "The address is not an email address: it has no @, or is too long.";
	for (size_t i = 0; i < address.length; i++)
		if ((unsigned char)address.bytes[i] >= 0x80)
			return "The address is not an email address that we can send to: only ASCII letters are "
			       "supported; write the domain in its xn-- form.";
	local = (struct slice){.bytes = address.bytes, .length = (size_t)(at - address.bytes)};
	domain = (struct slice){.bytes = at + 1, .length = address.length - local.length - 1};
	fault = local_fault(local);
	return fault != NULL ? fault : domain_fault(domain);
}
