/* The cgroups of this launcher: one directory for it in each hierarchy, and below it one for each cell. A cell outlives
   its sandboxes, one after the other; its counters are read as differences. */
#ifndef CAISSON_CGROUP_H
#define CAISSON_CGROUP_H

#include "cgroup_base.h"
#include "plan.h"

#include <sys/types.h>

#define CGROUP_DEVICES_MAX 16

struct cgroup_tree {
  bool ready;
  bool v2_limits;  /* limits live in v2; else in v1, and v2 is a twin that can kill and freeze */
  struct cgroup_base base;
  char name[64];
  unsigned skip;              /* bits by enum cgroup_v1: hierarchies that nothing is limited in, and that need not be entered */
  unsigned handed_on;         /* controllers that the base's children have because of us */
  char home[CGROUP_PATH_MAX]; /* v2: where the launcher's own process stood before */
  size_t device_count;
  char devices[CGROUP_DEVICES_MAX][24]; /* MAJOR:MINOR of whole disks */
};

struct cgroup_cell {
  unsigned number;
  int v1[CGROUP_V1_COUNT]; /* directories; -1 where there is none */
  int v2;
  int memory_peak, memory_events, cpu_usage, pids_events; /* files kept open */
  int io, memory_now, tasks_now; /* cgroup_meter.h; -1 until they are wanted */
  uint64_t read_base, written_base;
  int oom_event;           /* eventfd of v1; -1 on v2, where memory.oom.group does the work */
  struct cgroup_plan applied;
  uint64_t cpu_base, oom_base, pids_base;
  bool peak_resets;
  bool killed;
  bool frozen;
};

struct cgroup_usage {
  uint64_t cpu_us, memory_peak, read_bytes, written_bytes;
  bool memory_peak_valid, io_valid, out_of_memory, processes_hit;
};

/* Finds where groups may be made and makes the launcher's own; removes what dead launchers left there. */
struct err cgroup_tree_open(struct cgroup_tree *tree);
void cgroup_tree_close(struct cgroup_tree *tree);

struct err cgroup_cell_open(const struct cgroup_tree *tree, unsigned number, struct cgroup_cell *cell);
/* `patience_ms`: how long groups in which something is still dying are waited for; what is left of it. */
void cgroup_cell_close(const struct cgroup_tree *tree, struct cgroup_cell *cell, unsigned *patience_ms);

/* Puts the calling process into the cell's v1 groups, and checks that it is there. May take tens of milliseconds. */
struct err cgroup_cell_enter(const struct cgroup_tree *tree, const struct cgroup_cell *cell);

/* Writes what differs from what was written last; what is absent becomes unlimited. `extra_pids`: processes of ours in it. */
struct err cgroup_cell_apply(const struct cgroup_tree *tree, struct cgroup_cell *cell, const struct cgroup_plan *plan,
                             unsigned extra_pids);

/* Counters start from here. */
void cgroup_cell_begin(struct cgroup_cell *cell);
void cgroup_cell_read(const struct cgroup_cell *cell, struct cgroup_usage *out);
uint64_t cgroup_cell_cpu_us(const struct cgroup_cell *cell);

/* Kills everything in the cell at once (v2 cgroup.kill). For guests without a pid namespace alone: of the others init's end
   is everybody's. */
bool cgroup_cell_kill(struct cgroup_cell *cell);

/* Makes the v2 group anew where it was killed once: since Linux 6.14 such a group kills whatever CLONE_INTO_CGROUP puts into
   it later, because the kernel compares with the count of kills of the parent's group. Nothing may be left in it. */
struct err cgroup_cell_renew(const struct cgroup_tree *tree, struct cgroup_cell *cell);

/* Freezes or thaws everything in the cell. Returns once it stands still, or after 10 ms with ETIMEDOUT: others wait
   meanwhile, and it can be asked again. */
struct err cgroup_cell_freeze(struct cgroup_cell *cell, bool freeze);

/* Of what v1's freezer holds nothing dies before it is thawed: each gets its SIGKILL while it cannot act, and then is let go.
   All but `spare`, a process of ours. Nothing to do where v2 freezes, whose tasks die where they stand. */
void cgroup_cell_end_frozen(struct cgroup_cell *cell, pid_t spare);

#endif
