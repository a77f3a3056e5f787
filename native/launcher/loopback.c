#include "loopback.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct err loopback_up(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(ERR_SYSTEM, errno, "socket", NULL);
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  int done = ioctl(fd, SIOCSIFFLAGS, &request);
  int error = errno;
  close(fd);
  return done < 0 ? fail(ERR_SYSTEM, error, "bring up loopback", NULL) : OK;
}

static int connect_to(const struct sockaddr *address, socklen_t length, int *out) {
  int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0;
  if (fd < 0) return errno;
  socklen_t size = sizeof error;
  struct pollfd ready = {.fd = fd, .events = POLLOUT};
  if (connect(fd, address, length) < 0 && errno != EINPROGRESS) error = errno;
  /* Loopback delivers before connect(2) returns, so that a refusal is known already. */
  else if (poll(&ready, 1, 0) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) error = errno;
  if (error) close(fd);
  else *out = fd;
  return error;
}

int loopback_connect(uint16_t port, int *out) {
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  int error = connect_to((struct sockaddr *)&v4, sizeof v4, out);
  if (error != ECONNREFUSED || connect_to((struct sockaddr *)&v6, sizeof v6, out) != 0) return error;
  return 0;
}
