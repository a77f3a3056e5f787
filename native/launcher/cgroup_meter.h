/* What a cell uses now, for a sample (stats.c), and its I/O since cgroup_cell_begin. Each file is opened once for each cell
   and read from its start, so that a sample costs a read for each number. */
#ifndef CAISSON_CGROUP_METER_H
#define CAISSON_CGROUP_METER_H

#include "cgroup.h"

struct cgroup_io {
  uint64_t read_bytes, written_bytes;
};

struct cgroup_sample {
  uint64_t memory_now, tasks_now;
  bool memory_valid, tasks_valid;
};

/* Opens the file that counts I/O and starts from what it says. */
void cgroup_meter_begin(struct cgroup_cell *cell);
/* Since then, by block devices. False where nothing counts it. */
bool cgroup_meter_io(const struct cgroup_cell *cell, struct cgroup_io *out);
/* Opens what is only needed here the first time it is asked. */
void cgroup_meter_sample(struct cgroup_cell *cell, struct cgroup_sample *out);
void cgroup_meter_close(struct cgroup_cell *cell);

/* The sums of blkio.throttle.io_service_bytes (v1: "8:0 Read 4096") or io.stat (v2: "8:0 rbytes=4096 wbytes=0 ..."). A line
   that is cut off counts for nothing. */
struct cgroup_io cgroup_meter_parse_io(const char *text);

#endif
