/* A way out of a sandbox's network namespace for packets that no proxy can carry: a pair of interfaces, one end inside, the
   other on the host (veth(4)), and a packet filter on both sides of it (packets.h). Made by the launcher, as root, before the
   sandbox's first job; it needs CAP_NET_ADMIN over the host's network.

   What keeps the guest in is the host's side, which the guest cannot reach: the table there lets through what the plan names,
   and goes with `owner`. The interface goes with the sandbox's namespace. Nothing of the host is set for good: forwarding is
   switched on for the new interface alone, and where the host forwards nothing the guest gets no answer. */
#ifndef CAISSON_VETH_H
#define CAISSON_VETH_H

#include "mount.h"
#include "plan.h"

/* `filter`: socket to the sandbox's own packet filter (network.h), which says where inside is. `gid`: the guest's, as the host
   knows it: it may ask for echoes (ping_group_range of icmp(7)). `owner` is -1 on failure, and nothing is left then. */
struct err veth_make(const struct host *host, const struct plan *plan, int filter, gid_t gid, int *owner);

#endif
