#ifndef CAISSON_LOOPBACK_H
#define CAISSON_LOOPBACK_H

#include <stdint.h>

#include "err.h"

/* Brings `lo` of the calling process's network namespace up. */
struct err loopback_up(void);

/* A non-blocking TCP socket to that port of loopback, 127.0.0.1 and else ::1, in the calling process's network namespace.
   Never waits: it may still be connecting where nobody accepts. 0, or errno. */
int loopback_connect(uint16_t port, int *out);

#endif
