/* Plans and jobs, parsed and bounds-checked (protocol/PROTOCOL.md). Everything points into the bytes that were parsed. */
#ifndef CAISSON_PLAN_H
#define CAISSON_PLAN_H

#include <linux/filter.h>
#include <sys/types.h>

#include "network.h"
#include "side_channels.h"
#include "wire.h"

#define PLAN_VERSION 1u
#define PLAN_MOUNTS_MAX 256
#define JOB_MOUNTS_MAX 200
#define PLAN_RULES_MAX 512
#define JOB_RULES_MAX 256
#define PLAN_RLIMITS_MAX 16
#define PLAN_SCAFFOLD_MAX 32
#define PLAN_NOTIFIED_MAX 64
#define PLAN_OBSERVED_MAX 64
#define PLAN_PACKETS_MAX 128
#define PLAN_FILTER_MAX 4096
#define JOB_STRINGS_MAX 32768           /* of argv, and of env */
#define JOB_STRING_MAX (1024u * 1024u)  /* bytes of one, with its NUL */

enum mount_kind {
  MOUNT_BIND = 1, MOUNT_TMPFS, MOUNT_PROC, MOUNT_DEVPTS, MOUNT_MQUEUE, MOUNT_SYSFS, MOUNT_DIRECTORY, MOUNT_FILE,
  MOUNT_SYMLINK, MOUNT_DEVICE, MOUNT_MASK, MOUNT_OVERLAY, MOUNT_READONLY,
};

enum mount_flag {
  MF_READONLY = 1, MF_NOSUID = 2, MF_NODEV = 4, MF_NOEXEC = 8, MF_RECURSIVE = 16, MF_IDMAP = 32, MF_OPTIONAL = 64,
  MF_PRIVATE = 128, MF_NOSYMFOLLOW = 256, MF_ALL = 511,
};

struct mount_step {
  enum mount_kind kind;
  uint32_t flags;
  const char *source; /* NULL when absent */
  const char *target;
  const char *upper, *work;
  uint64_t bytes, inodes; /* 0: kernel default */
  uint32_t mode;
  struct span content; /* of a file; where a link points (then 1 to PATH_MAX-1 bytes without NUL, not terminated) */
  uint32_t major, minor;
};

struct path_rule { uint64_t access; const char *path; };
struct port_rule { uint64_t access; uint64_t port; };

struct landlock_plan {
  bool present;
  uint32_t abi;
  uint64_t handled_fs, handled_net, scoped;
  uint32_t log; /* 1: what it refuses the guest goes to the audit log */
  size_t path_count, port_count;
  struct path_rule paths[PLAN_RULES_MAX];
  struct port_rule ports[PLAN_RULES_MAX];
};

struct capability_plan {
  uint64_t bounding, effective, permitted, inheritable, ambient;
  uint32_t securebits;
};

struct rlimit_plan { uint32_t resource; uint64_t soft, hard; };

/* A system call that the filter hands over: what it is answered, and whether the run ends for it; with `spares`, not for a
   call whose first argument, as 32 bits, is `spared`. */
struct notified { uint32_t number; int32_t errnum; bool ends, spares; uint32_t spared; const char *name; };

/* CG_* bits in `set` say which fields are given. */
struct cgroup_plan {
  bool present;
  uint32_t set;
  uint64_t memory_max, memory_high, cpu_quota_us, cpu_period_us, cpu_weight, pids_max;
  uint64_t read_bytes, write_bytes, read_ops, write_ops, swap_max;
};
enum cgroup_field {
  CG_MEMORY_MAX = 1 << 1, CG_MEMORY_HIGH = 1 << 2, CG_CPU_QUOTA = 1 << 3, CG_CPU_PERIOD = 1 << 4, CG_CPU_WEIGHT = 1 << 5,
  CG_PIDS_MAX = 1 << 6, CG_READ_BYTES = 1 << 7, CG_WRITE_BYTES = 1 << 8, CG_READ_OPS = 1 << 9, CG_WRITE_OPS = 1 << 10,
  CG_SWAP_MAX = 1 << 11, /* bit number = tag */
};

/* 0: not limited. `set` has bit n for tag n, so that a job can replace field by field. */
struct limits_plan {
  uint32_t set;
  uint64_t wall_ms, cpu_ms, output_bytes;
  bool kill_on_output;
};

struct plan {
  uint32_t namespaces;
  uid_t uid;
  gid_t gid;
  const char *hostname;
  size_t mount_count, rlimit_count, scaffold_count;
  struct sock_fprog seccomp; /* len 0: none. Points into the bytes only if aligned; else the parser refuses to guess: see plan_parse */
  struct capability_plan capabilities;
  struct rlimit_plan rlimits[PLAN_RLIMITS_MAX];
  struct cgroup_plan cgroup;
  struct limits_plan limits;
  const char *scaffold[PLAN_SCAFFOLD_MAX];
  size_t notified_count;
  struct notified notified[PLAN_NOTIFIED_MAX];
  size_t observed_count;
  uint32_t observed[PLAN_OBSERVED_MAX]; /* calls that go by an observer, and are allowed whatever it sees */
  struct span default_job;
  struct network_plan network;
  size_t packet_count;
  uint32_t side_channels; /* SIDE_* */
  /* Of a host plan alone: no namespace, no mount, no id, no filter. */
  bool host_view, no_new_privs;
  uint64_t processes; /* 0: not limited */
  /* Last, and filled from the front: what is not used costs no memory. */
  struct landlock_plan landlock;
  struct packet_rule packets[PLAN_PACKETS_MAX]; /* in their order; the first that matches decides */
  struct mount_step mounts[PLAN_MOUNTS_MAX];
};

enum stdio_mode { STDIO_NULL = 0, STDIO_CAPTURE = 1, STDIO_STREAM = 2, STDIO_INHERIT = 3, STDIN_INLINE = 1 };

struct job {
  /* argv and env are parsed on demand: counts here, pointers by job_strings. */
  size_t argc, envc;
  const char *cwd; /* "/" by default */
  size_t mount_count, rlimit_count, rule_count;
  struct mount_step mounts[JOB_MOUNTS_MAX];
  struct rlimit_plan rlimits[PLAN_RLIMITS_MAX];
  struct cgroup_plan cgroup;
  struct limits_plan limits;
  struct path_rule rules[JOB_RULES_MAX];
  enum stdio_mode stdin_mode, stdout_mode, stderr_mode;
  struct span input;
  bool pty;
  uint32_t rows, columns;
  struct span bytes; /* the whole job record */
};

/* `bytes` starts with "CAISPLAN". The seccomp program is copied to `filter` (room for PLAN_FILTER_MAX). The default job is
   not looked into: whoever uses it calls job_parse. ERR_PLAN with EBADMSG (not the format), EPROTONOSUPPORT (another
   version), E2BIG (too many of something) or EINVAL (a value that may not be); `what` says what was wrong. */
struct err plan_parse(struct span bytes, struct plan *out, struct sock_filter *filter);

/* `bytes` starts with "CAISHOST": a guest that sees the host as its caller does. Errors as plan_parse's. */
struct err plan_parse_host(struct span bytes, struct plan *out);

/* ERR_JOB, with errno and `what` as plan_parse. With a pty, stdin and stdout come out as STDIO_STREAM unless inherited, and
   stderr as STDIO_NULL. How many argv there must be is the caller's to check: at least one for EXEC, none for OPEN. */
struct err job_parse(struct span bytes, struct job *out);

/* What only plan and job together can tell: no cgroup record without the plan's, no rlimit above the plan's hard limit, no
   Landlock rule beyond what the plan handles. */
struct err job_fits(const struct plan *plan, const struct job *job);

/* Fills argv (room for argc + 1) and envp (room for envc + 1), both NULL-terminated, pointing into job->bytes. */
void job_strings(const struct job *job, const char **argv, const char **envp);

/* The job's limits and cgroup fields over the plan's, field by field. */
struct limits_plan limits_merge(const struct limits_plan *plan, const struct limits_plan *job);
struct cgroup_plan cgroup_merge(const struct cgroup_plan *plan, const struct cgroup_plan *job);

/* Absolute, no empty, "." or ".." component, no trailing slash (except "/"), shorter than PATH_MAX. */
bool path_is_normal(const char *path);

#endif
