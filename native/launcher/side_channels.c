#include "side_channels.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sys.h"

/* linux/prctl.h of 5.14 and later. */
#define SYS_PR_SPEC_L1D_FLUSH 2ul
#define SYS_PR_SCHED_CORE 62
#define SYS_PR_SCHED_CORE_GET 0ul
#define SYS_PR_SCHED_CORE_CREATE 1ul
#define SYS_PR_SCHED_CORE_SCOPE_THREAD 0ul
#define SYS_PR_SCHED_CORE_SCOPE_THREAD_GROUP 1ul

struct err side_channels_apart(uint32_t asked) {
  if (!(asked & SIDE_CORE)) return OK;
  if (prctl(SYS_PR_SCHED_CORE, SYS_PR_SCHED_CORE_CREATE, 0ul, SYS_PR_SCHED_CORE_SCOPE_THREAD_GROUP, 0ul) < 0)
    return fail(ERR_UNSUPPORTED, errno, "core scheduling", NULL);
  return OK;
}

struct err side_channels_job(uint32_t asked, bool guest) {
  /* FORCE_DISABLE: the guest cannot take it back. Of the flush ENABLE is the word, and taking that back exposes the guest alone. */
  if (asked & SIDE_STORE_BYPASS && prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_FORCE_DISABLE, 0ul, 0ul) < 0)
    return fail(ERR_UNSUPPORTED, errno, "speculative store bypass", NULL);
  if (asked & SIDE_INDIRECT_BRANCH && prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH, PR_SPEC_FORCE_DISABLE, 0ul, 0ul) < 0)
    return fail(ERR_UNSUPPORTED, errno, "indirect branch speculation", NULL);
  if (asked & SIDE_L1D_FLUSH && prctl(PR_SET_SPECULATION_CTRL, SYS_PR_SPEC_L1D_FLUSH, PR_SPEC_ENABLE, 0ul, 0ul) < 0)
    return fail(ERR_UNSUPPORTED, errno, "L1D flush", NULL);
  if (asked & SIDE_TSC && guest && prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0ul, 0ul, 0ul) < 0)
    return fail(ERR_UNSUPPORTED, errno, "time stamp counter", NULL);
  return OK;
}

/* PR_SPEC_* bits, or -errno. */
static int32_t speculation(unsigned long which) {
  int state = prctl(PR_GET_SPECULATION_CTRL, which, 0ul, 0ul, 0ul);
  return state < 0 ? -errno : state;
}

static _Noreturn void trapped(int number) {
  (void)number;
  _exit(0);
}

/* Whether the counter really is out of reach: a virtual machine may let it through whatever is set. The answer is the exit
   status of a child, an errno; with a handler, so that the kernel logs no crash. */
static int32_t try_tsc(void) {
  struct sys_clone_args args = {.exit_signal = SIGCHLD};
  pid_t pid = sys_clone3(&args);
  if (pid < 0) return errno;
  if (pid == 0) {
    signal(SIGSEGV, trapped);
    if (prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0ul, 0ul, 0ul) < 0) _exit(errno);
#if defined __x86_64__
    unsigned low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
#elif defined __aarch64__
    uint64_t count;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
#endif
    _exit(ENOTSUP);
  }
  int status;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

void side_channels_facts(struct out *out) {
  out_i32(out, 24, speculation(PR_SPEC_STORE_BYPASS));
  out_i32(out, 25, speculation(PR_SPEC_INDIRECT_BRANCH));
  out_i32(out, 26, speculation(SYS_PR_SPEC_L1D_FLUSH));
  uint64_t cookie;
  int got = prctl(SYS_PR_SCHED_CORE, SYS_PR_SCHED_CORE_GET, 0ul, SYS_PR_SCHED_CORE_SCOPE_THREAD, (unsigned long)&cookie);
  out_i32(out, 27, got < 0 ? errno : 0);
  out_i32(out, 28, try_tsc());
}
