/* aes128gcm - opens what was sealed for a push subscription (RFC 8188 in the form that RFC 8291 §4 asks for: one record,
 * the sender's public key as its key id). */
#ifndef POSTRIDER_TESTS_SANDBOX_AES128GCM_H
#define POSTRIDER_TESTS_SANDBOX_AES128GCM_H

#include "shared/error.h"
#include "tests/sandbox/crypto.h"

#define AES128GCM_AUTH_BYTES 16

bool aes128gcm_open(EVP_PKEY *subscription, struct span auth, struct span body, struct text *plain,
		    struct error *err) MUST_CHECK;

#endif
