#include "run.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "cgroup.h"
#include "channel.h"
#include "launch.h"
#include "notify.h"
#include "nursery.h"
#include "sys.h"

/* Tags of a job that the command line decides (protocol/PROTOCOL.md, "Job"). */
enum { JOB_TAG_ARGV = 1, JOB_TAG_STDIN = 9, JOB_TAG_STDOUT = 10, JOB_TAG_STDERR = 11 };
/* For a guest that was asked to end; the same in src/cli/guest-signals.ts. */
#define GRACE_MS 2000
#define PLAN_FILE_MAX (64 * 1024 * 1024)

static struct plan plan;
static struct sock_filter filter[PLAN_FILTER_MAX];
static struct job job;
static struct job_report told;
static struct cgroup_tree tree;
static struct cgroup_cell cell;
static struct notify_log refused;

static struct err map_file(const char *path, struct span *out) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat st;
  if (fd < 0 || fstat(fd, &st) < 0) return fail(ERR_PLAN, errno, "open plan", path);
  if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > (off_t)PLAN_FILE_MAX) {
    close(fd);
    return fail(ERR_PLAN, EFBIG, "open plan", path);
  }
  void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  int error = errno;
  close(fd);
  if (bytes == MAP_FAILED) return fail(ERR_RESOURCE, error, "map plan", path);
  *out = (struct span){bytes, (size_t)st.st_size};
  return OK;
}

/* The plan's default job, with the command line's argv and our own stdio. */
static struct err make_job(char **argv, struct out *bytes) {
  struct span rest = plan.default_job;
  struct field field;
  bool bad = false;
  while (wire_next(&rest, &field, &bad))
    if (field.tag < JOB_TAG_STDIN || field.tag > JOB_TAG_STDERR)
      out_bytes(bytes, field.tag, field.body.data, field.body.length);
  if (bad) return fail(ERR_PLAN, EBADMSG, "default job", NULL);
  for (; *argv; argv++) out_str(bytes, JOB_TAG_ARGV, *argv);
  out_u32(bytes, JOB_TAG_STDIN, STDIO_INHERIT);
  out_u32(bytes, JOB_TAG_STDOUT, STDIO_INHERIT);
  out_u32(bytes, JOB_TAG_STDERR, STDIO_INHERIT);
  if (bytes->failed) return fail(ERR_RESOURCE, ENOMEM, "make job", NULL);
  TRY(job_parse((struct span){bytes->data, bytes->length}, &job));
  return job_fits(&plan, &job);
}

static struct err enter_cgroup(void) {
  struct cgroup_plan merged = cgroup_merge(&plan.cgroup, &job.cgroup);
  /* Each hierarchy that is entered costs a wait. Memory and processes are always counted, and their limits reported. */
  tree.skip = 1u << CGROUP_V1_CPUACCT | 1u << CGROUP_V1_FREEZER;
  if (!(merged.set & (CG_CPU_QUOTA | CG_CPU_PERIOD | CG_CPU_WEIGHT))) tree.skip |= 1u << CGROUP_V1_CPU;
  if (!(merged.set & (CG_READ_BYTES | CG_WRITE_BYTES | CG_READ_OPS | CG_WRITE_OPS))) tree.skip |= 1u << CGROUP_V1_BLKIO;
  TRY(cgroup_tree_open(&tree));
  struct err result = cgroup_cell_open(&tree, 0, &cell);
  if (!failed(result)) result = cgroup_cell_apply(&tree, &cell, &merged, 1);
  if (!failed(result) && !tree.v2_limits) result = cgroup_cell_enter(&tree, &cell);
  if (!failed(result)) cgroup_cell_begin(&cell);
  return result;
}

/* The launcher itself stands in the v1 groups: back to where it came from, so that they can be removed. */
static void leave_cgroup(const struct host *host) {
  if (host->mount_ns >= 0 && setns(host->mount_ns, CLONE_NEWNS) < 0) return; /* the next launcher removes them */
  for (size_t i = 0; i < CGROUP_V1_COUNT; i++) {
    if (!tree.base.v1[i][0]) continue;
    char path[CGROUP_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/cgroup.procs", tree.base.v1[i]);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) continue;
    (void)!write(fd, "0", 1);
    close(fd);
  }
  cgroup_cell_close(&tree, &cell, &(unsigned){2000});
  cgroup_tree_close(&tree);
}

struct running {
  int control, job_socket, pidfd, signals;
  int listener, proc; /* where notified calls wait; /proc of the host */
  uint64_t deadline_ms; /* 0: none */
  uint64_t grace_ms;    /* when a guest that was asked to end is ended; 0: none */
  int asked;            /* the signal that asked first; 0: none */
  bool killed;          /* ended by us because of it */
  bool denied;          /* ended by us for a notified call */
};

static uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void end_asked(struct running *run) {
  run->killed = true;
  run->grace_ms = 0;
  sys_pidfd_kill(run->pidfd, SIGKILL);
}

/* Milliseconds until the clock matters next, at most a minute; -1: never. */
static int time_left(const struct running *run) {
  uint64_t next = run->deadline_ms;
  if (run->grace_ms && (!next || run->grace_ms < next)) next = run->grace_ms;
  if (!next) return -1;
  uint64_t now = now_ms();
  return now >= next ? 0 : (int)(next - now < 60000 ? next - now : 60000);
}

static void pass_signal(struct running *run) {
  struct signalfd_siginfo seen;
  if (read(run->signals, &seen, sizeof seen) != (ssize_t)sizeof seen) return;
  int number = (int)seen.ssi_signo;
  bool ends = number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT;
  if (ends && run->asked) {
    end_asked(run);
    return;
  }
  /* Ctrl-C at a terminal is the guest's to handle. Whatever else asks us to end ends the guest after a grace. */
  if (ends) run->asked = number;
  if (ends && !(number == SIGINT && isatty(STDIN_FILENO))) run->grace_ms = now_ms() + GRACE_MS;
  struct slot_request request = {.command = SLOT_SIGNAL, .job = 0, .signal = (int32_t)seen.ssi_signo};
  channel_send(run->control, &request, sizeof request, NULL, 0);
}

/* False: nothing more will come. */
static bool answer(struct running *run) {
  enum notify_state state = notify_take(run->listener, &plan, run->proc, &refused, NULL);
  if (state == NOTIFY_ENDS) {
    run->denied = true;
    sys_pidfd_kill(run->pidfd, SIGKILL);
  }
  return state != NOTIFY_ENDS && state != NOTIFY_GONE;
}

static struct err wait_for_end(struct running *run, struct slot_report *report, bool *timed_out) {
  struct pollfd watched[5] = {{.fd = run->control, .events = POLLIN},
                              {.fd = run->job_socket, .events = POLLIN},
                              {.fd = run->signals, .events = POLLIN},
                              {.fd = cell.oom_event, .events = POLLIN},
                              {.fd = -1, .events = POLLIN}};
  for (;;) {
    int ready = poll(watched, 5, time_left(run));
    if (ready < 0 && errno != EINTR) return fail(ERR_SYSTEM, errno, "poll", NULL);
    if (run->grace_ms && now_ms() >= run->grace_ms) end_asked(run);
    if (run->deadline_ms && !*timed_out && now_ms() >= run->deadline_ms) {
      *timed_out = true;
      run->deadline_ms = 0;
      sys_pidfd_kill(run->pidfd, SIGKILL);
    }
    if (ready <= 0) continue;
    if (watched[1].revents) {
      size_t count;
      bool more = channel_receive_all(run->job_socket, &told, sizeof told, &run->listener, 1, &count);
      if (more && told.event == JOB_FAILED) return launch_error_of(&told);
      if (more && count == 1) watched[4].fd = run->listener;
      else watched[1].fd = -1;
    }
    if (watched[4].revents && !answer(run)) watched[4].fd = -1;
    if (watched[3].revents) {
      sys_pidfd_kill(run->pidfd, SIGKILL);
      watched[3].fd = -1;
    }
    if (watched[2].revents) pass_signal(run);
    if (watched[0].revents) {
      size_t none;
      ssize_t got = channel_receive(run->control, report, sizeof *report, NULL, 0, &none);
      if (got == (ssize_t)sizeof *report && report->event == SLOT_ENDED) return OK;
      *report = (struct slot_report){.event = SLOT_ENDED, .status = SIGKILL};
      return OK; /* init was killed, and with it everything in its pid namespace */
    }
  }
}

/* Everything of a sandbox but its root: init makes its network while we build that. */
static struct err begin(const struct host *host, struct span plan_bytes, uid_t uid, gid_t gid, struct running *run,
                        struct birth *birth) {
  int control[2], socket[2], memory;
  TRY(launch_seal_plan(plan_bytes, &memory));
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0 ||
      socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socket) < 0)
    return fail(ERR_RESOURCE, errno, "socketpair", NULL);
  struct nursery_request request = {
      .namespaces = plan.namespaces, .plan_length = (uint32_t)plan_bytes.length,
      .inside_uid = plan.uid, .outside_uid = uid, .inside_gid = plan.gid, .outside_gid = gid,
      .into_cgroup = plan.cgroup.present && cell.v2 >= 0,
  };
  struct nursery_fds fds = {-1, memory, control[1], socket[1], -1, cell.v2};
  TRY(nursery_begin(host, &request, &fds, false, birth));
  close(control[1]);
  close(socket[1]);
  close(memory);
  run->control = control[0];
  run->job_socket = socket[0];
  run->pidfd = birth->pidfd;
  return OK;
}

static struct err start(struct host *host, struct span plan_bytes, struct span job_bytes, struct running *run) {
  uid_t uid = launch_guest_uid(host, (unsigned)getpid());
  gid_t gid = launch_guest_gid(host, (unsigned)getpid());
  struct job_mounts mounts;
  struct birth birth;
  if (unshare(CLONE_NEWNS) < 0) return fail(ERR_SYSTEM, errno, "mount namespace", NULL);
  close(host->root);
  host->root = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (host->root < 0) return fail(ERR_SYSTEM, errno, "open root", NULL);
  TRY(begin(host, plan_bytes, uid, gid, run, &birth));
  TRY(launch_clone_mounts(host, &job, uid, gid, &mounts));
  TRY(mount_template(host, &plan));
  TRY(nursery_raise(host, false, &birth));
  return launch_send_job(run->job_socket, JOB_EXEC, true, job_bytes, &mounts, -1);
}

/* From here on there may be a sandbox; `report` is what its init said of it. */
static struct err run_sandbox(struct host *host, struct span plan_bytes, struct span job_bytes, uint64_t wall_ms,
                              struct running *run, struct slot_report *report, bool *timed_out) {
  run->proc = host->proc;
  sigset_t passed;
  sigemptyset(&passed);
  const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaddset(&passed, signals[i]);
  sigprocmask(SIG_BLOCK, &passed, NULL);
  run->signals = signalfd(-1, &passed, SFD_CLOEXEC);
  struct err result = start(host, plan_bytes, job_bytes, run);
  if (wall_ms) run->deadline_ms = now_ms() + wall_ms;
  if (!failed(result)) result = wait_for_end(run, report, timed_out);
  if (run->pidfd > 0) {
    /* Its init has nothing left to do; what the report says is final. */
    if (failed(result)) sys_pidfd_kill(run->pidfd, SIGKILL);
    close(run->control);
    siginfo_t info;
    sys_waitid(SYS_P_PIDFD, run->pidfd, &info, WEXITED, NULL);
  }
  return result;
}

struct err run_plan(const char *plan_path, char **argv, int *exit_code) {
  struct span bytes;
  struct out job_bytes = {0};
  TRY(map_file(plan_path, &bytes));
  TRY(plan_parse(bytes, &plan, filter));
  /* Somebody has to decide what passes, and here is nobody. */
  if (plan.network.kind) return fail(ERR_UNSUPPORTED, ENOTSUP, "network", "a filtered network needs its proxy");
  TRY(make_job(argv, &job_bytes));
  struct limits_plan limits = limits_merge(&plan.limits, &job.limits);
  struct host host = {.mount_ns = -1};
  struct running run = {.listener = -1};
  struct slot_report report = {0};
  struct cgroup_usage usage = {0};
  bool timed_out = false;
  cell.oom_event = cell.v2 = -1;
  struct err result = plan.cgroup.present ? enter_cgroup() : OK;
  if (!failed(result)) result = launch_prepare(&host);
  if (!failed(result))
    result = run_sandbox(&host, bytes, (struct span){job_bytes.data, job_bytes.length}, limits.wall_ms, &run, &report, &timed_out);
  if (plan.cgroup.present) {
    cgroup_cell_read(&cell, &usage);
    leave_cgroup(&host);
  }
  if (failed(result)) return result;
  bool signaled = !timed_out && !usage.out_of_memory && !run.denied && WIFSIGNALED(report.status);
  notify_say(&plan, &refused);
  if (timed_out) fprintf(stderr, "caisson: timed out: ended after its wall-clock limit of %llu ms\n", (unsigned long long)limits.wall_ms);
  if (usage.out_of_memory) fprintf(stderr, "caisson: out of memory\n");
  if (signaled && run.killed) fprintf(stderr, "caisson: killed\n");
  else if (signaled) fprintf(stderr, "caisson: the command was ended by signal %d\n", WTERMSIG(report.status));
  if (usage.processes_hit) fprintf(stderr, "caisson: limits hit: processes\n");
  *exit_code = timed_out                      ? 124
               : run.denied                   ? 128 + SIGSYS
               : usage.out_of_memory          ? 137
               : signaled && run.killed       ? 128 + run.asked
               : WIFEXITED(report.status)     ? WEXITSTATUS(report.status)
                                              : 128 + WTERMSIG(report.status);
  return OK;
}
