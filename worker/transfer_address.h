/* transfer_address - addresses that a request to a provider in the internet may not go to. Private to transfer*.c. */
#ifndef POSTRIDER_WORKER_TRANSFER_ADDRESS_H
#define POSTRIDER_WORKER_TRANSFER_ADDRESS_H

#include "shared/base.h"

struct sockaddr;

/* Loopback, private, shared, link-local, reserved, multicast, and whatever is neither IPv4 nor IPv6. An IPv6 address
 * with an IPv4 one inside (mapped, NAT64, 6to4) is judged by that. */
bool address_is_private(const struct sockaddr *address);

#endif
