#include "tests/sandbox/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "shared/memory.h"

struct tls_context {
	SSL_CTX *ssl;
};

struct tls_session {
	SSL *ssl;
};

/* HTTP/2 if the peer has it, else what he has. */
static int choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_length,
			   const unsigned char *offered, unsigned offered_length, void *context)
{
	static const unsigned char own[] = "\x02h2\x08http/1.1";

	(void)ssl;
	(void)context;
	if (SSL_select_next_proto((unsigned char **)(uintptr_t)chosen, chosen_length, own, sizeof(own) - 1, offered,
				  offered_length) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	return SSL_TLSEXT_ERR_OK;
}

static struct tls_context *context_new(SSL_CTX *ssl)
{
	struct tls_context *context = memory_new(sizeof(*context));

	SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, NULL);
	context->ssl = ssl;
	return context;
}

struct tls_context *tls_context_of(X509 *certificate, EVP_PKEY *key)
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());

	if (SSL_CTX_use_certificate(ssl, certificate) != 1 || SSL_CTX_use_PrivateKey(ssl, key) != 1)
		abort();
	return context_new(ssl);
}

struct tls_context *tls_context_open(const char *file, struct error *err)
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());

	if (!ssl || SSL_CTX_use_certificate_chain_file(ssl, file) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ssl, file, SSL_FILETYPE_PEM) != 1) {
		SSL_CTX_free(ssl);
		error_set(err, ERROR_INVALID, "%s does not hold a certificate and its key in PEM.", file);
		return NULL;
	}
	return context_new(ssl);
}

void tls_context_close(struct tls_context **context)
{
	if (!*context)
		return;
	SSL_CTX_free((*context)->ssl);
	free(*context);
	*context = NULL;
}

struct tls_session *tls_session_new(struct tls_context *context, int fd)
{
	struct tls_session *session = memory_new(sizeof(*session));

	session->ssl = SSL_new(context->ssl);
	SSL_set_fd(session->ssl, fd);
	SSL_set_accept_state(session->ssl);
	return session;
}

void tls_session_free(struct tls_session **session)
{
	if (!*session)
		return;
	SSL_free((*session)->ssl);
	free(*session);
	*session = NULL;
}

static ssize_t result(struct tls_session *session, int returned)
{
	int why;

	if (returned > 0)
		return returned;
	why = SSL_get_error(session->ssl, returned);
	ERR_clear_error();
	if (why == SSL_ERROR_ZERO_RETURN)
		return 0;
	errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
	return -1;
}

ssize_t tls_read(struct tls_session *session, void *bytes, size_t size)
{
	return result(session, SSL_read(session->ssl, bytes, (int)(size < INT32_MAX ? size : INT32_MAX)));
}

ssize_t tls_write(struct tls_session *session, const void *bytes, size_t length)
{
	return result(session, SSL_write(session->ssl, bytes, (int)(length < INT32_MAX ? length : INT32_MAX)));
}
