/* The host's facts that only system calls can tell: each is tried, in a child, and nothing of it stays. */
#ifndef CAISSON_PROBE_H
#define CAISSON_PROBE_H

#include "wire.h"

/* Appends the fields of protocol/PROTOCOL.md "Facts" to `out`. Must be called while single-threaded. */
struct err probe_facts(struct out *out);

#endif
