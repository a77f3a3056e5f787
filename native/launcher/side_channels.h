/* What a plan asks for against side channels between processes: of its record 16, bit by bit. */
#ifndef CAISSON_SIDE_CHANNELS_H
#define CAISSON_SIDE_CHANNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "wire.h"

enum side_channel {
  SIDE_STORE_BYPASS = 1, SIDE_INDIRECT_BRANCH = 2, SIDE_L1D_FLUSH = 4, SIDE_CORE = 8, SIDE_TSC = 16, SIDE_ALL = 31,
};

/* In the sandbox's init, before it has a child: a core cookie that nobody else has, inherited by all that runs in there. */
struct err side_channels_apart(uint32_t asked);

/* In a job, before the filter: speculation off for good, kept across execve. With `guest`, the time stamp counter, too: what
   comes next is an execve, and nothing before it may ask the vDSO for the time. */
struct err side_channels_job(uint32_t asked, bool guest);

/* Facts 24 to 28: what this kernel can do. Changes nothing in the caller. */
void side_channels_facts(struct out *out);

#endif
