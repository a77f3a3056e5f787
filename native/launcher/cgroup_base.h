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
  /* Of v2: what cgroup.controllers lists at v2 (what may be handed on), and what cgroup.subtree_control already hands on. */
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
   controller cannot be given processes. So, when v2_enabled lacks a controller that is wanted, and not v2_is_root:
     1. mkdir v2/caisson-PID, move every process of v2 that is ours (the caller) into v2/caisson-PID/self (a leaf);
     2. when v2_is_shared, step 3 fails: the facts then report the controllers as not usable, unless v2_enabled has them;
     3. write "+memory +pids ..." to v2/cgroup.subtree_control, then to v2/caisson-PID/cgroup.subtree_control (it holds no
        processes itself, only the leaf does);
     4. make the sandboxes' groups in v2/caisson-PID;
     5. at the end: move ourselves back, remove the groups. What was written to v2/cgroup.subtree_control is taken back
        only if it was ours and no other child is there.
   In a group that systemd delegated (Delegate=yes: it belongs to us), the same steps are what systemd expects. */
struct err cgroup_base_find(struct cgroup_base *out);

#endif
