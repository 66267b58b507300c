#include "tests/sandbox/tls.h"

#ifdef SANDBOX_TLS /* the build links libssl */

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

struct tls_context *tls_context_open(const char *file, struct error *err)
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
	struct tls_context *context;

	if (!ssl || SSL_CTX_use_certificate_chain_file(ssl, file) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ssl, file, SSL_FILETYPE_PEM) != 1) {
		SSL_CTX_free(ssl);
		error_set(err, ERROR_INVALID, "%s does not hold a certificate and its key in PEM.", file);
		return NULL;
	}
	SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	context = memory_new(sizeof(*context));
	context->ssl = ssl;
	return context;
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

#else

struct tls_context *tls_context_open(const char *file, struct error *err)
{
	error_set(err, ERROR_INVALID, "This sandbox was built without TLS; %s is of no use.", file);
	return NULL;
}

void tls_context_close(struct tls_context **context)
{
	*context = NULL;
}

struct tls_session *tls_session_new(struct tls_context *context, int fd)
{
	(void)context;
	(void)fd;
	return NULL;
}

void tls_session_free(struct tls_session **session)
{
	*session = NULL;
}

ssize_t tls_read(struct tls_session *session, void *bytes, size_t size)
{
	(void)session;
	(void)bytes;
	(void)size;
	return 0;
}

ssize_t tls_write(struct tls_session *session, const void *bytes, size_t length)
{
	(void)session;
	(void)bytes;
	(void)length;
	return 0;
}

#endif
