#include "tests/sandbox/aes128gcm.h"

#include <string.h>

enum { SALT_BYTES = 16, HEAD_BYTES = SALT_BYTES + 4 + 1, KEY_BYTES = 16, NONCE_BYTES = 12, RECORD_MIN = 18 };

struct sealed {
	struct span salt, sender, record;
};

static bool take_apart(struct sealed *sealed, struct span body, struct error *err)
{
	const unsigned char *at = (const unsigned char *)body.bytes;
	size_t record_size;

	if (body.length < HEAD_BYTES + CRYPTO_POINT_BYTES)
		return error_set(err, ERROR_INVALID, "The body is too short for a header with a key.");
	record_size = (size_t)at[16] << 24 | (size_t)at[17] << 16 | (size_t)at[18] << 8 | at[19];
	if (at[20] != CRYPTO_POINT_BYTES)
		return error_set(err, ERROR_INVALID, "The key id is not a point of P-256.");
	sealed->salt = (struct span){body.bytes, SALT_BYTES};
	sealed->sender = (struct span){body.bytes + HEAD_BYTES, CRYPTO_POINT_BYTES};
	sealed->record = span_skip(body, HEAD_BYTES + CRYPTO_POINT_BYTES);
	if (record_size < RECORD_MIN || sealed->record.length > record_size)
		return error_set(err, ERROR_INVALID, "It is not one record of the size that the header says.");
	return true;
}

/* HKDF (RFC 5869) of at most 32 bytes. */
static void derive(struct text *out, struct span salt, struct span input, struct span info)
{
	struct text pseudorandom, expanded;

	text_init(&pseudorandom, 64);
	text_init(&expanded, 512);
	crypto_add_hmac(&pseudorandom, "SHA256", salt, input);
	span_add(&expanded, info);
	text_add_char(&expanded, 1);
	text_clear(out);
	crypto_add_hmac(out, "SHA256", span_of_text(&pseudorandom), span_of_text(&expanded));
	text_release(&pseudorandom);
	text_release(&expanded);
}

/* RFC 8291 §3.3 and §3.4. */
static void derive_input(struct text *input, EVP_PKEY *subscription, struct span auth, struct span sender,
			 const struct text *shared)
{
	static const char label[] = "WebPush: info"; /* with its NUL */
	struct text info;

	text_init(&info, 256);
	text_add_bytes(&info, label, sizeof(label));
	crypto_add_public_point(&info, subscription);
	span_add(&info, sender);
	derive(input, auth, span_of_text(shared), span_of_text(&info));
	text_release(&info);
}

/* What ends with 2 and any number of zeros (RFC 8188 §2: the last record). */
static bool take_padding_away(struct text *plain, struct error *err)
{
	while (plain->length > 0 && plain->bytes[plain->length - 1] == 0)
		plain->length--;
	if (plain->length == 0 || plain->bytes[plain->length - 1] != 2)
		return error_set(err, ERROR_INVALID, "The record does not end as the last one.");
	plain->bytes[--plain->length] = '\0';
	return true;
}

static bool open_record(const struct sealed *sealed, const struct text *input, struct text *plain, struct error *err)
{
	static const char key_label[] = "Content-Encoding: aes128gcm", nonce_label[] = "Content-Encoding: nonce";
	struct text key, nonce;
	bool opened;

	text_init(&key, 64);
	text_init(&nonce, 64);
	derive(&key, sealed->salt, span_of_text(input), (struct span){key_label, sizeof(key_label)});
	derive(&nonce, sealed->salt, span_of_text(input), (struct span){nonce_label, sizeof(nonce_label)});
	opened = crypto_open((struct span){key.bytes, KEY_BYTES}, (struct span){nonce.bytes, NONCE_BYTES},
			     sealed->record, plain);
	text_release(&key);
	text_release(&nonce);
	return opened ? take_padding_away(plain, err)
		      : error_set(err, ERROR_INVALID, "The record was not sealed for this subscription.");
}

bool aes128gcm_open(EVP_PKEY *subscription, struct span auth, struct span body, struct text *plain, struct error *err)
{
	struct sealed sealed;
	struct text shared, input;
	EVP_PKEY *sender;
	bool opened;

	if (!take_apart(&sealed, body, err))
		return false;
	sender = crypto_read_point(sealed.sender);
	text_init(&shared, 64);
	text_init(&input, 64);
	opened = sender && crypto_agree(subscription, sender, &shared);
	if (!opened)
		error_set(err, ERROR_INVALID, "The key id is not on the curve.");
	if (opened)
		derive_input(&input, subscription, auth, sealed.sender, &shared);
	opened = opened && open_record(&sealed, &input, plain, err);
	crypto_free(&sender);
	text_release(&shared);
	text_release(&input);
	return opened;
}
