#include "child.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "sys.h"

/* proc_pid_stat(5), the fields that are read here. */
struct process {
  pid_t pid, parent;
  char state;
  unsigned threads;
  uint64_t ticks, start;
};

#define PROCESSES_MAX 65536
#define PIDS_MAX 4194304u /* PID_MAX_LIMIT of the kernel */
#define GIVE_UP_MS 10000u
#define HOPELESS_ROUNDS 200u

/* Static: nothing is allocated in a process that was cloned. */
static struct process seen[PROCESSES_MAX];
static size_t seen_count;
static uint8_t ours[PIDS_MAX / 8], killed[PIDS_MAX / 8];

static bool has(const uint8_t *set, pid_t pid) {
  return pid > 0 && (unsigned)pid < PIDS_MAX && (set[(unsigned)pid / 8] >> ((unsigned)pid % 8) & 1);
}

static void put(uint8_t *set, pid_t pid) {
  if (pid > 0 && (unsigned)pid < PIDS_MAX) set[(unsigned)pid / 8] |= (uint8_t)(1u << ((unsigned)pid % 8));
}

static bool read_process(int proc, pid_t pid, struct process *out) {
  char text[1024];
  snprintf(text, sizeof text, "%d/stat", (int)pid);
  int fd = openat(proc, text, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  if (length <= 0) return false;
  text[length] = 0;
  /* The name is the process's own to choose, parentheses too: what is after the last one is the kernel's. */
  const char *rest = strrchr(text, ')');
  unsigned long long user, system, waited_user, waited_system, start;
  int parent;
  *out = (struct process){.pid = pid};
  if (!rest || sscanf(rest + 1, " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu %*d %*d %u %*d %llu", &out->state,
                      &parent, &user, &system, &waited_user, &waited_system, &out->threads, &start) != 8)
    return false;
  out->parent = parent;
  out->ticks = user + system + waited_user + waited_system;
  out->start = start;
  return true;
}

struct entry { /* getdents64(2) */
  uint64_t inode;
  int64_t next;
  uint16_t size;
  uint8_t type;
  char name[];
};

static void look(int proc) {
  static char entries[32 * 1024] __attribute__((aligned(8)));
  seen_count = 0;
  int fd = openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  for (long got; (got = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0;)
    for (long at = 0; at < got;) {
      const struct entry *entry = (const struct entry *)(const void *)(entries + at);
      at += entry->size;
      if (entry->name[0] < '1' || entry->name[0] > '9' || seen_count == PROCESSES_MAX) continue;
      if (read_process(proc, (pid_t)atoi(entry->name), &seen[seen_count])) seen_count++;
    }
  close(fd);
}

/* `ours` becomes `root` and all that descends from it. */
static void mark(pid_t root) {
  memset(ours, 0, sizeof ours);
  put(ours, root);
  for (bool more = true; more;) {
    more = false;
    for (size_t i = 0; i < seen_count; i++) {
      if (has(ours, seen[i].pid) || !has(ours, seen[i].parent)) continue;
      put(ours, seen[i].pid);
      more = true;
    }
  }
}

/* By descriptor, and only if the number still means what was seen: a process that ended meanwhile may have given it away. */
static bool kill_exactly(int proc, const struct process *process) {
  int fd = sys_pidfd_open(process->pid);
  if (fd < 0) return false;
  struct process now;
  bool done = read_process(proc, process->pid, &now) && now.start == process->start && sys_pidfd_kill(fd, SIGKILL) == 0;
  close(fd);
  return done;
}

static uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint32_t child_kill_tree(int proc) {
  uint32_t alive = 0;
  unsigned hopeless = 0;
  memset(killed, 0, sizeof killed);
  for (uint64_t end = now_ms() + GIVE_UP_MS; now_ms() < end && hopeless < HOPELESS_ROUNDS;) {
    pid_t pid;
    while ((pid = wait4(-1, NULL, WNOHANG | __WALL, NULL)) > 0) continue;
    if (pid < 0 && errno == ECHILD) break;
    look(proc);
    mark(getpid());
    bool any = false;
    for (size_t i = 0; i < seen_count; i++) {
      const struct process *process = &seen[i];
      if (!has(ours, process->pid) || process->pid == getpid()) continue;
      /* A leader that ended shows as a zombie while its other threads go on. */
      if ((process->state == 'Z' || process->state == 'X') && process->threads <= 1) continue;
      if (!kill_exactly(proc, process)) continue;
      any = true;
      if (has(killed, process->pid)) continue;
      put(killed, process->pid);
      alive++;
    }
    hopeless = any ? 0 : hopeless + 1;
    struct timespec moment = {.tv_nsec = any ? 500000 : 5000000};
    nanosleep(&moment, NULL);
  }
  return alive;
}

void child_kill_below(int proc, pid_t root) {
  /* Stopped, it makes no more; what its descendants make while they are ended comes back to it. */
  kill(root, SIGSTOP);
  bool any = true;
  for (uint64_t end = now_ms() + GIVE_UP_MS; any && now_ms() < end;) {
    any = false;
    look(proc);
    mark(root);
    for (size_t i = 0; i < seen_count; i++) {
      const struct process *process = &seen[i];
      if (!has(ours, process->pid) || process->pid == root) continue;
      if ((process->state == 'Z' || process->state == 'X') && process->threads <= 1) continue;
      any |= kill_exactly(proc, process);
    }
  }
  kill(root, SIGKILL);
}

uint64_t child_cpu_us(int proc, pid_t root) {
  uint64_t ticks = 0;
  long per_second = sysconf(_SC_CLK_TCK);
  look(proc);
  mark(root);
  for (size_t i = 0; i < seen_count; i++)
    if (has(ours, seen[i].pid)) ticks += seen[i].ticks;
  return ticks * 1000000u / (uint64_t)(per_second > 0 ? per_second : 100);
}

struct err child_limit_processes(uint64_t more) {
  int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (proc < 0) return fail(ERR_SYSTEM, errno, "open", "/proc");
  look(proc);
  for (size_t i = 0; i < seen_count; i++) {
    char name[16];
    struct stat st;
    snprintf(name, sizeof name, "%d", (int)seen[i].pid);
    if (fstatat(proc, name, &st, 0) == 0 && st.st_uid == getuid()) more += seen[i].threads;
  }
  close(proc);
  struct rlimit now;
  if (getrlimit(RLIMIT_NPROC, &now) < 0) return fail(ERR_SYSTEM, errno, "getrlimit", NULL);
  if (now.rlim_max > more) now.rlim_max = more;
  now.rlim_cur = now.rlim_max;
  return setrlimit(RLIMIT_NPROC, &now) < 0 ? fail(ERR_SYSTEM, errno, "setrlimit", NULL) : OK;
}
