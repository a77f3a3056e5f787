/* Over 300 lines: every netlink message of the way out stands here, in the order in which they are sent. */
#include "veth.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"
#include "nftables.h"
#include "packets.h"

/* <net/if.h> and <linux/if.h> cannot be had together (netlink headers bring the second). */
extern unsigned int if_nametoindex(const char *);

#define WAY_TABLE 100u /* routing table inside, of a filtered network */
#define TRIES 64

/* Of both ends, which ask for nobody's (IFF_NOARP): the kernel then takes an interface's own as everybody's. Locally
   administered, and never seen anywhere else. */
static const uint8_t hardware_address[6] = {0x02, 0xca, 0x15, 0x50, 0, 1};

/* Where an address for the guest is sought, in this order: for benchmarks (RFC 2544), for carriers (RFC 6598), link-local.
   None of them is a destination on the internet. */
static const struct pool {
  uint32_t from, count;
} pools[] = {{0xC6120001u, 0x1fffe}, {0x64400001u, 0x3ffffe}, {0xA9FE0100u, 0xfe00}};

struct way {
  int outside, inside; /* rtnetlink sockets */
  char name[16];
  uint32_t outer, inner; /* indices of the interfaces */
  uint32_t guest; /* its address, in host order */
};

#define MESSAGE(name, size)                                     \
  uint8_t name##_bytes[size] __attribute__((aligned(8)));       \
  struct netlink name = {.data = name##_bytes, .capacity = size}

static void add_ipv4(struct netlink *out, uint16_t type, uint32_t address) {
  uint32_t wire = htonl(address);
  netlink_attribute(out, type, &wire, sizeof wire);
}

/* Addresses that somebody has a use for. */

struct search {
  uint32_t address;
  bool taken;
};

static void look_at_route(void *context, struct netlink_view message) {
  struct search *search = context;
  /* The header lies before what is viewed. */
  struct rtmsg route;
  memcpy(&route, message.data - NLMSG_ALIGN(sizeof route), sizeof route);
  struct netlink_view to = netlink_find(message, RTA_DST);
  if (route.rtm_dst_len == 0 || to.length != 4) return;
  uint32_t address;
  memcpy(&address, to.data, sizeof address);
  if (((ntohl(address) ^ search->address) & ~0u << (32 - route.rtm_dst_len)) == 0) search->taken = true;
}

static struct err is_taken(const struct way *way, uint32_t address, bool *taken) {
  struct search search = {address, false};
  struct rtmsg route = {.rtm_family = AF_INET};
  MESSAGE(out, 64);
  netlink_begin(&out, RTM_GETROUTE, NLM_F_DUMP, &route, sizeof route);
  netlink_end(&out);
  struct err result = netlink_dump(way->outside, &out, NLMSG_ALIGN(sizeof route), look_at_route, &search, "read routes");
  *taken = search.taken;
  return result;
}

/* Interfaces. */

static void add_peer(struct netlink *out, int net_ns) {
  struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
  size_t info = netlink_nest(out, IFLA_LINKINFO);
  netlink_string(out, IFLA_INFO_KIND, "veth");
  size_t data = netlink_nest(out, IFLA_INFO_DATA), peer = netlink_nest(out, VETH_INFO_PEER);
  netlink_raw(out, &header, sizeof header);
  netlink_string(out, IFLA_IFNAME, NETWORK_WAY_OUT);
  netlink_attribute(out, IFLA_ADDRESS, hardware_address, sizeof hardware_address);
  netlink_u32(out, IFLA_NET_NS_FD, (uint32_t)net_ns);
  netlink_close(out, peer);
  netlink_close(out, data);
  netlink_close(out, info);
}

static struct err make_pair(struct way *way, int net_ns) {
  static unsigned number;
  struct err result = OK;
  for (int i = 0; i < TRIES; i++) {
    snprintf(way->name, sizeof way->name, "cais%d-%u", (int)getpid(), number++ % 1000);
    struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
    MESSAGE(out, 512);
    netlink_begin(&out, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &header, sizeof header);
    netlink_string(&out, IFLA_IFNAME, way->name);
    netlink_attribute(&out, IFLA_ADDRESS, hardware_address, sizeof hardware_address);
    add_peer(&out, net_ns);
    netlink_end(&out);
    result = netlink_carry_out(way->outside, &out, "make interfaces");
    /* Somebody of another pid namespace may have our number. */
    if (!failed(result) || result.errnum != EEXIST) break;
  }
  TRY(result);
  way->outer = if_nametoindex(way->name);
  return way->outer == 0 ? fail(ERR_SYSTEM, errno, "find interface", NULL) : OK;
}

static void remove_pair(const struct way *way) {
  struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = (int)way->outer};
  MESSAGE(out, 64);
  netlink_begin(&out, RTM_DELLINK, NLM_F_ACK, &header, sizeof header);
  netlink_end(&out);
  (void)netlink_carry_out(way->outside, &out, "remove interfaces");
}

/* `settings`: pairs of IPV4_DEVCONF_* and value. Without an address of its own IPv6 says nothing on it and hears nothing. */
static struct err set_up(int socket, uint32_t index, const uint32_t (*settings)[2], size_t count) {
  struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = (int)index};
  const uint8_t no_address = IN6_ADDR_GEN_MODE_NONE;
  MESSAGE(first, 256);
  netlink_begin(&first, RTM_SETLINK, NLM_F_ACK, &header, sizeof header);
  size_t families = netlink_nest(&first, IFLA_AF_SPEC), family = netlink_nest(&first, AF_INET), conf = netlink_nest(&first, IFLA_INET_CONF);
  for (size_t i = 0; i < count; i++) netlink_u32(&first, (uint16_t)settings[i][0], settings[i][1]);
  netlink_close(&first, conf);
  netlink_close(&first, family);
  netlink_close(&first, families);
  netlink_end(&first);
  TRY(netlink_carry_out(socket, &first, "set interface"));
  MESSAGE(second, 256);
  netlink_begin(&second, RTM_SETLINK, NLM_F_ACK, &header, sizeof header);
  families = netlink_nest(&second, IFLA_AF_SPEC);
  family = netlink_nest(&second, AF_INET6);
  netlink_u8(&second, IFLA_INET6_ADDR_GEN_MODE, no_address);
  netlink_close(&second, family);
  netlink_close(&second, families);
  netlink_end(&second);
  (void)netlink_carry_out(socket, &second, "set interface"); /* a host without IPv6 knows no such thing */
  header.ifi_flags = header.ifi_change = 1 | 0x80; /* IFF_UP, IFF_NOARP */
  MESSAGE(third, 64);
  netlink_begin(&third, RTM_SETLINK, NLM_F_ACK, &header, sizeof header);
  netlink_end(&third);
  return netlink_carry_out(socket, &third, "bring up interface");
}

/* EEXIST: somebody was quicker to take that address, and this one is tried again from the beginning. */
static struct err route_to_guest(const struct way *way) {
  struct rtmsg route = {.rtm_family = AF_INET, .rtm_dst_len = 32, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC,
                        .rtm_scope = RT_SCOPE_LINK, .rtm_type = RTN_UNICAST};
  MESSAGE(out, 128);
  netlink_begin(&out, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &route, sizeof route);
  add_ipv4(&out, RTA_DST, way->guest);
  netlink_u32(&out, RTA_OIF, way->outer);
  netlink_end(&out);
  return netlink_carry_out(way->outside, &out, "route to sandbox");
}

/* Free as far as the host's routes say; whoever takes the same at this moment is found by route_to_guest. */
static struct err find_address(struct way *way) {
  uint32_t turn = (uint32_t)getpid() * 61u + way->outer;
  for (size_t i = 0; i < sizeof pools / sizeof *pools; i++) {
    for (uint32_t n = 0; n < TRIES; n++) {
      bool taken;
      way->guest = pools[i].from + (turn + n) % pools[i].count;
      struct err result = is_taken(way, way->guest, &taken);
      if (failed(result) && result.errnum == EINTR) continue;
      TRY(result);
      if (!taken) return OK;
    }
  }
  return fail(ERR_RESOURCE, EADDRNOTAVAIL, "address for sandbox", NULL);
}

/* Inside. */

static struct err give_address(const struct way *way) {
  struct ifaddrmsg header = {.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_scope = RT_SCOPE_UNIVERSE, .ifa_index = way->inner};
  MESSAGE(out, 128);
  netlink_begin(&out, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &header, sizeof header);
  add_ipv4(&out, IFA_LOCAL, way->guest);
  add_ipv4(&out, IFA_ADDRESS, way->guest);
  netlink_end(&out);
  return netlink_carry_out(way->inside, &out, "address of sandbox");
}

static struct err route_out(const struct way *way, uint32_t table) {
  struct rtmsg route = {.rtm_family = AF_INET, .rtm_table = (unsigned char)table, .rtm_protocol = RTPROT_STATIC,
                        .rtm_scope = RT_SCOPE_LINK, .rtm_type = RTN_UNICAST};
  MESSAGE(out, 128);
  netlink_begin(&out, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &route, sizeof route);
  add_ipv4(&out, RTA_PREFSRC, way->guest);
  netlink_u32(&out, RTA_OIF, way->inner);
  netlink_end(&out);
  return netlink_carry_out(way->inside, &out, "route out of sandbox");
}

struct choice {
  uint32_t preference, protocol, table; /* protocol PACKET_PROTOCOL_ANY: whatever */
  uint32_t to;
  uint8_t prefix;
};

static struct err choose(const struct way *way, uint16_t operation, const struct choice *choice) {
  struct fib_rule_hdr header = {.family = AF_INET, .dst_len = choice->prefix, .table = (uint8_t)choice->table, .action = FR_ACT_TO_TBL};
  MESSAGE(out, 128);
  netlink_begin(&out, operation, (uint16_t)(NLM_F_ACK | (operation == RTM_NEWRULE ? NLM_F_CREATE | NLM_F_EXCL : 0)), &header, sizeof header);
  if (choice->prefix) add_ipv4(&out, FRA_DST, choice->to);
  netlink_u32(&out, FRA_PRIORITY, choice->preference);
  if (choice->protocol < PACKET_PROTOCOL_ANY) netlink_u8(&out, FRA_IP_PROTO, (uint8_t)choice->protocol);
  netlink_end(&out);
  return netlink_carry_out(way->inside, &out, "choose routes");
}

/* A filtered network has a route to loopback for every destination, in the table that is asked first. It now is asked last,
   but for TCP and UDP, which never are routed to the way out, and for the guest's own addresses. */
static struct err choose_routes(const struct way *way, const struct plan *plan) {
  const struct choice first[] = {
      {32000, PACKET_PROTOCOL_ANY, RT_TABLE_LOCAL, 0, 0},
      {1, 6, RT_TABLE_LOCAL, 0, 0},
      {2, 17, RT_TABLE_LOCAL, 0, 0},
      {3, PACKET_PROTOCOL_ANY, RT_TABLE_LOCAL, INADDR_LOOPBACK & 0xff000000u, 8},
      {4, PACKET_PROTOCOL_ANY, RT_TABLE_LOCAL, way->guest, 32},
  };
  for (size_t i = 0; i < sizeof first / sizeof *first; i++) TRY(choose(way, RTM_NEWRULE, &first[i]));
  for (size_t i = 0; i < plan->packet_count; i++) {
    const struct packet_rule *rule = &plan->packets[i];
    if (rule->denies) continue;
    uint32_t to;
    memcpy(&to, rule->address, sizeof to);
    struct choice choice = {10 + (uint32_t)i, rule->protocol, WAY_TABLE, ntohl(to), rule->prefix};
    TRY(choose(way, RTM_NEWRULE, &choice));
  }
  return choose(way, RTM_DELRULE, &(struct choice){0, PACKET_PROTOCOL_ANY, RT_TABLE_LOCAL, 0, 0});
}

static struct err furnish(struct way *way, const struct plan *plan) {
  /* Answers may come from routers that the guest cannot send to: their addresses are routed to loopback in here. */
  const uint32_t settings[][2] = {{IPV4_DEVCONF_ACCEPT_LOCAL, 1}, {IPV4_DEVCONF_RP_FILTER, 0}};
  TRY(set_up(way->inside, way->inner, settings, 2));
  TRY(give_address(way));
  if (plan->network.kind == NETWORK_PACKETS) return route_out(way, RT_TABLE_MAIN);
  TRY(route_out(way, WAY_TABLE));
  return choose_routes(way, plan);
}

static void put(const struct host *host, const char *path, const char *text) {
  int fd = openat(host->proc, path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  (void)!write(fd, text, strlen(text));
  close(fd);
}

/* What has to be done from inside. Settings are those of the network namespace of whoever writes them (proc_sys(5)). */
static struct err look_in(const struct host *host, int net_ns, gid_t gid, struct way *way) {
  char range[32];
  snprintf(range, sizeof range, "%u %u", gid, gid);
  if (setns(net_ns, CLONE_NEWNET) < 0) return fail(ERR_SYSTEM, errno, "enter network namespace", NULL);
  struct err result = netlink_open(NETLINK_ROUTE, &way->inside);
  way->inner = if_nametoindex(NETWORK_WAY_OUT);
  if (!failed(result) && way->inner == 0) result = fail(ERR_SYSTEM, errno, "find interface", NULL);
  put(host, "sys/net/ipv4/ping_group_range", range);
  put(host, "sys/net/ipv4/conf/all/rp_filter", "0");
  /* Anywhere else nothing can go on: what is made next would be made for the guest. */
  if (setns(host->net_ns, CLONE_NEWNET) < 0) _exit(1);
  return result;
}

static struct err try_once(const struct host *host, const struct plan *plan, int filter, int net_ns, gid_t gid, int owner,
                               struct way *way) {
  const uint32_t settings[][2] = {{IPV4_DEVCONF_FORWARDING, 1}, {IPV4_DEVCONF_RP_FILTER, 1}};
  TRY(look_in(host, net_ns, gid, way));
  TRY(packets_guard(filter, plan));
  TRY(find_address(way));
  uint32_t address = htonl(way->guest);
  struct packets_way told = {.name = way->name, .index = way->outer};
  memcpy(told.address, &address, sizeof told.address);
  /* The wall first: the interface is still down. */
  TRY(packets_wall(owner, plan, &told));
  TRY(set_up(way->outside, way->outer, settings, 2));
  TRY(route_to_guest(way));
  return furnish(way, plan);
}

static struct err make(const struct host *host, const struct plan *plan, int filter, gid_t gid, int *owner) {
  struct way way = {.outside = -1, .inside = -1};
  *owner = -1;
  int net_ns = ioctl(filter, SIOCGSKNS);
  if (net_ns < 0) return fail(ERR_SYSTEM, errno, "find network namespace", NULL);
  struct err result = netlink_open(NETLINK_ROUTE, &way.outside);
  if (!failed(result)) result = nftables_open(owner);
  if (!failed(result)) result = make_pair(&way, net_ns);
  if (!failed(result)) result = try_once(host, plan, filter, net_ns, gid, *owner, &way);
  if (failed(result)) {
    if (way.outer) remove_pair(&way);
    if (*owner >= 0) close(*owner);
    *owner = -1;
  }
  if (way.inside >= 0) close(way.inside);
  if (way.outside >= 0) close(way.outside);
  close(net_ns);
  return result;
}

struct err veth_make(const struct host *host, const struct plan *plan, int filter, gid_t gid, int *owner) {
  struct err result = make(host, plan, filter, gid, owner);
  /* Two launchers found the same address free. */
  for (int i = 0; i < 8 && failed(result) && result.errnum == EEXIST; i++) result = make(host, plan, filter, gid, owner);
  return result;
}
