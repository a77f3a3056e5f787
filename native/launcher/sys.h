/* System calls and constants that the C library or the distribution's headers lack. One line each, no policy. */
#ifndef CAISSON_SYS_H
#define CAISSON_SYS_H

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* clone(2) */
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif
#define SYS_CLONE_PIDFD 0x00001000ull
#define SYS_CLONE_PARENT 0x00008000ull
#define SYS_CLONE_INTO_CGROUP 0x200000000ull

struct sys_clone_args {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

static inline pid_t sys_clone3(struct sys_clone_args *args) {
  return (pid_t)syscall(SYS_clone3, args, sizeof *args);
}

/* execveat(2), fcntl(2) */
#define SYS_F_ADD_SEALS 1033
#define SYS_F_GET_SEALS 1034
static inline int sys_execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags) {
  return (int)syscall(SYS_execveat, dir, path, argv, envp, flags);
}

/* openat2(2) */
#define SYS_RESOLVE_NO_XDEV 0x01u
#define SYS_RESOLVE_NO_MAGICLINKS 0x02u
#define SYS_RESOLVE_NO_SYMLINKS 0x04u
#define SYS_RESOLVE_BENEATH 0x08u
#define SYS_RESOLVE_IN_ROOT 0x10u
#define SYS_RESOLVE_CACHED 0x20u /* Linux 5.12 */

struct sys_open_how {
  uint64_t flags, mode, resolve;
};

static inline int sys_openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  struct sys_open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve};
  return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

/* The mount interface on descriptors: open_tree(2), move_mount(2), fsopen(2), fsconfig(2), fsmount(2), mount_setattr(2). */
#define SYS_OPEN_TREE_CLONE 1u
#define SYS_OPEN_TREE_CLOEXEC ((unsigned)O_CLOEXEC)
#define SYS_AT_RECURSIVE 0x8000u
#define SYS_MOVE_MOUNT_F_EMPTY_PATH 0x04u
#define SYS_MOVE_MOUNT_T_EMPTY_PATH 0x40u
#define SYS_FSOPEN_CLOEXEC 1u
#define SYS_FSMOUNT_CLOEXEC 1u
#define SYS_FSCONFIG_SET_FLAG 0u
#define SYS_FSCONFIG_SET_STRING 1u
#define SYS_FSCONFIG_SET_FD 5u
#define SYS_FSCONFIG_CMD_CREATE 6u
#define SYS_MOUNT_ATTR_RDONLY 0x01u
#define SYS_MOUNT_ATTR_NOSUID 0x02u
#define SYS_MOUNT_ATTR_NODEV 0x04u
#define SYS_MOUNT_ATTR_NOEXEC 0x08u
#define SYS_MOUNT_ATTR_IDMAP 0x00100000u
#define SYS_MOUNT_ATTR_NOSYMFOLLOW 0x00200000u

struct sys_mount_attr {
  uint64_t attr_set, attr_clr, propagation, userns_fd;
};

static inline int sys_open_tree(int dir, const char *path, unsigned flags) {
  return (int)syscall(SYS_open_tree, dir, path, flags | SYS_OPEN_TREE_CLOEXEC);
}
static inline int sys_move_mount(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
  return (int)syscall(SYS_move_mount, from_dir, from, to_dir, to, flags);
}
static inline int sys_fsopen(const char *name) { return (int)syscall(SYS_fsopen, name, SYS_FSOPEN_CLOEXEC); }
static inline int sys_fsconfig(int fd, unsigned command, const char *key, const char *value, int aux) {
  return (int)syscall(SYS_fsconfig, fd, command, key, value, aux);
}
static inline int sys_fsmount(int fd, unsigned attributes) {
  return (int)syscall(SYS_fsmount, fd, SYS_FSMOUNT_CLOEXEC, attributes);
}
static inline int sys_mount_setattr(int dir, const char *path, unsigned flags, struct sys_mount_attr *attr) {
  return (int)syscall(SYS_mount_setattr, dir, path, flags, attr, sizeof *attr);
}
static inline int sys_pivot_root(const char *new_root, const char *put_old) {
  return (int)syscall(SYS_pivot_root, new_root, put_old);
}

/* pidfd_open(2), pidfd_send_signal(2), waitid(2) with its fifth argument. */
#define SYS_P_PIDFD 3
static inline int sys_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }
static inline int sys_pidfd_kill(int pidfd, int signal) {
  return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, (void *)0, 0);
}
static inline int sys_waitid(int type, int id, siginfo_t *info, int options, struct rusage *usage) {
  return (int)syscall(SYS_waitid, type, id, info, options, usage);
}

static inline int sys_close_range(unsigned first, unsigned last, unsigned flags) {
  return (int)syscall(SYS_close_range, first, last, flags);
}
#define SYS_CLOSE_RANGE_CLOEXEC 4u

/* Gives back the stack that deeper calls used before a long wait. What this call itself needs below `here` stays. */
__attribute__((noinline, unused)) static void sys_trim_stack(void) {
  char here;
  uintptr_t page = (uintptr_t)&here & ~(uintptr_t)4095;
  uintptr_t end = (uintptr_t)&here - page > 1024 ? page : page - 4096;
  madvise((void *)(end - 16 * 4096), 16 * 4096, MADV_DONTNEED);
}

/* memfd_secret(2), the same number everywhere. */
static inline int sys_memfd_secret(int flags) { return (int)syscall(447, flags); }

/* landlock(7) */
#define SYS_LANDLOCK_RULE_PATH_BENEATH 1
#define SYS_LANDLOCK_RULE_NET_PORT 2
#define SYS_LANDLOCK_CREATE_RULESET_VERSION 1u
struct sys_landlock_ruleset_attr {
  uint64_t handled_access_fs, handled_access_net, scoped;
};
struct sys_landlock_path_beneath_attr {
  uint64_t allowed_access;
  int32_t parent_fd;
} __attribute__((packed));
struct sys_landlock_net_port_attr {
  uint64_t allowed_access, port;
};
static inline int sys_landlock_create_ruleset(const struct sys_landlock_ruleset_attr *attr, size_t size, uint32_t flags) {
  return (int)syscall(SYS_landlock_create_ruleset, attr, size, flags);
}
static inline int sys_landlock_add_rule(int ruleset, int type, const void *attr) {
  return (int)syscall(SYS_landlock_add_rule, ruleset, type, attr, 0);
}
/* Since ABI 7. */
#define SYS_LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON 2u
#define SYS_LANDLOCK_RESTRICT_SELF_LOG_SUBDOMAINS_OFF 4u
static inline int sys_landlock_restrict_self(int ruleset, uint32_t flags) {
  return (int)syscall(SYS_landlock_restrict_self, ruleset, flags);
}

#endif
