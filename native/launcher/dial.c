/* Connections into a sandbox: the client asks, the sandbox's init connects, since it stands in the network namespace, and
   the socket goes to the client. The same way a datagram socket at an address in there, which its filter then lets the guest
   send to: init makes it, and we bind it, since init has no capability left. Nothing here waits: an answer is matched by its number. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "handover.h"
#include "nftables.h"
#include "state.h"
#include "sys.h"

/* Unanswered for one sandbox. Far below what fills the socket to its init, which may stand still (FREEZE). */
#define DIALS_MAX 64
/* In the life of one sandbox: each stays in its filter. */
#define OPEN_MAX 4096

static void answer(uint32_t id, uint32_t request, int error) {
  struct out body = {0};
  out_u32(&body, 1, request);
  out_i32(&body, 2, error);
  client_send(FRAME_DIALED, id, body.data, body.length);
  out_free(&body);
}

static const uint8_t mapped[12] = {[10] = 255, [11] = 255};

static bool is_ipv4(const uint8_t *address) { return memcmp(address, mapped, sizeof mapped) == 0; }

/* Loopback is the guest's own, where its own programs are bound. */
static bool is_own(const uint8_t *address) {
  static const uint8_t one[16] = {[15] = 1};
  return is_ipv4(address) ? address[12] == 127 : memcmp(address, one, sizeof one) == 0;
}

static struct datagram *datagram_find(struct sandbox *sandbox, uint32_t request) {
  for (int i = 0; i < DATAGRAMS_MAX; i++)
    if (sandbox->datagrams[i].request == request) return &sandbox->datagrams[i];
  return NULL;
}

static int ask_datagram(struct sandbox *sandbox, const struct dial_request *dial) {
  struct slot_request request = {.command = SLOT_DATAGRAM, .job = dial->request};
  const uint8_t *address = dial->address.data;
  struct datagram *place = datagram_find(sandbox, 0);
  /* Its filter may be on its way still: it comes before init's answer, on the same socket. */
  if (sandbox->kind->plan.network.kind != NETWORK_FILTERED) return ENOTSUP;
  if (dial->request == 0 || is_own(address) || NFTABLES_TURNED(dial->port) == 0) return EINVAL;
  if (!place) return EAGAIN;
  if (sandbox->datagrams_open >= OPEN_MAX) return ENOSPC;
  request.signal = is_ipv4(address) ? AF_INET : AF_INET6;
  if (!channel_send(sandbox->control.fd, &request, sizeof request, NULL, 0)) return errno;
  place->request = dial->request;
  place->port = (uint16_t)dial->port;
  memcpy(place->address, address, sizeof place->address);
  return 0;
}

static int ask(struct sandbox *sandbox, uint32_t id, const struct dial_request *dial) {
  if (!sandbox || sandbox->cause || sandbox->state == SANDBOX_ENDING || sandbox->control.fd < 0) return ENOENT;
  if (S.host_view || !(sandbox->kind->plan.namespaces & CLONE_NEWNET) || !handover_is_open()) return ENOTSUP;
  if (sandbox->dials >= DIALS_MAX) return EAGAIN;
  if (dial->address.data) {
    int error = ask_datagram(sandbox, dial);
    if (error) return error;
  } else {
    struct slot_request request = {.command = SLOT_DIAL, .job = dial->request, .signal = (int32_t)dial->port};
    if (!channel_send(sandbox->control.fd, &request, sizeof request, NULL, 0)) return errno;
  }
  sandbox->dial_owner = id;
  sandbox->dials++;
  return 0;
}

void dial_ask(uint32_t id, const struct dial_request *dial) {
  int error = ask(sandbox_of(id), id, dial);
  if (error) answer(id, dial->request, error);
}

/* Our capabilities over the sandbox's network namespace count here, and not init's. */
static int place_datagram(struct sandbox *sandbox, const struct datagram *at, int fd) {
  uint16_t port = htons(NFTABLES_TURNED(at->port));
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = port};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = port};
  bool ipv4 = is_ipv4(at->address);
  uint32_t mark = NFTABLES_DATAGRAM_MARK;
  int yes = 1;
  if (sandbox->network[NETWORK_FILTER] < 0) return ENOTSUP;
  memcpy(&v4.sin_addr, at->address + 12, sizeof v4.sin_addr);
  memcpy(&v6.sin6_addr, at->address, sizeof v6.sin6_addr);
  if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) < 0) return errno;
  /* IPv6 takes addresses of interfaces alone for its own, and not those of a route. */
  if (!ipv4 && (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes) < 0 ||
                setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &yes, sizeof yes) < 0)) return errno;
  if (bind(fd, ipv4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6, ipv4 ? sizeof v4 : sizeof v6) < 0) return errno;
  struct err opened = nftables_open_datagrams(sandbox->network[NETWORK_FILTER], at->address, at->port);
  if (failed(opened)) return opened.errnum ? opened.errnum : EIO;
  sandbox->datagrams_open++;
  return 0;
}

void dial_answer(struct sandbox *sandbox, const struct slot_report *report, int fd) {
  struct datagram *datagram = report->job ? datagram_find(sandbox, report->job) : NULL;
  int error = fd >= 0 ? 0 : report->status ? report->status : EIO;
  if (sandbox->dials > 0) sandbox->dials--;
  if (datagram) {
    if (!error) error = place_datagram(sandbox, datagram, fd);
    *datagram = (struct datagram){0};
  }
  if (!error) {
    handover_send_dial(sandbox->dial_owner, report->job, fd, datagram != NULL);
    return;
  }
  if (fd >= 0) close(fd);
  answer(sandbox->dial_owner, report->job, error);
}
