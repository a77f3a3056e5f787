#include "network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nftables.h"
#include "route.h"

#define BACKLOG 1024
#define DNS_PORT 53

static struct err set_option(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) < 0 ? fail(ERR_SYSTEM, errno, "socket option", NULL) : OK;
}

static struct err open_socket(int family, int type, int *out) {
  int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return fail(ERR_SYSTEM, errno, "socket", NULL);
  *out = fd;
  return set_option(fd, SOL_SOCKET, SO_MARK, (int)NFTABLES_PROXY_MARK);
}

/* Dual-stack, and transparent in both families: what it accepts keeps the address that the guest meant as its own. */
static struct err open_listener(uint16_t port, bool ipv6, int *out) {
  TRY(open_socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM, out));
  TRY(set_option(*out, SOL_IP, IP_TRANSPARENT, 1));
  if (ipv6) {
    TRY(set_option(*out, SOL_IPV6, IPV6_TRANSPARENT, 1));
    TRY(set_option(*out, SOL_IPV6, IPV6_V6ONLY, 0));
  }
  struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(port)};
  const struct sockaddr *address = ipv6 ? (struct sockaddr *)&any6 : (struct sockaddr *)&any4;
  if (bind(*out, address, ipv6 ? sizeof any6 : sizeof any4) < 0 || listen(*out, BACKLOG) < 0)
    return fail(ERR_SYSTEM, errno, "listen for connections", NULL);
  return OK;
}

static struct err open_resolver(int type, int *out) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(DNS_PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  TRY(open_socket(AF_INET, type, out));
  if (bind(*out, (struct sockaddr *)&address, sizeof address) < 0 || (type == SOCK_STREAM && listen(*out, BACKLOG) < 0))
    return fail(ERR_SYSTEM, errno, "listen for names", NULL);
  return OK;
}

static bool has_ipv6(void) {
  int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

static struct err make(const struct network_plan *plan, int fds[NETWORK_PARTS]) {
  uint16_t port = (uint16_t)plan->port;
  bool ipv6 = has_ipv6();
  if (plan->kind == NETWORK_PACKETS) {
    TRY(nftables_open(&fds[NETWORK_FILTER]));
    return nftables_filter(fds[NETWORK_FILTER], 0, true);
  }
  TRY(route_all_to_loopback(ipv6));
  TRY(open_listener(port, ipv6, &fds[NETWORK_TCP]));
  TRY(open_resolver(SOCK_DGRAM, &fds[NETWORK_DNS_UDP]));
  TRY(open_resolver(SOCK_STREAM, &fds[NETWORK_DNS_TCP]));
  TRY(nftables_open(&fds[NETWORK_FILTER]));
  return nftables_filter(fds[NETWORK_FILTER], port, plan->packets);
}

struct err network_make(const struct network_plan *plan, int fds[NETWORK_PARTS]) {
  for (int i = 0; i < NETWORK_PARTS; i++) fds[i] = -1;
  if (plan->kind != NETWORK_FILTERED && plan->kind != NETWORK_PACKETS) return fail(ERR_UNSUPPORTED, ENOTSUP, "network", "kind");
  struct err result = make(plan, fds);
  for (int i = 0; failed(result) && i < NETWORK_PARTS; i++)
    if (fds[i] >= 0) close(fds[i]);
  return result;
}
