/* What `run` and `serve` share: who we are on this host, and handing a job to a sandbox. */
#ifndef CAISSON_LAUNCH_H
#define CAISSON_LAUNCH_H

#include "mount.h"
#include "slot.h"

/* Host ids for guests when the launcher is privileged: a range that no distribution hands out (systemd's UIDS-GIDS), one id
   for each cell, so that per-user limits of the kernel (inotify, pipes) are not shared by two sandboxes. */
#define GUEST_ID_BASE 0x70000000u
#define GUEST_ID_COUNT 65536u

bool launch_is_host_root(void);

/* The command line, remembered by main and blanked in a sandbox's init: it names paths of the host, and the guest can read
   /proc/1/cmdline. */
void launch_remember_arguments(int argc, char **argv);
void launch_blank_arguments(void);

/* Drops what no sandbox may inherit, and becomes root of a user namespace of its own where the caller is not root. */
struct err launch_prepare(struct host *host);

/* The id of the host that stands for the guest of cell `number`. */
uid_t launch_guest_uid(const struct host *host, unsigned number);
gid_t launch_guest_gid(const struct host *host, unsigned number);

/* Detached mounts of a job, in the order in which they travel. */
struct job_mounts {
  uint8_t fd_counts[JOB_MOUNTS_MAX];
  int fds[JOB_MOUNTS_MAX * 2];
  size_t count;
};
struct err launch_clone_mounts(const struct host *host, const struct job *job, uid_t uid, gid_t gid, struct job_mounts *out);
void launch_close_mounts(struct job_mounts *mounts);

/* Sends a job; stdin_fd is -1 where there is none. The mounts' descriptors are closed. */
struct err launch_send_job(int socket, enum job_kind kind, bool inherit, struct span job, struct job_mounts *mounts,
                           int stdin_fd);

/* A sealed memory file of `bytes` (memfd_create(2)), readable by init. */
struct err launch_seal_plan(struct span bytes, int *out);

/* The error in a report, with its strings kept in the report. */
struct err launch_error_of(const struct job_report *report);

#endif
