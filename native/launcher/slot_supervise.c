/* What init does once it is the sandbox's: forks jobs, reaps what ends, and does what the launcher asks of it. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "channel.h"
#include "child.h"
#include "loopback.h"
#include "slot_parts.h"
#include "sys.h"

/* Jobs that init started and that have not ended. */
#define JOBS_MAX 256
static struct {
  pid_t pid;
  uint32_t number;
} running[JOBS_MAX];

static pid_t fork_job(uint32_t number, int socket, bool pipes) {
  size_t place = 0;
  while (place < JOBS_MAX && running[place].pid) place++;
  if (place == JOBS_MAX) {
    errno = EAGAIN;
    return -1;
  }
  /* Not fork(3), whose book-keeping for threads would only cost each waiting job a page. */
  struct sys_clone_args args = {.exit_signal = SIGCHLD};
  pid_t pid = sys_clone3(&args);
  if (pid == 0) {
    close(FD_CONTROL);
    if (socket != FD_JOB) {
      dup3(socket, FD_JOB, O_CLOEXEC);
      close(socket);
    }
    sys_close_range(FD_JOB + 1, ~0u, 0);
    slot_job_main(FD_JOB, pipes);
  }
  if (pid > 0) {
    running[place].pid = pid;
    running[place].number = number;
  }
  return pid;
}

static int job_entry(void *unused) {
  (void)unused;
  close(FD_CONTROL);
  slot_job_main(FD_JOB, false);
}

/* Without slots nobody waits for a job: init sleeps until the job executes, and its memory need not be copied (vfork(2)). */
static pid_t spawn_job(void) {
  static uint8_t stack[256 * 1024] __attribute__((aligned(16)));
  pid_t pid = clone(job_entry, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
  if (pid > 0) {
    running[0].pid = pid;
    running[0].number = 0;
  }
  return pid;
}

static void report(enum slot_event event, uint32_t number, int status, const struct rusage *usage, uint32_t left) {
  struct slot_report message = {
      .event = event, .job = number, .status = status, .left = left,
      .user_us = (uint64_t)usage->ru_utime.tv_sec * 1000000 + (uint64_t)usage->ru_utime.tv_usec,
      .system_us = (uint64_t)usage->ru_stime.tv_sec * 1000000 + (uint64_t)usage->ru_stime.tv_usec,
      .max_rss_bytes = (uint64_t)usage->ru_maxrss * 1024,
  };
  channel_send(FD_CONTROL, &message, sizeof message, NULL, 0);
}

/* A job's children may be about to end by themselves, and to say their last words: they have this long. */
#define GRACE_MS 25

static bool all_ended_in_time(void) {
  for (int waited = 0; waited < GRACE_MS; waited++) {
    pid_t pid;
    while ((pid = wait4(-1, NULL, WNOHANG | __WALL, NULL)) > 0) continue;
    if (pid < 0 && errno == ECHILD) return true;
    struct timespec moment = {.tv_nsec = 1000000};
    nanosleep(&moment, NULL);
  }
  return false;
}

/* Ends whatever the job left behind, so that the result speaks of an empty sandbox. */
static uint32_t kill_the_rest(void) {
  uint32_t left = 0;
  if (slot_plan.host_view) return child_kill_tree(FD_PROC); /* here -1 would mean every process of the host */
  if (all_ended_in_time()) return 0;
  kill(-1, SIGKILL);
  for (;;) {
    pid_t pid = wait4(-1, NULL, __WALL, NULL);
    if (pid > 0) left++;
    else if (errno != EINTR) return left;
  }
}

static void reap(bool keep, bool once) {
  for (;;) {
    int status;
    struct rusage usage;
    pid_t pid = wait4(-1, &status, WNOHANG | __WALL, &usage);
    if (pid <= 0) return;
    for (size_t i = 0; i < JOBS_MAX; i++) {
      if (running[i].pid != pid) continue;
      running[i].pid = 0;
      uint32_t left = 0;
      if (!keep) {
        left = kill_the_rest();
        getrusage(RUSAGE_CHILDREN, &usage);
      }
      report(SLOT_ENDED, running[i].number, status, &usage, left);
      if (once) _exit(0);
      break;
    }
  }
}

/* One command of several: all that it started, in whatever session, ends with it, and nothing else. */
static void end_job(pid_t pid) {
  int proc = openat(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (proc < 0) {
    kill(-pid, SIGKILL);
    return;
  }
  child_kill_below(proc, pid);
  close(proc);
}

static void dial(const struct slot_request *request) {
  struct slot_report message = {.event = SLOT_DIALED, .job = request->job};
  int fd = -1;
  message.status = loopback_connect((uint16_t)request->signal, &fd);
  channel_send(FD_CONTROL, &message, sizeof message, &fd, fd < 0 ? 0 : 1);
  if (fd >= 0) close(fd);
}

/* Of this network namespace; the launcher binds it, which has the capability for low ports still. */
static void open_datagram(const struct slot_request *request) {
  struct slot_report message = {.event = SLOT_DIALED, .job = request->job};
  int fd = socket(request->signal, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  message.status = fd < 0 ? errno : 0;
  channel_send(FD_CONTROL, &message, sizeof message, &fd, fd < 0 ? 0 : 1);
  if (fd >= 0) close(fd);
}

static void obey(const struct slot_request *request, const int *fds, size_t fd_count, bool pipes, bool *keep) {
  switch (request->command) {
    case SLOT_KEEP:
      *keep = true;
      return;
    case SLOT_FORK:
      if (fd_count == 1 && fork_job(request->job, fds[0], pipes) < 0) {
        struct rusage nothing = {0};
        report(SLOT_FAILED, request->job, errno, &nothing, 0);
      }
      return;
    case SLOT_SIGNAL:
      for (size_t i = 0; i < JOBS_MAX; i++) {
        if (!running[i].pid || running[i].number != request->job) continue;
        /* Not reaped yet, so the number still means this job. */
        if (*keep && !slot_plan.host_view && request->signal == SIGKILL) {
          end_job(running[i].pid);
          continue;
        }
        /* Its group, or before setsid the process itself. */
        if (kill(-running[i].pid, request->signal) < 0) kill(running[i].pid, request->signal);
      }
      return;
    case SLOT_DIAL:
      dial(request);
      return;
    case SLOT_DATAGRAM:
      open_datagram(request);
      return;
    default:
      return;
  }
}

/* What only making the sandbox needed: its mounts. Many sandboxes may wait here for their job. */
static void forget_mounts(void) {
  uintptr_t first = ((uintptr_t)&slot_plan.mounts[0] + 4095) & ~(uintptr_t)4095;
  uintptr_t last = (uintptr_t)&slot_plan.mounts[PLAN_MOUNTS_MAX] & ~(uintptr_t)4095;
  if (last > first) madvise((void *)first, last - first, MADV_DONTNEED);
}

static _Noreturn void supervise(int signals, bool pipes) {
  bool keep = false;
  struct pollfd watched[2] = {{.fd = FD_CONTROL, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
  sys_trim_stack();
  for (;;) {
    if (poll(watched, 2, -1) < 0) {
      if (errno == EINTR) continue;
      _exit(1);
    }
    if (watched[0].revents) {
      struct slot_request request;
      int fds[1];
      size_t fd_count;
      ssize_t got = channel_receive(FD_CONTROL, &request, sizeof request, fds, 1, &fd_count);
      if (got <= 0) { /* the launcher is gone, or done with us: the kernel ends all else in here */
        if (slot_plan.host_view) kill_the_rest();
        _exit(0);
      }
      if (got == (ssize_t)sizeof request) obey(&request, fds, fd_count, pipes, &keep);
      for (size_t i = 0; i < fd_count; i++) close(fds[i]);
    }
    if (watched[1].revents) {
      struct signalfd_siginfo seen;
      (void)!read(signals, &seen, sizeof seen);
      reap(keep, !pipes);
    }
  }
}

_Noreturn void slot_supervise(bool pipes) {
  forget_mounts();
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_SETMASK, &children, NULL);
  int signals = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0 || (pipes ? fork_job(0, FD_JOB, true) : spawn_job()) < 0)
    slot_job_give_up(FD_JOB, fail(ERR_RESOURCE, errno, "fork job", NULL));
  close(FD_JOB);
  supervise(signals, pipes);
}
