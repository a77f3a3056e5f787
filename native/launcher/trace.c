#include "trace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sys.h"
#include "trace_call.h"
#include "trace_calls.h"
#include "trace_record.h"

/* linux/seccomp.h of Linux 6.6: the caller of the answer gives its CPU to who waits for it. */
#define NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SYNC_WAKE_UP 1ull

#define SAMPLE_MS 50
/* A fork asks for a sample, but not more often than this. */
#define SAMPLE_FORK_MS 5
/* A reader that shows progress waits for no more than this. */
#define FLUSH_MS 100
/* What outlives the command has this long to end by itself. */
#define LINGER_MS 200
#define TREE_MAX 4096

struct tree {
  size_t count;
  pid_t pids[TREE_MAX];
};

static struct {
  int listener;
  long long started, sampled, flushed, wall_ms, ended;
  unsigned long long peak_bytes, notifications;
  long peak_tasks, left;
  int status;
  bool reaped;
} now;

static volatile sig_atomic_t told_to_end;

static void on_signal(int number) { told_to_end = number; }

static struct err fault(int errnum, const char *what) { return fail(ERR_SYSTEM, errnum, "trace_run", what); }

static long long clock_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Not ioctl(3): its request is an int in musl and an unsigned long in glibc, and these have the top bit set. */
static int control(unsigned long request, void *argument) {
  return (int)syscall(SYS_ioctl, now.listener, request, argument);
}

static bool still_waits(unsigned long long id) {
  uint64_t value = id;
  return control(SECCOMP_IOCTL_NOTIF_ID_VALID, &value) == 0;
}

static size_t read_text(const char *path, char *into, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t got = read(fd, into, size - 1);
  close(fd);
  into[got > 0 ? got : 0] = '\0';
  return got > 0 ? (size_t)got : 0;
}

/* Children of one task are its own list: each thread of a process may have some. Returns the number of threads. */
static long add_children(struct tree *tree, pid_t pid) {
  char path[64], text[8192];
  long threads = 0;
  snprintf(path, sizeof path, "/proc/%d/task", pid);
  DIR *tasks = opendir(path);
  if (tasks == NULL) return 0;
  for (struct dirent *each; (each = readdir(tasks)) != NULL;) {
    if (each->d_name[0] == '.') continue;
    threads++;
    snprintf(path, sizeof path, "/proc/%d/task/%.20s/children", pid, each->d_name);
    if (read_text(path, text, sizeof text) == 0) continue;
    for (char *at = text, *end; tree->count < TREE_MAX; at = end) {
      long child = strtol(at, &end, 10);
      if (end == at || child <= 0) break;
      tree->pids[tree->count++] = (pid_t)child;
    }
  }
  closedir(tasks);
  return threads;
}

/* Everything below us; orphans come to us (PR_SET_CHILD_SUBREAPER). Returns the tasks. */
static long walk_tree(struct tree *tree) {
  long tasks = 0;
  tree->count = 0;
  add_children(tree, getpid());
  for (size_t i = 0; i < tree->count; i++) tasks += add_children(tree, tree->pids[i]);
  return tasks;
}

/* Private memory is summed; of what may be shared (libraries) the largest counts once. */
static void sample(long long at) {
  static struct tree tree;
  unsigned long long own = 0, shared = 0;
  long tasks = walk_tree(&tree);
  for (size_t i = 0; i < tree.count; i++) {
    char path[64], text[128];
    unsigned long long resident, common;
    snprintf(path, sizeof path, "/proc/%d/statm", tree.pids[i]);
    if (read_text(path, text, sizeof text) == 0 || sscanf(text, "%*u %llu %llu", &resident, &common) != 2) continue;
    own += resident > common ? resident - common : 0;
    if (common > shared) shared = common;
  }
  unsigned long long bytes = (own + shared) * (unsigned long long)sysconf(_SC_PAGESIZE);
  if (bytes > now.peak_bytes) now.peak_bytes = bytes;
  if (tasks > now.peak_tasks) now.peak_tasks = tasks;
  now.sampled = at;
}

/* All that ended; with `options` 0 until nobody is left. */
static void reap(pid_t main_process, int options) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, options)) > 0 || (pid < 0 && errno == EINTR);) {
    if (pid != main_process) continue;
    now.status = status;
    now.reaped = true;
    now.ended = clock_ms();
    now.wall_ms = now.ended - now.started;
  }
}

static void kill_tree(void) {
  static struct tree tree;
  walk_tree(&tree);
  if ((long)tree.count > now.left) now.left = (long)tree.count;
  for (size_t i = 0; i < tree.count; i++) kill(tree.pids[i], SIGKILL);
}

static bool starts_process(const struct seccomp_notif *notification) {
  const struct trace_call *call = trace_call_of(notification->data.nr);
  return call != NULL && (call->kind == TRACE_FORK || call->kind == TRACE_CLONE);
}

static void answer(struct seccomp_notif *notification, struct seccomp_notif_resp *response) {
  memset(notification, 0, sizeof *notification);
  /* ENOENT: it was killed meanwhile. */
  if (control(SECCOMP_IOCTL_NOTIF_RECV, notification) != 0) return;
  now.notifications++;
  trace_call_note(notification, still_waits);
  memset(response, 0, sizeof *response);
  response->id = notification->id;
  response->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  control(SECCOMP_IOCTL_NOTIF_SEND, response);
}

/* Until nobody has the filter any more: poll(2) then says POLLHUP. */
static struct err watch(pid_t main_process) {
  static union {
    struct seccomp_notif notification;
    char room[1024];
  } in;
  static union {
    struct seccomp_notif_resp response;
    char room[1024];
  } out;
  for (;;) {
    struct pollfd wait = {now.listener, POLLIN, 0};
    int ready = poll(&wait, 1, SAMPLE_MS);
    if (ready < 0 && errno != EINTR) return fault(errno, "poll");
    if (ready > 0 && (wait.revents & POLLIN) != 0) answer(&in.notification, &out.response);
    else if (ready > 0 && (wait.revents & (POLLHUP | POLLERR)) != 0) break;
    long long at = clock_ms();
    /* Not after each call: a write for every one would cost as much as the rest of it. */
    if (at - now.flushed >= FLUSH_MS) {
      TRY(record_flush());
      now.flushed = at;
    }
    bool forked = ready > 0 && starts_process(&in.notification);
    if (at - now.sampled >= (forked ? SAMPLE_FORK_MS : SAMPLE_MS)) {
      sample(at);
      reap(main_process, WNOHANG);
    }
    if (told_to_end || (now.reaped && at - now.ended >= LINGER_MS)) kill_tree();
  }
  reap(main_process, 0);
  return OK;
}

static void write_end(void) {
  struct rusage usage;
  getrusage(RUSAGE_CHILDREN, &usage);
  long long cpu_ms = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000LL +
                     (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
  record_begin("end");
  record_number(now.status);
  record_number(now.wall_ms);
  record_number(cpu_ms);
  record_number(usage.ru_maxrss * 1024LL);
  record_number((long long)now.peak_bytes);
  record_number(now.peak_tasks);
  record_number((long long)now.notifications);
  record_number(now.left);
  record_end();
}

/* Tells the number of its listener, which is ours by pidfd_getfd: a message that carries it would wait for an answer. */
static _Noreturn void become(int tell, const char *listed, char *const argv[]) {
  int words[2] = {-1, 0};
  signal(SIGINT, SIG_DFL);
  signal(SIGQUIT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  signal(SIGHUP, SIG_DFL);
  signal(SIGPIPE, SIG_DFL);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  struct err result = trace_calls_install(listed, &words[0]);
  words[1] = result.errnum;
  if (write(tell, words, sizeof words) != sizeof words || failed(result)) _exit(125);
  execvp(argv[0], argv);
  int reason = errno;
  if (write(tell, &reason, sizeof reason) != sizeof reason) _exit(125);
  _exit(127);
}

static struct err take_listener(pid_t child, int from) {
  int words[2];
  if (read(from, words, sizeof words) != sizeof words) return fault(EPIPE, "the command's process");
  if (words[0] < 0) return fault(words[1], "the filter (seccomp notification needs Linux 5.5, and no other tracer)");
  int process = sys_pidfd_open(child);
  if (process < 0) return fault(errno, "pidfd_open");
  now.listener = (int)syscall(SYS_pidfd_getfd, process, words[0], 0);
  int errnum = errno;
  close(process);
  if (now.listener < 0) return fault(errnum, "pidfd_getfd");
  fcntl(now.listener, F_SETFD, FD_CLOEXEC);
  /* Linux before 6.6 has none of it, and is slower. */
  syscall(SYS_ioctl, now.listener, NOTIF_SET_FLAGS, SYNC_WAKE_UP);
  return OK;
}

struct err trace_run(int out, const char *listed, char *const argv[]) {
  int tell[2];
  if (pipe2(tell, O_CLOEXEC) != 0) return fault(errno, "pipe2");
  if (fcntl(out, F_SETFD, FD_CLOEXEC) != 0) return fault(errno, "the descriptor for the records");
  record_to(out);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  struct sigaction end = {.sa_handler = on_signal};
  sigaction(SIGTERM, &end, NULL);
  sigaction(SIGHUP, &end, NULL);
  /* The terminal tells the whole group; the command decides, and its end is ours. */
  signal(SIGINT, SIG_IGN);
  signal(SIGQUIT, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  /* Nobody is left to read: on_signal ends the command too. */
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  now.started = clock_ms();
  pid_t child = fork();
  if (child < 0) return fault(errno, "fork");
  if (child == 0) become(tell[1], listed, argv);
  close(tell[1]);
  struct err result = take_listener(child, tell[0]);
  if (!failed(result)) result = watch(child);
  if (failed(result)) {
    kill_tree();
    return result;
  }
  int reason;
  if (read(tell[0], &reason, sizeof reason) == sizeof reason) {
    record_begin("failed");
    record_number(reason);
    record_end();
  }
  write_end();
  return record_flush();
}
