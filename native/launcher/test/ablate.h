/* Takes out, one by one, what no plan can take out of the launcher, so that the escape tests can show each attack succeed
   first. Included before every source of a launcher that test/escape/harness.ts builds; never part of a release. */
#include <grp.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../sys.h"

/* Descriptors 3 to 22 stay open: the caller fills them, so that the launcher's own lie above, whose ends it must see close. */
#ifdef CAISSON_ABLATE_CLOSE_RANGE
#define sys_close_range(first, last, flags) sys_close_range((first) < 23 ? 23 : (first), (last), (flags))
#endif

/* The launcher runs from the file of the host. */
#ifdef CAISSON_ABLATE_SEAL
#define sys_execveat(dir, path, argv, envp, flags) 0
#endif

/* The guest stays in the caller's session, with its controlling terminal. */
#ifdef CAISSON_ABLATE_SETSID
#define setsid() 0
#endif

/* The caller's supplementary groups stay. */
#ifdef CAISSON_ABLATE_SETGROUPS
#define setgroups(count, list) 0
#endif

/* setgroups stays allowed in the sandbox's user namespace. */
#ifdef CAISSON_ABLATE_SETGROUPS_DENY
#define write(fd, data, size) \
  ((size) == 4 && memcmp((data), "deny", 4) == 0 ? (ssize_t)4 : (write)((fd), (data), (size)))
#endif

/* Links in the sources and targets of mounts are followed. */
#ifdef CAISSON_ABLATE_NO_LINKS
#define sys_openat2(dir, path, flags, mode, resolve) openat((dir), (path), (int)((flags) & ~(uint64_t)O_NOFOLLOW) | O_CLOEXEC)
#endif

/* What is bound stays in the peer group of its source: mounts made on it appear on the host, too (mount_namespaces(7)). */
#ifdef CAISSON_ABLATE_PRIVATE
static inline int ablate_mount_setattr(int dir, const char *path, unsigned flags, struct sys_mount_attr attr) {
  attr.propagation = 0;
  return sys_mount_setattr(dir, path, flags, &attr);
}
#define sys_mount_setattr(dir, path, flags, attr) ablate_mount_setattr((dir), (path), (flags), *(attr))
#endif

/* Whatever is mounted on /proc is taken for a proc. */
#ifdef CAISSON_ABLATE_PROC_CHECK
#define fstatfs(fd, out) ((out)->f_type = 0x9fa0, 0)
#endif

/* A working directory outside of the sandbox's root is taken as it is (getcwd(2): "(unreachable)"). */
#ifdef CAISSON_ABLATE_CWD
#define getcwd(buffer, size) strcpy((buffer), "/")
#endif

/* Init, and a job before its execve, can be traced by their own user. */
#ifdef CAISSON_ABLATE_DUMPABLE
static inline int ablate_prctl(int option, const unsigned long given[5]) {
  return prctl(option, option == PR_SET_DUMPABLE ? 1 : given[0], given[1], given[2], given[3], given[4]);
}
#define prctl(option, ...) ablate_prctl((option), (const unsigned long[5]){__VA_ARGS__})
#endif

/* Nothing keeps set-user-ID programs from working; in its place a call that changes nothing of weight. */
#ifdef CAISSON_ABLATE_NO_NEW_PRIVS
#undef PR_SET_NO_NEW_PRIVS
#define PR_SET_NO_NEW_PRIVS PR_SET_TIMERSLACK
#endif
