#include "route.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"

#define LOOPBACK_INDEX 1u /* in every network namespace */

static struct err local_default(int socket, unsigned char family) {
  uint8_t bytes[128] __attribute__((aligned(8)));
  struct netlink out = {.data = bytes, .capacity = sizeof bytes};
  struct rtmsg route = {.rtm_family = family, .rtm_table = RT_TABLE_LOCAL, .rtm_protocol = RTPROT_BOOT,
                        .rtm_scope = family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE, .rtm_type = RTN_LOCAL};
  netlink_begin(&out, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &route, sizeof route);
  netlink_u32(&out, RTA_OIF, LOOPBACK_INDEX);
  netlink_end(&out);
  return netlink_carry_out(socket, &out, "route to loopback");
}

struct err route_all_to_loopback(bool ipv6) {
  int socket;
  TRY(netlink_open(NETLINK_ROUTE, &socket));
  struct err result = local_default(socket, AF_INET);
  if (!failed(result) && ipv6) {
    result = local_default(socket, AF_INET6);
    if (result.errnum == EACCES) result = OK; /* "IPv6 is disabled on nexthop device" */
  }
  close(socket);
  return result;
}
