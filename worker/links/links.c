#include "worker/links/links.h"

#include <stdlib.h>
#include <string.h>

#include "shared/digest.h"
#include "shared/memory.h"

#define KEYS_MAX        8
#define BASE_MAX        200
#define MAC_BYTES       16
#define NUMBERS_MAX     16
#define TOKEN_BYTES_MAX (NUMBERS_MAX + MAC_BYTES + LINKS_TARGET_MAX)

struct links {
	char *base_url;
	size_t base_length;
	struct digest_hmac *keys[KEYS_MAX];
	size_t key_count;
	struct text scratch; /* a token's bytes */
};

static bool is_address_letter(char letter)
{
	return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
	       (letter >= '0' && letter <= '9') || (letter != '\0' && strchr("-._~:/[]", letter) != NULL);
}

/* Only letters that need no escape in HTML, in a header or in JSON: links are put there as they are. */
static bool check_base(const char *url, struct error *err)
{
	size_t length = strlen(url);
	const char *host = strstr(url, "://");

	if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
		return error_set(err, ERROR_INVALID, "POSTRIDER_LINK_URL begins with https://.");
	if (length > BASE_MAX || url[length - 1] == '/' || host[3] == '\0')
		return error_set(err, ERROR_INVALID,
				 "POSTRIDER_LINK_URL needs a host, no slash at its end and at most %d characters.",
				 BASE_MAX);
	for (size_t i = 0; i < length; i++)
		if (!is_address_letter(url[i]))
			return error_set(err, ERROR_INVALID,
					 "POSTRIDER_LINK_URL may hold letters, digits and -._~:/[] only.");
	return true;
}

static bool add_keys(struct links *links, const char *keys, struct error *err)
{
	static const char separators[] = ", \t\r\n";

	for (const char *at = keys + strspn(keys, separators); *at != '\0'; at += strspn(at, separators)) {
		size_t length = strcspn(at, separators);

		if (length < LINKS_KEY_MIN)
			return error_set(err, ERROR_INVALID,
					 "A key in POSTRIDER_LINK_KEY has fewer than %d characters.", LINKS_KEY_MIN);
		if (links->key_count == KEYS_MAX)
			return error_set(err, ERROR_INVALID, "POSTRIDER_LINK_KEY holds more than %d keys.", KEYS_MAX);
		links->keys[links->key_count++] = digest_hmac_new(at, length);
		at += length;
	}
	if (links->key_count == 0)
		return error_set(err, ERROR_INVALID, "POSTRIDER_LINK_KEY holds no key.");
	return true;
}

bool links_open(struct links **opened, const char *base_url, const char *keys, struct error *err)
{
	struct links *links;

	if (base_url[0] == '\0' && keys[0] == '\0') {
		*opened = NULL;
		return true;
	}
	if (base_url[0] == '\0' || keys[0] == '\0')
		return error_set(err, ERROR_INVALID, "POSTRIDER_LINK_URL and POSTRIDER_LINK_KEY belong together.");
	if (!check_base(base_url, err))
		return false;
	links = memory_new(sizeof(*links));
	text_init(&links->scratch, TOKEN_BYTES_MAX);
	links->base_url = memory_copy_string(base_url);
	links->base_length = strlen(base_url);
	if (!add_keys(links, keys, err)) {
		links_close(&links);
		return false;
	}
	*opened = links;
	return true;
}

void links_close(struct links **links)
{
	if (*links == NULL)
		return;
	for (size_t i = 0; i < (*links)->key_count; i++)
		digest_hmac_free(&(*links)->keys[i]);
	text_release(&(*links)->scratch);
	free((*links)->base_url);
	free(*links);
	*links = NULL;
}

bool links_is_own(const struct links *links, const char *url, size_t length)
{
	return length > links->base_length && url[links->base_length] == '/' &&
	       memcmp(url, links->base_url, links->base_length) == 0;
}

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static inline void encode(char group[4], uint32_t bits)
{
	group[0] = letters[bits >> 18];
	group[1] = letters[bits >> 12 & 63];
	group[2] = letters[bits >> 6 & 63];
	group[3] = letters[bits & 63];
}

/* Piece by piece: adding each group by itself costs more than encoding it. */
static void add_base64url(struct text *out, const struct text *bytes)
{
	const uint8_t *b = (const uint8_t *)text_string(bytes);
	size_t left = bytes->length, used = 0;
	char piece[256];

	for (; left > 3; left -= 3, b += 3, used += 4) {
		if (used == sizeof(piece)) {
			text_add_bytes(out, piece, used);
			used = 0;
		}
		encode(piece + used, (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2]);
	}
	text_add_bytes(out, piece, used);
	encode(piece, (uint32_t)b[0] << 16 | (left > 1 ? (uint32_t)b[1] << 8 : 0) | (left > 2 ? b[2] : 0));
	text_add_bytes(out, piece, left + 1);
}

/* 64 for a foreign character. */
static uint32_t value_of(char letter)
{
	if (letter >= 'A' && letter <= 'Z')
		return (uint32_t)(letter - 'A');
	if (letter >= 'a' && letter <= 'z')
		return (uint32_t)(letter - 'a') + 26;
	if (letter >= '0' && letter <= '9')
		return (uint32_t)(letter - '0') + 52;
	return letter == '-' ? 62 : letter == '_' ? 63 : 64;
}

/* Only one spelling of the same bytes is accepted: the bits left over at the end are zero. */
static bool decode(struct text *out, const char *token, size_t length)
{
	uint32_t bits = 0;
	unsigned count = 0;

	if (length > LINKS_TOKEN_MAX || length % 4 == 1)
		return false;
	for (size_t i = 0; i < length; i++) {
		uint32_t value = value_of(token[i]);

		if (value > 63)
			return false;
		bits = (bits << 6 | value) & 0xFFFFFF;
		count += 6;
		if (count >= 8) {
			count -= 8;
			text_add_char(out, (char)(bits >> count & 0xFF));
		}
	}
	return (bits & ((1U << count) - 1)) == 0 && text_ok(out);
}

static size_t put(uint8_t *at, uint64_t number, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)(number >> (8 * (bytes - 1 - i)));
	return bytes;
}

static uint64_t take(const uint8_t *at, size_t bytes)
{
	uint64_t number = 0;

	for (size_t i = 0; i < bytes; i++)
		number = number << 8 | at[i];
	return number;
}

static size_t numbers_of(enum link_kind kind, const struct link_claim *claim, uint8_t numbers[NUMBERS_MAX])
{
	size_t length;

	if (kind == LINK_INBOX) {
		length = put(numbers, (uint64_t)claim->contact_id, 8);
		return length + put(numbers + length, (uint64_t)claim->expires_at_s, 8);
	}
	length = put(numbers, (uint64_t)claim->delivery_id, 8);
	if (kind == LINK_CLICK)
		return length + put(numbers + length, (uint64_t)claim->place, 2);
	if (kind != LINK_OPEN)
		length += put(numbers + length, (uint64_t)claim->contact_id, 8);
	return length;
}

static size_t numbers_length(enum link_kind kind)
{
	return kind == LINK_OPEN ? 8 : kind == LINK_CLICK ? 10 : 16;
}

static struct link_claim claim_of(enum link_kind kind, const uint8_t *numbers)
{
	struct link_claim claim = {0};

	if (kind == LINK_INBOX) {
		claim.contact_id = (int64_t)take(numbers, 8);
		claim.expires_at_s = (int64_t)take(numbers + 8, 8);
		return claim;
	}
	claim.delivery_id = (int64_t)take(numbers, 8);
	if (kind == LINK_CLICK)
		claim.place = (int32_t)take(numbers + 8, 2);
	else if (kind != LINK_OPEN)
		claim.contact_id = (int64_t)take(numbers + 8, 8);
	return claim;
}

static void sign(struct digest_hmac *key, enum link_kind kind, const uint8_t *numbers, const char *target,
		 size_t target_length, uint8_t digest[DIGEST_SHA256_BYTES])
{
	uint8_t signed_first[1 + NUMBERS_MAX] = {(uint8_t)kind};
	size_t length = numbers_length(kind);

	memcpy(signed_first + 1, numbers, length);
	digest_hmac_start(key);
	digest_hmac_add(key, signed_first, 1 + length);
	if (target_length > 0)
		digest_hmac_add(key, target, target_length);
	digest_hmac_finish(key, digest);
}

void links_add_token(struct links *links, struct text *out, enum link_kind kind, const struct link_claim *claim,
		     const char *target, size_t target_length)
{
	uint8_t numbers[NUMBERS_MAX], digest[DIGEST_SHA256_BYTES];
	size_t length = numbers_of(kind, claim, numbers);

	sign(links->keys[0], kind, numbers, target, target_length, digest);
	text_clear(&links->scratch);
	text_add_bytes(&links->scratch, numbers, length);
	text_add_bytes(&links->scratch, digest, MAC_BYTES);
	if (target_length > 0)
		text_add_bytes(&links->scratch, target, target_length);
	add_base64url(out, &links->scratch);
}

void links_add_url(struct links *links, struct text *out, enum link_kind kind, const struct link_claim *claim,
		   const char *target, size_t target_length)
{
	text_add_bytes(out, links->base_url, links->base_length);
	text_add_bytes(out, (char[]){'/', (char)kind, '/'}, 3);
	links_add_token(links, out, kind, claim, target, target_length);
}

static bool is_signed(const struct links *links, enum link_kind kind, const uint8_t *bytes, size_t length)
{
	uint8_t digest[DIGEST_SHA256_BYTES];
	size_t numbers = numbers_length(kind);
	bool found = false;

	for (size_t i = 0; i < links->key_count; i++) {
		sign(links->keys[i], kind, bytes, (const char *)bytes + numbers + MAC_BYTES,
		     length - numbers - MAC_BYTES, digest);
		found |= digest_equal(digest, bytes + numbers, MAC_BYTES);
	}
	return found;
}

bool links_verify(struct links *links, enum link_kind kind, const char *token, size_t length, struct link_claim *claim,
		  struct text *target)
{
	const uint8_t *bytes;
	size_t fixed = numbers_length(kind) + MAC_BYTES;

	text_clear(&links->scratch);
	if (!decode(&links->scratch, token, length))
		return false;
	if (kind == LINK_CLICK ? links->scratch.length <= fixed : links->scratch.length != fixed)
		return false;
	bytes = (const uint8_t *)text_string(&links->scratch);
	if (!is_signed(links, kind, bytes, links->scratch.length))
		return false;
	*claim = claim_of(kind, bytes);
	if (kind == LINK_CLICK && target != NULL)
		text_add_bytes(target, bytes + fixed, links->scratch.length - fixed);
	return true;
}
