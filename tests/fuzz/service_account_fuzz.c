/* The JSON file of a service account: whatever it holds, it is taken whole or refused with a sentence. */
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "worker/providers/service_account.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	char *json = memory_copy_bytes(bytes, length);
	struct service_account account = {0};
	struct error err = {0};

	if (service_account_parse(&account, json, &err)) {
		if (account.client_email == NULL || account.token_uri == NULL || account.key == NULL ||
		    strpbrk(account.token_uri, "\r\n ") != NULL)
			abort();
	} else if (err.kind != ERROR_INVALID || err.text[0] == '\0' || account.client_email != NULL ||
		   account.key != NULL) {
		abort();
	}
	service_account_release(&account);
	free(json);
	return 0;
}
