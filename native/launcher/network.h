/* What the network of a sandbox is made of, beyond its loopback: set up by its init in the network namespace that it has just
   made, while it still has every capability over it. */
#ifndef CAISSON_NETWORK_H
#define CAISSON_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

/* NETWORK_PACKETS has no listener and no resolver: everything goes by packets (veth.h), but for what is denied. */
enum network_kind { NETWORK_NONE = 0, NETWORK_FILTERED = 1, NETWORK_PACKETS = 2 };

/* What a plan says of it. */
struct network_plan {
  uint32_t kind;
  uint32_t port;    /* of the transparent listener; 0 with NETWORK_PACKETS */
  uint32_t packets; /* 1: there is a way out for packets, too, which the launcher makes (veth.h) */
};

/* The name of the interface inside by which packets leave. */
#define NETWORK_WAY_OUT "out0"

#define PACKET_PROTOCOL_ANY 256u   /* every one */
#define PACKET_PROTOCOL_OTHER 257u /* every one but TCP and UDP */

/* Packets that may leave by that interface, or may not. */
struct packet_rule {
  bool denies;
  uint32_t protocol; /* IPPROTO_*, or one of the two above */
  uint8_t address[4], prefix; /* of a block of IPv4 */
  uint16_t from, to; /* ports; 0 and 0: whatever */
};

/* Descriptors of a filtered network, in the order in which they travel. The first three belong to whoever decides what the
   guest may reach; once they are closed everywhere, nothing passes. */
enum network_part { NETWORK_TCP = 0, NETWORK_DNS_UDP, NETWORK_DNS_TCP, NETWORK_FILTER, NETWORK_PARTS };
#define NETWORK_HANDED 3

/* Everything is close-on-exec, and -1 what the kind has not: NETWORK_PACKETS has its filter alone. On failure `fds` holds
   nothing that is open. */
struct err network_make(const struct network_plan *plan, int fds[NETWORK_PARTS]);

#endif
