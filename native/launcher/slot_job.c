/* A job, from the fork to execve: one story, in one order. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "channel.h"
#include "child.h"
#include "confine.h"
#include "files.h"
#include "frame.h"
#include "mount.h"
#include "slot_parts.h"
#include "sys.h"

/* One process, one job at a time: static, so that nothing is allocated after the clone. */
static struct job job;

bool slot_job_tell(int socket, enum job_event event, struct err error, const int *fds, size_t fd_count) {
  struct job_report report = {.event = event, .class = error.class, .errnum = error.errnum};
  if (error.step) snprintf(report.step, sizeof report.step, "%s", error.step);
  if (error.what) snprintf(report.what, sizeof report.what, "%s", error.what);
  return channel_send(socket, &report, sizeof report, fds, fd_count);
}

_Noreturn void slot_job_give_up(int socket, struct err error) {
  slot_job_tell(socket, JOB_FAILED, error, NULL, 0);
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
  slot_job_tell(socket, JOB_PTY, OK, &master, 1);
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
  if (!slot_plan.host_view) return confine_seal(&slot_plan, ruleset, listener);
  if (slot_plan.no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return fail(ERR_SYSTEM, errno, "no_new_privs", NULL);
  return slot_plan.processes ? child_limit_processes(slot_plan.processes) : OK;
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
  if (slot_plan.host_view && job.mount_count > 0) return fail(ERR_JOB, EINVAL, "mount without a sandbox", job.mounts[0].target);
  if (header.kind != JOB_FILES && !slot_plan.host_view) TRY(mount_job(&slot_plan, &job, header.fd_counts, fds));
  if (header.kind == JOB_BIND) return OK;
  TRY(confine_rules(&slot_plan.landlock, ruleset, job.rules, job.rule_count));
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
  if (listener >= 0 && !slot_job_tell(socket, JOB_LISTENER, OK, &listener, 1)) return fail(ERR_SYSTEM, errno, "hand over listener", NULL);
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
  slot_job_tell(socket, JOB_READY, OK, reading, 2);
  close(reading[0]);
  close(reading[1]);
  return OK;
}

static struct err job_prepare(int socket, bool pipes, int *ruleset) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  /* A session of its own: no controlling terminal to push input into (CVE-2017-5226). */
  if (setsid() < 0) return fail(ERR_SYSTEM, errno, "setsid", NULL);
  TRY(confine_ruleset(&slot_plan.landlock, ruleset));
  TRY(confine_rlimits(slot_plan.rlimits, slot_plan.rlimit_count));
  if (!slot_plan.host_view) TRY(confine_prepare(&slot_plan.capabilities));
  return pipes ? make_pipes(socket) : OK;
}

_Noreturn void slot_job_main(int socket, bool pipes) {
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
    if (failed(result)) slot_job_give_up(socket, result);
    slot_job_tell(socket, JOB_BOUND, OK, NULL, 0);
  }
}
