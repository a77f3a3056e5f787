/* A filtered network, in a network namespace of the test's own: what reaches the listener and with which address, what is
   refused and how it is noted, and that without the listener nothing passes. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../loopback.h"
#include "../netlink.h"
#include "../network.h"
#include "../nftables.h"
#include "harness.h"

static struct network_plan plan = {NETWORK_FILTERED, 61000, 0};

union address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

static socklen_t address_of(const char *text, uint16_t port, union address *out) {
  memset(out, 0, sizeof *out);
  if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons(port);
    return sizeof out->v4;
  }
  inet_pton(AF_INET6, text, &out->v6.sin6_addr);
  out->v6.sin6_family = AF_INET6;
  out->v6.sin6_port = htons(port);
  return sizeof out->v6;
}

/* 0, or why not; at once either way, or ETIMEDOUT. */
static int connect_to(const char *text, uint16_t port, int *out) {
  union address address;
  socklen_t length = address_of(text, port, &address);
  int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error = 0;
  socklen_t size = sizeof error;
  struct pollfd watched = {.fd = fd, .events = POLLOUT};
  if (connect(fd, &address.any, length) < 0 && errno != EINPROGRESS) error = errno;
  else if (poll(&watched, 1, 2000) != 1) error = ETIMEDOUT;
  else getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error == 0 && out) *out = fd;
  else close(fd);
  return error;
}

static int send_to(int type, int protocol, const char *text, uint16_t port) {
  union address address;
  socklen_t length = address_of(text, port, &address);
  int fd = socket(address.any.sa_family, type | SOCK_CLOEXEC, protocol);
  if (fd < 0) return errno;
  int error = sendto(fd, "\10\0\367\377\0\0\0\0", 8, 0, &address.any, length) < 0 ? errno : 0;
  close(fd);
  return error;
}

static void arrives(int listener, const char *to, uint16_t port, const char *as) {
  int guest = -1;
  int error = connect_to(to, port, &guest);
  if (!CHECK_THAT(error == 0, "connect to %s: %s", to, strerror(error))) return;
  struct sockaddr_in6 local = {0};
  socklen_t size = sizeof local;
  struct pollfd watched = {.fd = listener, .events = POLLIN};
  CHECK(poll(&watched, 1, 2000) == 1);
  int taken = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  char text[64] = "", byte = 0;
  CHECK(taken >= 0 && getsockname(taken, (struct sockaddr *)&local, &size) == 0);
  inet_ntop(AF_INET6, &local.sin6_addr, text, sizeof text);
  CHECK_THAT(strcmp(text, as) == 0 && ntohs(local.sin6_port) == port, "%s arrived as %s:%d", to, text, ntohs(local.sin6_port));
  CHECK(write(guest, "a", 1) == 1 && read(taken, &byte, 1) == 1 && byte == 'a');
  CHECK(write(taken, "b", 1) == 1 && read(guest, &byte, 1) == 1 && byte == 'b');
  close(taken);
  CHECK(read(guest, &byte, 1) == 0);
  close(guest);
}

struct noted {
  struct nftables_refusal list[64];
  size_t count;
};

static void note(void *context, const struct nftables_refusal *refusal) {
  struct noted *noted = context;
  if (noted->count < 64) noted->list[noted->count] = *refusal;
  noted->count++;
}

static uint64_t packets(const struct noted *noted, uint32_t protocol, const char *address, uint32_t port) {
  for (size_t i = 0; i < noted->count && i < 64; i++) {
    char text[64];
    inet_ntop(AF_INET6, noted->list[i].address, text, sizeof text);
    if (noted->list[i].protocol == protocol && noted->list[i].port == port && strcmp(text, address) == 0)
      return noted->list[i].packets;
  }
  return 0;
}

static void own_loopback_works(void) {
  union address address;
  socklen_t length = address_of("127.0.0.1", 8080, &address);
  int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), guest = -1;
  CHECK(bind(server, &address.any, length) == 0 && listen(server, 8) == 0);
  CHECK(connect_to("127.0.0.1", 8080, &guest) == 0);
  int taken = accept4(server, NULL, NULL, SOCK_CLOEXEC);
  CHECK(taken >= 0);
  close(guest);
  close(taken);
  close(server);
  CHECK(send_to(SOCK_DGRAM, 0, "127.0.0.1", 9) == 0);
}

static void resolver_is_there(const int *fds) {
  int asker = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), asking = -1;
  union address address, from;
  socklen_t length = address_of("127.0.0.1", 53, &address), from_length = sizeof from;
  char text[8] = "";
  CHECK(connect(asker, &address.any, length) == 0 && send(asker, "q", 1, 0) == 1);
  CHECK(recvfrom(fds[NETWORK_DNS_UDP], text, sizeof text, 0, &from.any, &from_length) == 1);
  CHECK(sendto(fds[NETWORK_DNS_UDP], "a", 1, 0, &from.any, from_length) == 1);
  CHECK(recv(asker, text, sizeof text, 0) == 1 && text[0] == 'a');
  close(asker);
  CHECK(connect_to("127.0.0.1", 53, &asking) == 0);
  int taken = accept4(fds[NETWORK_DNS_TCP], NULL, NULL, SOCK_CLOEXEC);
  CHECK(taken >= 0);
  close(taken);
  close(asking);
}

static void filtered_network(void) {
  int fds[NETWORK_PARTS];
  struct timespec before, after;
  CHECK(!failed(loopback_up()));
  clock_gettime(CLOCK_MONOTONIC, &before);
  struct err result = network_make(&plan, fds);
  clock_gettime(CLOCK_MONOTONIC, &after);
  if (!CHECK_THAT(!failed(result), "%s: %s", result.step, strerror(result.errnum))) return;
  printf("# set up in %ld us\n", (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000);
  arrives(fds[NETWORK_TCP], "1.2.3.4", 443, "::ffff:1.2.3.4");
  arrives(fds[NETWORK_TCP], "2001:db8::1", 8080, "2001:db8::1");
  arrives(fds[NETWORK_TCP], "169.254.169.254", 80, "::ffff:169.254.169.254");
  arrives(fds[NETWORK_TCP], "10.0.0.1", 61000, "::ffff:10.0.0.1");
  own_loopback_works();
  resolver_is_there(fds);

  struct nftables_totals totals;
  struct noted noted = {0};
  CHECK(!failed(nftables_read(fds[NETWORK_FILTER], &totals, note, &noted)));
  CHECK(totals.refused_packets == 0 && noted.count == 0);
  CHECK(totals.sent_packets >= 12 && totals.received_packets >= 8 && totals.sent_bytes > totals.sent_packets * 32);

  CHECK(send_to(SOCK_DGRAM, 0, "8.8.8.8", 53) == EPERM);
  CHECK(send_to(SOCK_DGRAM, 0, "8.8.8.8", 443) == EPERM);
  CHECK(send_to(SOCK_DGRAM, 0, "8.8.8.8", 443) == EPERM);
  CHECK(send_to(SOCK_DGRAM, 0, "2001:db8::53", 53) == EPERM);
  CHECK(send_to(SOCK_RAW, IPPROTO_ICMP, "9.9.9.9", 0) == EPERM);
  CHECK(connect_to("127.0.0.1", 61000, NULL) == ECONNREFUSED);
  CHECK(connect_to("::1", 61000, NULL) == ECONNREFUSED);
  result = nftables_read(fds[NETWORK_FILTER], &totals, note, &noted);
  CHECK_THAT(!failed(result), "%s: %s", result.step, strerror(result.errnum));
  CHECK(packets(&noted, IPPROTO_UDP, "::ffff:8.8.8.8", 53) == 1);
  CHECK(packets(&noted, IPPROTO_UDP, "::ffff:8.8.8.8", 443) == 2);
  CHECK(packets(&noted, IPPROTO_UDP, "2001:db8::53", 53) == 1);
  CHECK(packets(&noted, IPPROTO_ICMP, "::ffff:9.9.9.9", 0) == 1);
  CHECK(packets(&noted, IPPROTO_TCP, "::ffff:127.0.0.1", 61000) == 1);
  CHECK_THAT(noted.count == 6 && totals.refused_packets == 7, "%zu noted, %lu packets", noted.count, (unsigned long)totals.refused_packets);

  /* Connected: the refusal also comes back as an error of the socket. */
  union address address;
  int asker = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  char byte;
  CHECK(connect(asker, &address.any, address_of("8.8.4.4", 53, &address)) == 0);
  CHECK(send(asker, "q", 1, 0) < 0 && recv(asker, &byte, 1, 0) < 0 && errno == EHOSTUNREACH);
  close(asker);

  for (int i = 0; i < NETWORK_HANDED; i++) close(fds[i]);
  CHECK(connect_to("1.2.3.4", 443, NULL) == ECONNREFUSED);
  CHECK(connect_to("2001:db8::1", 443, NULL) == ECONNREFUSED);
  CHECK(send_to(SOCK_DGRAM, 0, "1.1.1.1", 53) == EPERM);
  noted.count = 0;
  CHECK(!failed(nftables_read(fds[NETWORK_FILTER], &totals, note, &noted)));
  CHECK(packets(&noted, IPPROTO_TCP, "::ffff:1.2.3.4", 443) == 1);
  CHECK(packets(&noted, IPPROTO_TCP, "2001:db8::1", 443) == 1);

  /* More than are noted are refused and counted all the same. */
  for (uint16_t port = 1000; port < 1000 + NFTABLES_NOTED_MAX + 100; port++)
    if (send_to(SOCK_DGRAM, 0, "192.0.2.1", port) != EPERM) CHECK(port == 0);
  uint64_t refused = totals.refused_packets;
  noted.count = 0;
  CHECK(!failed(nftables_read(fds[NETWORK_FILTER], &totals, note, &noted)));
  CHECK_THAT(noted.count == NFTABLES_NOTED_MAX, "%zu noted", noted.count);
  CHECK(totals.refused_packets == refused + NFTABLES_NOTED_MAX + 100);
  clock_gettime(CLOCK_MONOTONIC, &before);
  nftables_read(fds[NETWORK_FILTER], &totals, note, &noted);
  clock_gettime(CLOCK_MONOTONIC, &after);
  printf("# all read in %ld us\n", (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000);
  close(fds[NETWORK_FILTER]);
}

/* A host may have switched IPv6 off. */
static void without_ipv6(void) {
  int fds[NETWORK_PARTS];
  FILE *setting = fopen("/proc/sys/net/ipv6/conf/all/disable_ipv6", "we");
  bool off = setting && fputs("1", setting) >= 0;
  if (setting && fclose(setting) != 0) off = false;
  if (!off) {
    harness_skip("without IPv6", "the setting cannot be written here");
    return;
  }
  CHECK(!failed(loopback_up()));
  struct err result = network_make(&plan, fds);
  if (!CHECK_THAT(!failed(result), "%s: %s", result.step, strerror(result.errnum))) return;
  arrives(fds[NETWORK_TCP], "1.2.3.4", 443, "::ffff:1.2.3.4");
  CHECK(connect_to("2001:db8::1", 443, NULL) != 0);
  CHECK(send_to(SOCK_DGRAM, 0, "2001:db8::1", 53) != 0);
  for (int i = 0; i < NETWORK_PARTS; i++) close(fds[i]);
}

static void bytes_that_do_not_fit(void) {
  uint8_t bytes[64];
  struct netlink out = {.data = bytes, .capacity = sizeof bytes};
  netlink_begin(&out, 1, 0, "", 1);
  netlink_attribute(&out, 1, bytes, 60);
  CHECK(out.overflow && netlink_carry_out(-1, &out, "test").errnum == EMSGSIZE);
  /* An attribute that says more than there is ends the list. */
  const uint8_t lie[] = {8, 0, 1, 0, 1, 2, 3, 4, 200, 0, 2, 0};
  struct netlink_view rest = {lie, sizeof lie}, value;
  uint16_t type;
  CHECK(netlink_next(&rest, &type, &value) && type == 1 && value.length == 4);
  CHECK(!netlink_next(&rest, &type, &value));
  CHECK(netlink_find((struct netlink_view){lie, sizeof lie}, 2).length == 0);
}

int main(void) {
  bytes_that_do_not_fit();
  /* LeakSanitizer needs a thread of the process's own; the namespace is entered by all of it. */
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) harness_skip("filtered network", strerror(errno));
  else filtered_network();
  if (unshare(CLONE_NEWNET) == 0) without_ipv6();
  return harness_end("network");
}
