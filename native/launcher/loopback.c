#include "loopback.h"

#include <errno.h>
#include <net/if.h>
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
