/* tls - the server side of STARTTLS and of HTTPS. read and write behave like read(2) and write(2). HTTP/2 is offered by
 * ALPN; whoever takes it begins with its preface. */
#ifndef POSTRIDER_TESTS_SANDBOX_TLS_H
#define POSTRIDER_TESTS_SANDBOX_TLS_H

#include <openssl/types.h>
#include <sys/types.h>

#include "shared/error.h"

struct tls_context;
struct tls_session;

/* The file holds certificate and key, PEM. */
struct tls_context *tls_context_open(const char *file, struct error *err) MUST_CHECK;
/* Takes references of its own. */
struct tls_context *tls_context_of(X509 *certificate, EVP_PKEY *key) MUST_CHECK;
void tls_context_close(struct tls_context **context);

struct tls_session *tls_session_new(struct tls_context *context, int fd) MUST_CHECK;
void tls_session_free(struct tls_session **session);
ssize_t tls_read(struct tls_session *session, void *bytes, size_t size);
ssize_t tls_write(struct tls_session *session, const void *bytes, size_t length);

#endif
