#include "trace_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
const uint32_t trace_arch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
const uint32_t trace_arch = AUDIT_ARCH_AARCH64;
#else
#error "no table of system calls for this architecture"
#endif

/* linux/seccomp.h of Linux 5.19; Debian 12 has 6.1's, musl none. */
#define FLAG_WAIT_KILLABLE_RECV (1ul << 5)
#define EMPTY_PATH 0x1000u
#define LISTED_MAX 448

#define HERE -1
#define AT(name, op, flags, flags_at, no_follow) \
  {SYS_##name, TRACE_PATH, op, 0, 1, 0, 0, flags, flags_at, no_follow}
#define PLAIN(name, op, flags, flags_at, no_follow) \
  {SYS_##name, TRACE_PATH, op, HERE, 0, 0, 0, flags, flags_at, no_follow}
#define OTHER(name, kind) {SYS_##name, kind, NULL, 0, 0, 0, 0, FLAGS_NONE, 0, 0}

static const struct trace_call calls[] = {
    AT(openat, "open", FLAGS_ARGUMENT, 2, O_NOFOLLOW),
    AT(openat2, "open", FLAGS_HOW, 2, O_NOFOLLOW),
    AT(newfstatat, "stat", FLAGS_ARGUMENT, 3, AT_SYMLINK_NOFOLLOW),
    AT(statx, "stat", FLAGS_ARGUMENT, 2, AT_SYMLINK_NOFOLLOW),
    AT(faccessat, "stat", FLAGS_NONE, 0, 0),
    AT(faccessat2, "stat", FLAGS_ARGUMENT, 3, AT_SYMLINK_NOFOLLOW),
    AT(readlinkat, "link-read", FLAGS_NONE, 0, ~0u),
    AT(execveat, "exec", FLAGS_NONE, 0, 0),
    AT(unlinkat, "unlink", FLAGS_NONE, 0, ~0u),
    AT(mkdirat, "mkdir", FLAGS_NONE, 0, ~0u),
    AT(mknodat, "mknod", FLAGS_NONE, 0, ~0u),
    AT(fchmodat, "attribute", FLAGS_NONE, 0, 0),
    AT(fchownat, "attribute", FLAGS_ARGUMENT, 4, AT_SYMLINK_NOFOLLOW),
    AT(utimensat, "attribute", FLAGS_ARGUMENT, 3, AT_SYMLINK_NOFOLLOW),
    PLAIN(execve, "exec", FLAGS_NONE, 0, 0),
    PLAIN(truncate, "truncate", FLAGS_NONE, 0, 0),
    PLAIN(chdir, "chdir", FLAGS_NONE, 0, 0),
    PLAIN(statfs, "stat", FLAGS_NONE, 0, 0),
    PLAIN(setxattr, "attribute", FLAGS_NONE, 0, 0),
    PLAIN(lsetxattr, "attribute", FLAGS_NONE, 0, ~0u),
    PLAIN(removexattr, "attribute", FLAGS_NONE, 0, 0),
    PLAIN(lremovexattr, "attribute", FLAGS_NONE, 0, ~0u),
    {SYS_linkat, TRACE_TWO_PATHS, "link", 0, 1, 2, 3, FLAGS_NONE, 0, ~0u},
    {SYS_renameat2, TRACE_TWO_PATHS, "rename", 0, 1, 2, 3, FLAGS_NONE, 0, ~0u},
    /* The first word of a symbolic link is its text and no path that is used. */
    {SYS_symlinkat, TRACE_PATH, "symlink", 1, 2, 0, 0, FLAGS_NONE, 0, ~0u},
#ifdef SYS_renameat
    {SYS_renameat, TRACE_TWO_PATHS, "rename", 0, 1, 2, 3, FLAGS_NONE, 0, ~0u},
#endif
#ifdef SYS_open
    PLAIN(open, "open", FLAGS_ARGUMENT, 1, O_NOFOLLOW),
    PLAIN(creat, "open", FLAGS_CREAT, 0, 0),
    PLAIN(stat, "stat", FLAGS_NONE, 0, 0),
    PLAIN(lstat, "stat", FLAGS_NONE, 0, ~0u),
    PLAIN(access, "stat", FLAGS_NONE, 0, 0),
    PLAIN(readlink, "link-read", FLAGS_NONE, 0, ~0u),
    PLAIN(unlink, "unlink", FLAGS_NONE, 0, ~0u),
    PLAIN(rmdir, "rmdir", FLAGS_NONE, 0, ~0u),
    PLAIN(mkdir, "mkdir", FLAGS_NONE, 0, ~0u),
    PLAIN(mknod, "mknod", FLAGS_NONE, 0, ~0u),
    PLAIN(chmod, "attribute", FLAGS_NONE, 0, 0),
    PLAIN(chown, "attribute", FLAGS_NONE, 0, 0),
    PLAIN(lchown, "attribute", FLAGS_NONE, 0, ~0u),
    PLAIN(utime, "attribute", FLAGS_NONE, 0, 0),
    PLAIN(utimes, "attribute", FLAGS_NONE, 0, 0),
    AT(futimesat, "attribute", FLAGS_NONE, 0, 0),
    {SYS_rename, TRACE_TWO_PATHS, "rename", HERE, 0, HERE, 1, FLAGS_NONE, 0, ~0u},
    {SYS_link, TRACE_TWO_PATHS, "link", HERE, 0, HERE, 1, FLAGS_NONE, 0, ~0u},
    {SYS_symlink, TRACE_PATH, "symlink", HERE, 1, 0, 0, FLAGS_NONE, 0, ~0u},
    OTHER(fork, TRACE_FORK),
    OTHER(vfork, TRACE_FORK),
#endif
    OTHER(clone, TRACE_CLONE),
    OTHER(clone3, TRACE_FORK),
    OTHER(socket, TRACE_SOCKET),
    OTHER(connect, TRACE_CONNECT),
    OTHER(bind, TRACE_BIND),
    OTHER(listen, TRACE_LISTEN),
    OTHER(sendto, TRACE_SENDTO),
    OTHER(sendmsg, TRACE_SENDMSG),
    OTHER(sendmmsg, TRACE_SENDMMSG),
};
#define CALLS (sizeof calls / sizeof *calls)

const struct trace_call *trace_call_of(int number) {
  for (size_t i = 0; i < CALLS; i++)
    if (calls[i].number == number) return &calls[i];
  return NULL;
}

static struct err fault(int errnum, const char *what) { return fail(ERR_SYSTEM, errnum, "trace_calls_install", what); }

/* fstat(3) of glibc is newfstatat with an empty path: hot, and it names nothing. */
static uint32_t flags_argument(int number) {
  if (number == SYS_newfstatat) return 3;
  return number == SYS_statx ? 2 : 0;
}

struct err trace_calls_install(const char *listed, int *listener) {
  static struct sock_filter code[16 + 6 * CALLS + 2 * LISTED_MAX];
  uint16_t n = 0;
  const struct sock_filter pass = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const struct sock_filter tell = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
  const struct sock_filter number = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
  code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, trace_arch, 1, 0);
  code[n++] = tell;
  code[n++] = number;
  /* x32 shares the architecture of x86-64 and has this bit in its numbers; nothing else has numbers as large. */
  code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);
  code[n++] = tell;
  for (size_t i = 0; i < CALLS; i++) {
    uint32_t at = flags_argument(calls[i].number);
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls[i].number, 0, at ? 4 : 1);
    if (at) {
      uint32_t offset = (uint32_t)offsetof(struct seccomp_data, args) + 8 * at;
      code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset);
      code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, EMPTY_PATH, 0, 1);
      code[n++] = pass;
    }
    code[n++] = tell;
  }
  size_t count = 0;
  for (const char *at = listed; *at != '\0';) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(at, &end, 10);
    if (end == at || errno != 0 || value >= 0x40000000 || (*end != ',' && *end != '\0') || ++count > LISTED_MAX)
      return fault(EINVAL, "the list of calls");
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)value, 0, 1);
    code[n++] = tell;
    at = *end == ',' ? end + 1 : end;
  }
  code[n++] = pass;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fault(errno, "PR_SET_NO_NEW_PRIVS");
  struct sock_fprog program = {n, code};
  /* Without the second flag a signal interrupts a call that we have seen, and it comes again. */
  unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | FLAG_WAIT_KILLABLE_RECV;
  long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
  if (fd < 0 && errno == EINVAL)
    fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  if (fd < 0) return fault(errno, errno == EBUSY ? "another tracer listens already" : "seccomp");
  *listener = (int)fd;
  return OK;
}
