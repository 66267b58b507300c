#include "tests/sandbox/certificates.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/memory.h"
#include "shared/text.h"
#include "tests/sandbox/tls.h"

enum mode { GOOD, OTHER_CA, WRONG_HOST, EXPIRED, MODE_COUNT };

enum { DAY_S = 24 * 3600, SERIAL_BYTES = 16 };

static const struct {
	const char *name, *hosts;
	bool by_other;
	long from_s, until_s; /* from now */
} modes[MODE_COUNT] = {
	[GOOD] = {"good", "DNS:localhost,IP:127.0.0.1", false, -DAY_S, 30 * DAY_S},
	[OTHER_CA] = {"other_ca", "DNS:localhost,IP:127.0.0.1", true, -DAY_S, 30 * DAY_S},
	[WRONG_HOST] = {"wrong_host", "DNS:elsewhere.invalid", false, -DAY_S, 30 * DAY_S},
	[EXPIRED] = {"expired", "DNS:localhost,IP:127.0.0.1", false, -2 * DAY_S, -DAY_S},
};

struct identity {
	X509 *certificate;
	EVP_PKEY *key;
};

struct certificates {
	struct tls_context *contexts[MODE_COUNT];
	enum mode mode;
};

static void release(struct identity *identity)
{
	X509_free(identity->certificate);
	EVP_PKEY_free(identity->key);
	*identity = (struct identity){0};
}

static void add_extension(X509 *certificate, X509 *issuer, int kind, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

static X509 *blank(const char *name, EVP_PKEY *key, long from_s, long until_s)
{
	X509 *certificate = X509_new();
	unsigned char serial[SERIAL_BYTES];
	BIGNUM *number;

	RAND_bytes(serial, sizeof(serial));
	serial[0] &= 0x7f;
	number = BN_bin2bn(serial, sizeof(serial), NULL);
	BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
	BN_free(number);
	X509_set_version(certificate, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
	X509_gmtime_adj(X509_getm_notAfter(certificate), until_s);
	X509_set_pubkey(certificate, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8, (const unsigned char *)name,
				   -1, -1, 0);
	return certificate;
}

static struct identity make_authority(void)
{
	struct identity authority = {.key = EVP_EC_gen("P-256")};

	authority.certificate = blank("postrider-sandbox", authority.key, -3 * DAY_S, 60 * DAY_S);
	X509_set_issuer_name(authority.certificate, X509_get_subject_name(authority.certificate));
	add_extension(authority.certificate, authority.certificate, NID_basic_constraints, "critical,CA:TRUE");
	add_extension(authority.certificate, authority.certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
	add_extension(authority.certificate, authority.certificate, NID_subject_key_identifier, "hash");
	X509_sign(authority.certificate, authority.key, EVP_sha256());
	return authority;
}

static struct identity make_server(const struct identity *authority, enum mode mode)
{
	struct identity server = {.key = EVP_EC_gen("P-256")};

	server.certificate = blank(modes[mode].name, server.key, modes[mode].from_s, modes[mode].until_s);
	X509_set_issuer_name(server.certificate, X509_get_subject_name(authority->certificate));
	add_extension(server.certificate, authority->certificate, NID_basic_constraints, "critical,CA:FALSE");
	add_extension(server.certificate, authority->certificate, NID_subject_alt_name, modes[mode].hosts);
	add_extension(server.certificate, authority->certificate, NID_ext_key_usage, "serverAuth");
	add_extension(server.certificate, authority->certificate, NID_authority_key_identifier, "keyid");
	X509_sign(server.certificate, authority->key, EVP_sha256());
	return server;
}

static FILE *open_beside(const char *path, const char *ending, const char *how)
{
	struct text whole;
	FILE *file;

	text_init(&whole, 4096);
	text_addf(&whole, "%s%s", path, ending);
	file = fopen(text_string(&whole), how);
	text_release(&whole);
	return file;
}

/* The key stands beside the certificate; nobody but tests will ever trust it. */
static bool write_authority(const struct identity *authority, const char *path, struct error *err)
{
	FILE *key = open_beside(path, ".key", "we"), *certificate = fopen(path, "we");
	bool written = key && fchmod(fileno(key), 0600) == 0 && certificate &&
		       PEM_write_PrivateKey(key, authority->key, NULL, NULL, 0, NULL, NULL) == 1 &&
		       PEM_write_X509(certificate, authority->certificate) == 1;

	if (key && fclose(key) != 0)
		written = false;
	if (certificate && fclose(certificate) != 0)
		written = false;
	return written || error_set(err, ERROR_INVALID, "%s and its .key cannot be written.", path);
}

static bool read_authority(struct identity *authority, const char *path, struct error *err)
{
	FILE *key = open_beside(path, ".key", "re"), *certificate = fopen(path, "re");

	if (key) {
		authority->key = PEM_read_PrivateKey(key, NULL, NULL, NULL);
		fclose(key);
	}
	if (certificate) {
		authority->certificate = PEM_read_X509(certificate, NULL, NULL, NULL);
		fclose(certificate);
	}
	return (authority->certificate && authority->key) ||
	       error_set(err, ERROR_INVALID, "%s and its .key do not hold a certificate and a key.", path);
}

static bool get_authority(struct identity *authority, const char *path, struct error *err)
{
	if (access(path, F_OK) == 0)
		return read_authority(authority, path, err);
	*authority = make_authority();
	return write_authority(authority, path, err);
}

struct certificates *certificates_open(const char *ca_file, struct error *err)
{
	struct identity authority = {0}, other = make_authority();
	struct certificates *certificates = NULL;

	if (get_authority(&authority, ca_file, err)) {
		certificates = memory_new(sizeof(*certificates));
		for (int mode = 0; mode < MODE_COUNT; mode++) {
			const struct identity *by = modes[mode].by_other ? &other : &authority;
			struct identity server = make_server(by, (enum mode)mode);

			certificates->contexts[mode] = tls_context_of(server.certificate, server.key);
			release(&server);
		}
	}
	release(&authority);
	release(&other);
	return certificates;
}

void certificates_close(struct certificates **certificates)
{
	if (!*certificates)
		return;
	for (int mode = 0; mode < MODE_COUNT; mode++)
		tls_context_close(&(*certificates)->contexts[mode]);
	free(*certificates);
	*certificates = NULL;
}

bool certificates_choose(struct certificates *certificates, const char *mode)
{
	for (int i = 0; i < MODE_COUNT; i++) {
		if (strcmp(modes[i].name, mode) != 0)
			continue;
		certificates->mode = (enum mode)i;
		return true;
	}
	return false;
}

struct tls_context *certificates_current(const struct certificates *certificates)
{
	return certificates->contexts[certificates->mode];
}
