/* Routes of a sandbox's own network namespace (rtnetlink(7)). */
#ifndef CAISSON_ROUTE_H
#define CAISSON_ROUTE_H

#include "err.h"

/* Makes every IPv4 destination, and with `ipv6` every IPv6 one, an address of this namespace's own loopback, which must be
   up: `ip route add local default dev lo table local`. Nothing that is sent can then leave the namespace. Where loopback has
   no IPv6 (sysctl disable_ipv6) its destinations stay out of reach. */
struct err route_all_to_loopback(bool ipv6);

#endif
