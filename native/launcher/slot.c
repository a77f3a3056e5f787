/* Over 300 lines because what happens between the clone and execve is one story, in one order, on one static memory. */
#include "slot.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "channel.h"
#include "child.h"
#include "confine.h"
#include "files.h"
#include "frame.h"
#include "loopback.h"
#include "launch.h"
#include "mount.h"
#include "sys.h"

/* Fixed numbers inside a sandbox; everything above is closed before anything else happens. */
enum { FD_CONTROL = 3, FD_JOB = 4, FD_PROC = 5, FD_FIRST_FREE = 6 };

/* One process, one plan, one job at a time: static, so that nothing is allocated after the clone. */
static struct plan plan;
static struct sock_filter filter[PLAN_FILTER_MAX];
static struct job job;

static bool job_tell(int socket, enum job_event event, struct err error, const int *fds, size_t fd_count) {
  struct job_report report = {.event = event, .class = error.class, .errnum = error.errnum};
  if (error.step) snprintf(report.step, sizeof report.step, "%s", error.step);
  if (error.what) snprintf(report.what, sizeof report.what, "%s", error.what);
  return channel_send(socket, &report, sizeof report, fds, fd_count);
}

static _Noreturn void job_give_up(int socket, struct err error) {
  job_tell(socket, JOB_FAILED, error, NULL, 0);
  _exit(127);
}

/* Where the command is, as the guest sees it: the path itself if it has a slash, else along PATH of its environment. */
static struct err execute(const char *const *argv, const char *const *envp) {
  const char *name = argv[0];
  if (strchr(name, '/')) {
    execve(name, (char *const *)(size_t)argv, (char *const *)(size_t)envp);
    return fail(ERR_COMMAND, errno, "execve", name);
  }
  const char *path = "/usr/local/bin:/usr/bin:/bin";
  for (size_t i = 0; envp[i]; i++)
    if (strncmp(envp[i], "PATH=", 5) == 0) path = envp[i] + 5;
  int error = ENOENT;
  while (*name) {
    size_t length = strcspn(path, ":");
    char candidate[PATH_MAX];
    if (length > 0 && path[0] == '/' &&
        snprintf(candidate, sizeof candidate, "%.*s/%s", (int)length, path, name) < (int)sizeof candidate) {
      execve(candidate, (char *const *)(size_t)argv, (char *const *)(size_t)envp);
      if (errno != ENOENT && errno != ENOTDIR) error = errno;
      if (errno == E2BIG || errno == ENOMEM) break;
    }
    if (path[length] == 0) break;
    path += length + 1;
  }
  return fail(ERR_COMMAND, error, "execve", name);
}

static int open_null(void) { return openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY); }

static struct err open_terminal(int socket, int *slave) {
  int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0) return fail(ERR_SYSTEM, errno, "open terminal", "/dev/ptmx");
  int unlock = 0;
  struct winsize size = {.ws_row = (unsigned short)job.rows, .ws_col = (unsigned short)job.columns};
  if (ioctl(master, TIOCSPTLCK, &unlock) < 0 || ioctl(master, TIOCSWINSZ, &size) < 0)
    return fail(ERR_SYSTEM, errno, "set up terminal", NULL);
  *slave = ioctl(master, 0x5441 /* TIOCGPTPEER */, O_RDWR | O_NOCTTY);
  if (*slave < 0) return fail(ERR_SYSTEM, errno, "open terminal's other end", NULL);
  if (ioctl(*slave, TIOCSCTTY, 0) < 0) return fail(ERR_SYSTEM, errno, "controlling terminal", NULL);
  job_tell(socket, JOB_PTY, OK, &master, 1);
  close(master);
  return OK;
}

/* Before the job is known 0 is /dev/null and 1 and 2 are the pipes; here is what a job wants otherwise. */
static struct err place_stdio(int socket, const struct job_header *header, int stdin_fd) {
  int wanted[3] = {stdin_fd, -1, -1};
  if (header->inherit) return OK;
  if (job.pty) {
    int slave = -1;
    TRY(open_terminal(socket, &slave));
    wanted[0] = wanted[1] = wanted[2] = slave;
  }
  if (!job.pty && job.stdout_mode == STDIO_NULL) wanted[1] = open_null();
  if (!job.pty && job.stderr_mode == STDIO_NULL) wanted[2] = open_null();
  for (int fd = 0; fd < 3; fd++)
    if (wanted[fd] >= 0 && dup2(wanted[fd], fd) < 0) return fail(ERR_SYSTEM, errno, "place stdio", NULL);
  return OK;
}

static struct err enter_directory(const char *cwd) {
  if (chdir(cwd) < 0) return fail(ERR_JOB, errno, "working directory", cwd);
  char seen[PATH_MAX];
  /* "(unreachable)" would mean a directory outside of the root (CVE-2024-21626). */
  if (!getcwd(seen, sizeof seen) || seen[0] != '/') return fail(ERR_JOB, ENOENT, "working directory", cwd);
  return OK;
}

/* `file` is -1 where the record follows on the socket. */
static struct err read_job(int socket, const struct job_header *header, int file) {
  static uint8_t small[JOB_IN_MESSAGE_MAX];
  const uint8_t *bytes = small;
  if (header->length > (file < 0 ? sizeof small : FRAME_MAX)) return fail(ERR_JOB, EMSGSIZE, "read job", NULL);
  if (file >= 0) {
    bytes = mmap(NULL, header->length, PROT_READ, MAP_PRIVATE, file, 0);
    if (bytes == MAP_FAILED) return fail(ERR_RESOURCE, errno, "read job", NULL);
    close(file);
  }
  size_t none;
  if (file < 0 && header->length > 0 && !channel_receive_all(socket, small, header->length, NULL, 0, &none))
    return fail(ERR_SYSTEM, errno, "read job", NULL);
  return job_parse((struct span){bytes, header->length}, &job);
}

static struct err strings(const char ***argv, const char ***envp) {
  static const char *few[512];
  size_t wanted = job.argc + job.envc + 2;
  const char **room = few;
  if (wanted > sizeof few / sizeof *few) {
    room = mmap(NULL, wanted * sizeof *room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) return fail(ERR_RESOURCE, errno, "arguments", NULL);
  }
  *argv = room;
  *envp = room + job.argc + 1;
  job_strings(&job, *argv, *envp);
  return OK;
}

static struct err seal(int ruleset, int *listener) {
  if (listener) *listener = -1;
  if (!plan.host_view) return confine_seal(&plan, ruleset, listener);
  if (plan.no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return fail(ERR_SYSTEM, errno, "no_new_privs", NULL);
  return plan.processes ? child_limit_processes(plan.processes) : OK;
}

/* Takes one job from the socket and carries it out. Returns after JOB_BIND alone, or with what went wrong. */
static struct err job_take(int socket, int ruleset) {
  struct job_header header;
  int fds[CHANNEL_FDS_MAX];
  size_t fd_count;
  sys_trim_stack();
  if (!channel_receive_all(socket, &header, sizeof header, fds, CHANNEL_FDS_MAX, &fd_count)) _exit(0);
  size_t mount_fds = 0;
  for (size_t i = 0; i < JOB_MOUNTS_MAX; i++) mount_fds += header.fd_counts[i];
  if (mount_fds + (header.has_stdin ? 1 : 0) + (header.in_file ? 1 : 0) != fd_count)
    return fail(ERR_MESSAGE, EBADMSG, "descriptors of a job", NULL);
  int file = header.in_file ? fds[--fd_count] : -1;
  int stdin_fd = header.has_stdin ? fds[fd_count - 1] : -1;
  TRY(read_job(socket, &header, file));
  if (plan.host_view && job.mount_count > 0) return fail(ERR_JOB, EINVAL, "mount without a sandbox", job.mounts[0].target);
  if (header.kind != JOB_FILES && !plan.host_view) TRY(mount_job(&plan, &job, header.fd_counts, fds));
  if (header.kind == JOB_BIND) return OK;
  TRY(confine_rules(&plan.landlock, ruleset, job.rules, job.rule_count));
  TRY(confine_rlimits(job.rlimits, job.rlimit_count));
  TRY(enter_directory(job.cwd));
  if (header.kind == JOB_FILES) {
    TRY(seal(ruleset, NULL));
    files_serve(socket);
  }
  /* Kept across execve: what its descendants leave behind stays below it, and can be found when it has to end. */
  if (header.kind == JOB_EXEC_AMONG_OTHERS && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
    return fail(ERR_SYSTEM, errno, "subreaper", NULL);
  const char **argv, **envp;
  TRY(strings(&argv, &envp));
  if (job.argc == 0) return fail(ERR_JOB, EINVAL, "no command", NULL);
  TRY(place_stdio(socket, &header, stdin_fd));
  /* Nothing but stdio survives execve, whatever was forgotten above (CVE-2024-21626, CVE-2019-5736). */
  if (sys_close_range(3, ~0u, SYS_CLOSE_RANGE_CLOEXEC) < 0) return fail(ERR_SYSTEM, errno, "close_range", NULL);
  int listener;
  TRY(seal(ruleset, &listener));
  /* Nobody to answer, and the first such call would wait for ever. */
  if (listener >= 0 && !job_tell(socket, JOB_LISTENER, OK, &listener, 1)) return fail(ERR_SYSTEM, errno, "hand over listener", NULL);
  return execute(argv, envp);
}

/* 0 is /dev/null, or an empty pipe in a sandbox without one; 1 and 2 are pipes whose reading ends go to the launcher. They
   are made in here, so that they belong to the guest, which may open /dev/stdout anew. */
static struct err make_pipes(int socket) {
  int reading[2], ends[2];
  int nothing = open_null();
  if (nothing < 0) {
    if (pipe2(ends, O_CLOEXEC) < 0) return fail(ERR_RESOURCE, errno, "pipe", NULL);
    nothing = ends[0];
    close(ends[1]);
  }
  dup2(nothing, 0);
  close(nothing);
  for (int i = 0; i < 2; i++) {
    if (pipe2(ends, O_CLOEXEC) < 0 || dup2(ends[1], 1 + i) < 0) return fail(ERR_RESOURCE, errno, "pipe", NULL);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    close(ends[1]);
    reading[i] = ends[0];
  }
  job_tell(socket, JOB_READY, OK, reading, 2);
  close(reading[0]);
  close(reading[1]);
  return OK;
}

static struct err job_prepare(int socket, bool pipes, int *ruleset) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  /* A session of its own: no controlling terminal to push input into (CVE-2017-5226). */
  if (setsid() < 0) return fail(ERR_SYSTEM, errno, "setsid", NULL);
  TRY(confine_ruleset(&plan.landlock, ruleset));
  TRY(confine_rlimits(plan.rlimits, plan.rlimit_count));
  if (!plan.host_view) TRY(confine_prepare(&plan.capabilities));
  return pipes ? make_pipes(socket) : OK;
}

static _Noreturn void job_main(int socket, bool pipes) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  /* What `serve` ignores would stay ignored through execve. */
  signal(SIGPIPE, SIG_DFL);
  signal(SIGINT, SIG_DFL);
  signal(SIGQUIT, SIG_DFL);
  int ruleset = -1;
  struct err result = job_prepare(socket, pipes, &ruleset);
  for (;;) {
    if (!failed(result)) result = job_take(socket, ruleset);
    if (failed(result)) job_give_up(socket, result);
    job_tell(socket, JOB_BOUND, OK, NULL, 0);
  }
}

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
    job_main(FD_JOB, pipes);
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
  job_main(FD_JOB, false);
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
  if (plan.host_view) return child_kill_tree(FD_PROC); /* here -1 would mean every process of the host */
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
        if (*keep && !plan.host_view && request->signal == SIGKILL) {
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
  uintptr_t first = ((uintptr_t)&plan.mounts[0] + 4095) & ~(uintptr_t)4095;
  uintptr_t last = (uintptr_t)&plan.mounts[PLAN_MOUNTS_MAX] & ~(uintptr_t)4095;
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
        if (plan.host_view) kill_the_rest();
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

static struct err place_descriptors(const struct slot_setup *setup, int proc) {
  int wanted[3] = {setup->control, setup->job, proc};
  for (int i = 0; i < 3; i++) {
    wanted[i] = fcntl(wanted[i], F_DUPFD_CLOEXEC, 64);
    if (wanted[i] < 0) return fail(ERR_RESOURCE, errno, "descriptors", NULL);
  }
  for (int i = 0; i < 3; i++)
    if (dup3(wanted[i], FD_CONTROL + i, O_CLOEXEC) < 0) return fail(ERR_RESOURCE, errno, "descriptors", NULL);
  if (sys_close_range(FD_FIRST_FREE, ~0u, 0) < 0) return fail(ERR_SYSTEM, errno, "close_range", NULL);
  return OK;
}

/* Its own network, and its own copy of the mounts: locked, since they belong to a user namespace above (user_namespaces(7)). */
static struct err own_mounts(int root) {
  if (fchdir(root) < 0 || chroot(".") < 0) return fail(ERR_SYSTEM, errno, "enter root", NULL);
  if (unshare(CLONE_NEWNS) < 0) return fail(ERR_SYSTEM, errno, "mount namespace", NULL);
  close(root);
  return OK;
}

static struct err become_sandbox(const struct slot_setup *setup) {
  TRY(plan_parse(setup->plan, &plan, filter));
  if (setresgid(plan.gid, plan.gid, plan.gid) < 0 || setresuid(plan.uid, plan.uid, plan.uid) < 0)
    return fail(ERR_SYSTEM, errno, "switch user", NULL);
  /* After the switch, which clears both. Unreadable and untraceable for the guest, whose uid is the same. */
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
    return fail(ERR_SYSTEM, errno, "prctl", NULL);
  umask(022);
  launch_blank_arguments();
  if ((plan.namespaces & CLONE_NEWUTS) && sethostname(plan.hostname, strlen(plan.hostname)) < 0)
    return fail(ERR_SYSTEM, errno, "hostname", NULL);
  TRY(side_channels_apart(plan.side_channels));
  TRY(mount_private(&plan, FD_PROC));
  close(FD_PROC);
  return OK;
}

/* The caller's ids, umask, mounts and all stay as they are. */
static struct err become_supervisor(const struct slot_setup *setup) {
  int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (proc < 0) return fail(ERR_SYSTEM, errno, "open", "/proc");
  TRY(place_descriptors(setup, proc));
  TRY(plan_parse_host(setup->plan, &plan));
  /* Whatever loses its parent becomes our child, so that nothing gets away by forking twice. */
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) return fail(ERR_SYSTEM, errno, "subreaper", NULL);
  return OK;
}

static _Noreturn void start_and_supervise(const struct slot_setup *setup) {
  forget_mounts();
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_SETMASK, &children, NULL);
  int signals = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0 || (setup->pipes ? fork_job(0, FD_JOB, true) : spawn_job()) < 0)
    job_give_up(FD_JOB, fail(ERR_RESOURCE, errno, "fork job", NULL));
  close(FD_JOB);
  supervise(signals, setup->pipes);
}

/* The launcher has it before it hears that the sandbox is ready; in here nothing of it stays. */
static struct err make_network(const struct slot_setup *setup) {
  int fds[NETWORK_PARTS];
  TRY(network_make(&setup->network, fds));
  int first = setup->network.kind == NETWORK_PACKETS ? NETWORK_FILTER : 0;
  job_tell(setup->job, JOB_NETWORK, OK, fds + first, (size_t)(NETWORK_PARTS - first));
  for (int i = first; i < NETWORK_PARTS; i++) close(fds[i]);
  return OK;
}

_Noreturn void slot_init(const struct slot_setup *setup) {
  struct slot_go go;
  int given[2];
  size_t fd_count;
  struct err result = OK;
  if (setup->host_view) {
    if (!channel_receive_all(setup->sync, &go, sizeof go, NULL, 0, &fd_count)) _exit(1);
    result = become_supervisor(setup);
    if (failed(result)) _exit(1);
    start_and_supervise(setup);
  }
  /* The slowest step, while the nursery writes the id maps and the launcher may still be building the root. */
  if (setup->fresh_net) {
    if (unshare(CLONE_NEWNET) < 0) result = fail(ERR_SYSTEM, errno, "network namespace", NULL);
    else result = loopback_up();
    if (!failed(result) && setup->network.kind) result = make_network(setup);
  }
  /* End-of-file: the nursery was killed. Nobody may know of us, and the launcher asks another one. */
  if (!channel_receive_all(setup->sync, &go, sizeof go, given, 2, &fd_count)) _exit(1);
  if (go.class != ERR_NONE) job_give_up(setup->job, fail((enum err_class)go.class, go.errnum, go.step, NULL));
  if (fd_count != 2) _exit(1);
  if (!failed(result)) result = own_mounts(given[1]);
  if (failed(result)) job_give_up(setup->job, result);
  result = place_descriptors(setup, given[0]);
  if (failed(result)) _exit(1);
  result = become_sandbox(setup);
  if (failed(result)) job_give_up(FD_JOB, result);
  start_and_supervise(setup);
}
