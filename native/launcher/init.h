/* `caisson-launcher init`: the launcher as PID 1 of a container or a microVM, speaking to a client outside of it. */
#ifndef CAISSON_INIT_H
#define CAISSON_INIT_H

#include "err.h"

enum init_endpoint {
  INIT_SOCKET, /* a unix socket at a path, of the first client that connects */
  INIT_PORT,   /* a character device: a virtio-serial port, or a serial line */
  INIT_VSOCK,  /* a vsock port, of the first client from the host */
};

/* As PID 1 mounts what is missing, serves in a child, reaps orphans, and ends the machine (of its own kernel) or returns (in a
   pid namespace) when the client goes. As any other process it serves and returns. */
struct err init_run(enum init_endpoint endpoint, const char *where);

#endif
