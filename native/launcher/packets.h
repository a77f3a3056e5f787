/* Who may send which packets out of a sandbox with a way out for them (veth.h): the same rules twice, on both ends of it. */
#ifndef CAISSON_PACKETS_H
#define CAISSON_PACKETS_H

#include "plan.h"

/* Inside, by `socket` to the sandbox's own filter (nftables.h): what no rule lets through is refused at once, and noted. */
struct err packets_guard(int socket, const struct plan *plan);

struct packets_way {
  const char *name;    /* of the interface on the host's side */
  uint32_t index;
  uint8_t address[4];  /* the guest's */
};

/* On the host's side: a table that ends with `socket`, and so with the launcher, however that ends. From that interface it
   lets through what the rules allow, under an address of the host's; to it, what belongs to a connection of the guest's. It
   drops and counts the rest. */
struct err packets_wall(int socket, const struct plan *plan, const struct packets_way *way);

/* Calls `each` for the base chains of this network namespace that drop what is forwarded and not named: "ip filter FORWARD". */
struct err packets_dropping_chains(void (*each)(void *context, const char *chain), void *context);

#endif
