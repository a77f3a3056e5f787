#ifndef CAISSON_LOOPBACK_H
#define CAISSON_LOOPBACK_H

#include "err.h"

/* Brings `lo` of the calling process's network namespace up. */
struct err loopback_up(void);

#endif
