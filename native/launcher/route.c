#include "route.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"

#define LOOPBACK_INDEX 1u /* in every network namespace */

static void local_default(struct netlink *out, unsigned char family) {
  struct rtmsg route = {.rtm_family = family, .rtm_table = RT_TABLE_LOCAL, .rtm_protocol = RTPROT_BOOT,
                        .rtm_scope = family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE, .rtm_type = RTN_LOCAL};
  netlink_begin(out, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &route, sizeof route);
  netlink_u32(out, RTA_OIF, LOOPBACK_INDEX);
  netlink_end(out);
}

struct err route_all_to_loopback(bool ipv6) {
  uint8_t bytes[256] __attribute__((aligned(8)));
  struct netlink messages = {.data = bytes, .capacity = sizeof bytes};
  local_default(&messages, AF_INET);
  if (ipv6) local_default(&messages, AF_INET6);
  int socket;
  TRY(netlink_open(NETLINK_ROUTE, &socket));
  struct err result = netlink_carry_out(socket, &messages, "route to loopback");
  close(socket);
  return result;
}
