/* The sandbox's root: what every sandbox of a plan shares (the template), what each has for itself, and what a job adds. */
#ifndef CAISSON_MOUNT_H
#define CAISSON_MOUNT_H

#include "plan.h"

/* Descriptors of the host, opened once while its tree is still in sight. */
struct host {
  int root;      /* O_PATH of / */
  int proc;      /* /proc */
  int mount_ns;  /* the launcher's own */
  int pid_ns;
  int net_ns;
  bool privileged; /* root of the initial user namespace: ids can be chosen, idmapped mounts work */
};

struct err host_open(struct host *out);

/* A detached mount of `step` (bind, device, or one half of an overlay: `source` overrides). The path is opened without
   following any symbolic link. *out is -1 when the step is OPTIONAL and its source is missing. With MF_IDMAP and a
   privileged host, the owner of the source appears as guest_uid:guest_gid of the host. */
struct err mount_clone(const struct host *host, const struct mount_step *step, const char *source, uid_t guest_uid,
                       gid_t guest_gid, int *out);

/* Builds the plan's root in the calling process's own, fresh mount namespace and makes it the root directory. */
struct err mount_template(const struct host *host, const struct plan *plan);

/* Inside a sandbox: its private file systems. `proc` is a detached mount of the sandbox's own proc. */
struct err mount_private(const struct plan *plan, int proc);

/* Inside a sandbox: the job's mounts. fd_counts[i] says how many of `fds` belong to mount i (0: skip it, 1: bind, 2: overlay
   lower and upper). Scaffold directories are read-only afterwards. */
struct err mount_job(const struct plan *plan, const struct job *job, const uint8_t *fd_counts, const int *fds);

/* How many descriptors a job mount needs. */
static inline bool mount_needs_source(const struct mount_step *step) {
  return step->kind == MOUNT_BIND || step->kind == MOUNT_DEVICE || step->kind == MOUNT_OVERLAY;
}

#endif
