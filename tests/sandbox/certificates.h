/* certificates - who the HTTPS port says it is: the right one, and three that nobody may trust.
 *
 * They are made at start by a certificate authority of the sandbox's own, whose certificate is written to a file for
 * the other side to trust. The right one is for localhost and 127.0.0.1.
 */
#ifndef POSTRIDER_TESTS_SANDBOX_CERTIFICATES_H
#define POSTRIDER_TESTS_SANDBOX_CERTIFICATES_H

#include "shared/error.h"

struct certificates;
struct tls_context;

/* The authority is kept in the file, its key in FILE.key, and taken from there when they are there already. */
struct certificates *certificates_open(const char *ca_file, struct error *err) MUST_CHECK;
void certificates_close(struct certificates **certificates);

/* "good", "other_ca", "wrong_host" or "expired", for connections from now on; false: there is no such mode. */
bool certificates_choose(struct certificates *certificates, const char *mode) MUST_CHECK;
struct tls_context *certificates_current(const struct certificates *certificates); /* borrowed */

#endif
