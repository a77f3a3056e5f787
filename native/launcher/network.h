/* What the network of a sandbox is made of, beyond its loopback: set up by its init in the network namespace that it has just
   made, while it still has every capability over it. */
#ifndef CAISSON_NETWORK_H
#define CAISSON_NETWORK_H

#include <stdint.h>

#include "err.h"

enum network_kind { NETWORK_NONE = 0, NETWORK_FILTERED = 1 };

/* What a plan says of it. */
struct network_plan {
  uint32_t kind;
  uint32_t port; /* of the transparent listener */
};

/* Descriptors of a filtered network, in the order in which they travel. The first three belong to whoever decides what the
   guest may reach; once they are closed everywhere, nothing passes. */
enum network_part { NETWORK_TCP = 0, NETWORK_DNS_UDP, NETWORK_DNS_TCP, NETWORK_FILTER, NETWORK_PARTS };
#define NETWORK_HANDED 3

/* Everything is close-on-exec. On failure `fds` holds nothing that is open. */
struct err network_make(const struct network_plan *plan, int fds[NETWORK_PARTS]);

#endif
