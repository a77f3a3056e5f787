/* Where we stand in the cgroup hierarchies: the directories below which groups of our own may be made. Below our own
   group, never beside it, so that the limits our parent set on us hold for every sandbox. */
#ifndef CAISSON_CGROUP_BASE_H
#define CAISSON_CGROUP_BASE_H

#include "err.h"

#define CGROUP_PATH_MAX 1024

enum cgroup_v1 { CGROUP_V1_MEMORY, CGROUP_V1_CPU, CGROUP_V1_CPUACCT, CGROUP_V1_PIDS, CGROUP_V1_BLKIO, CGROUP_V1_FREEZER, CGROUP_V1_COUNT };

/* The kernel's names, by enum cgroup_v1. */
extern const char *const cgroup_v1_names[CGROUP_V1_COUNT];

/* Controllers of a v2 group, as bits. */
enum cgroup_controller { CGROUP_MEMORY = 1, CGROUP_CPU = 2, CGROUP_PIDS = 4, CGROUP_IO = 8 };

/* Paths are mount point + own group, absolute, without a trailing slash; "" where there is no such hierarchy or our group
   lies outside of what is mounted. Two v1 controllers mounted together have the same path. */
struct cgroup_base {
  char v1[CGROUP_V1_COUNT][CGROUP_PATH_MAX];
  char v2[CGROUP_PATH_MAX];
  /* v2 is an ancestor of our own group, because our own can never hand controllers on (see below): what limits our own
     group itself then does not limit what is made here; what limits the ancestor does. */
  bool v2_above;
  /* Of v2: what may be handed on (what cgroup.controllers lists; of an ancestor that is not the root, only what it hands on
     already, since it is not ours to change), and what cgroup.subtree_control hands on already. */
  unsigned v2_available, v2_enabled;
  /* v2 is the root of the whole hierarchy (no cgroup.type there): it may hold processes and still hand on controllers. */
  bool v2_is_root;
  /* Other processes than the caller stand in v2 itself, so that moving the caller into a leaf does not empty it. */
  bool v2_is_shared;
};

/* Reads /proc/self/cgroup and /proc/self/mountinfo. Needs no privilege and changes nothing. ERR_SYSTEM when /proc cannot
   be read; hierarchies that are absent are no error.

   The rule of v2 that whoever uses the base must heed: a group other than the root that holds processes cannot hand
   controllers to its children (writing cgroup.subtree_control fails with EBUSY), and a group that hands on a domain
   controller cannot be given processes. So v2 is, in this order
     a. our own group, when it hands on memory and pids already, or is the root, or holds nobody but the caller;
     b. the nearest ancestor that we may write to and that hands on memory and pids already (a systemd slice; what
        Delegate= with DelegateSubgroup= leaves above us), or is the root: v2_above;
     c. our own group all the same, which then gives no limits, only cgroup.kill, freeze and CLONE_INTO_CGROUP.
   When v2_enabled lacks a controller that is wanted, and not v2_is_root (a, with the caller alone in it):
     1. mkdir v2/caisson-PID and v2/caisson-PID/self, and move the caller into the latter, a leaf;
     2. write "+memory" ... to v2/cgroup.subtree_control, then to v2/caisson-PID/cgroup.subtree_control (it holds no
        process itself, only the leaf does);
     3. make the sandboxes' groups in v2/caisson-PID;
     4. at the end: take back from v2/cgroup.subtree_control what was added, move ourselves back, remove the groups. */
struct err cgroup_base_find(struct cgroup_base *out);

#endif
