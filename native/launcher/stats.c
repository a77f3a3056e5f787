/* STATS and USAGE: what every sandbox that a client knows uses now, all of them in one answer, or one of them. Of one with cgroups its counters say it;
   of one without, /proc says it of init and everything below it. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup_meter.h"
#include "state.h"

enum { SOURCE_CGROUP = 1, SOURCE_PROC = 2 };
enum { TAG_NETWORK = 9, TAG_PROCESS = 40 /* of USAGE_REPLY */ };

/* Guests with more processes and threads than that are counted up to it. */
#define TREE_MAX 4096u

struct tree {
  uint64_t cpu_us, memory, tasks;
};

/* By whom the client knows it: the sandbox that stays, else the one exec in it. 0: nobody was given it. */
static uint32_t known_as(const struct sandbox *sandbox) {
  if (sandbox->id) return sandbox->opened ? sandbox->id : 0;
  if (sandbox->execs) return sandbox->execs->id;
  return sandbox->pending ? sandbox->pending->id : 0;
}

/* What we have in there beside the guest: init, a v1 cell's nursery, the job process that waits, the agent for files. */
static uint64_t own_tasks(const struct sandbox *sandbox) {
  bool nursery = sandbox->cell->grouped && !S.tree.v2_limits;
  return 1u + nursery + (sandbox->seat.watch.fd >= 0) + (sandbox->agent != NULL);
}

/* proc_pid_stat(5). False: there is none any more. */
static bool add_process(int pid, struct tree *tree, unsigned *threads) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "%d/stat", pid);
  int fd = openat(S.host.proc, path, O_RDONLY | O_CLOEXEC);
  ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  if (length <= 0) return false;
  text[length] = 0;
  const char *rest = strrchr(text, ')');
  unsigned long long user, system, waited_user, waited_system;
  long resident;
  if (!rest || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu %*d %*d %u %*d %*u %*u %ld", &user,
                      &system, &waited_user, &waited_system, threads, &resident) != 6)
    return false;
  tree->cpu_us += (user + system + waited_user + waited_system) * 1000000u / (uint64_t)sysconf(_SC_CLK_TCK);
  tree->memory += (uint64_t)(resident < 0 ? 0 : resident) * (uint64_t)sysconf(_SC_PAGESIZE);
  tree->tasks += *threads;
  return true;
}

static void add_children(const char *path, int *pids, size_t *count) {
  char text[4096];
  int fd = openat(S.host.proc, path, O_RDONLY | O_CLOEXEC);
  ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  text[length < 0 ? 0 : length] = 0;
  char *end;
  for (char *at = text; *count < TREE_MAX; at = end) {
    long pid = strtol(at, &end, 10);
    if (end == at || *end == 0) break; /* the last one may be cut off; the kernel ends each with a blank */
    pids[(*count)++] = (int)pid;
  }
}

/* Children belong to the thread that forked them. */
static void add_children_of_threads(int pid, int *pids, size_t *count) {
  char path[96];
  snprintf(path, sizeof path, "%d/task", pid);
  int fd = openat(S.host.proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *stream = fd < 0 ? NULL : fdopendir(fd);
  if (!stream && fd >= 0) close(fd);
  for (struct dirent *entry; stream && (entry = readdir(stream));) {
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "%d/task/%.20s/children", pid, entry->d_name);
    add_children(path, pids, count);
  }
  if (stream) closedir(stream);
}

/* Whoever leaves its parent comes to init, so that the tree is all there is; who ended is in its parent's account. */
static struct tree read_tree(int init) {
  static int pids[TREE_MAX];
  size_t count = 1;
  struct tree tree = {0};
  pids[0] = init;
  for (size_t i = 0; i < count; i++) {
    unsigned threads;
    char path[64];
    if (!add_process(pids[i], &tree, &threads)) continue;
    snprintf(path, sizeof path, "%d/task/%d/children", pids[i], pids[i]);
    if (threads > 1) add_children_of_threads(pids[i], pids, &count);
    else add_children(path, pids, &count);
  }
  return tree;
}

static uint64_t above(uint64_t value, uint64_t base) { return value > base ? value - base : 0; }

static void write_group(struct out *out, struct sandbox *sandbox) {
  struct cgroup_cell *cell = &sandbox->cell->cgroup;
  struct cgroup_usage usage = {0};
  struct cgroup_sample now;
  cgroup_cell_read(cell, &usage);
  cgroup_meter_sample(cell, &now);
  out_u32(out, 2, SOURCE_CGROUP);
  out_u64(out, 3, usage.cpu_us);
  if (now.memory_valid) out_u64(out, 4, now.memory_now);
  if (usage.memory_peak_valid) out_u64(out, 5, usage.memory_peak);
  if (now.tasks_valid) out_u64(out, 6, above(now.tasks_now, own_tasks(sandbox)));
  if (!usage.io_valid) return;
  out_u64(out, 7, usage.read_bytes);
  out_u64(out, 8, usage.written_bytes);
}

static void write_tree(struct out *out, const struct sandbox *sandbox) {
  struct tree tree = read_tree(sandbox->pid);
  out_u32(out, 2, SOURCE_PROC);
  out_u64(out, 3, tree.cpu_us);
  out_u64(out, 4, tree.memory);
  out_u64(out, 6, above(tree.tasks, own_tasks(sandbox)));
}

static void write_sandbox(struct out *out, struct sandbox *sandbox, uint32_t id) {
  size_t mark = out_begin(out, 3);
  out_u32(out, 1, id);
  if (sandbox->cell->grouped) write_group(out, sandbox);
  else write_tree(out, sandbox);
  traffic_totals(out, TAG_NETWORK, sandbox);
  if (sandbox->cell->cgroup.frozen) out_u32(out, 10, 1);
  out_end(out, mark);
}

void usage_send(uint32_t id, const struct sandbox *sandbox) {
  struct out body = {0};
  struct slot_report report = {0};
  struct cgroup_usage group = {0};
  if (sandbox->cell->grouped) {
    cgroup_cell_read(&sandbox->cell->cgroup, &group);
    report.user_us = group.cpu_us;
  } else if (sandbox->pid > 0 && !sandbox->reaped) {
    report.user_us = read_tree(sandbox->pid).cpu_us;
  }
  usage_fields(&body, &group, &report);
  traffic_fields(&body, sandbox);
  if (sandbox->pid > 0 && !sandbox->reaped) out_i32(&body, TAG_PROCESS, sandbox->pid);
  client_send(FRAME_USAGE_REPLY, id, body.data, body.length);
  out_free(&body);
}

void stats_send(uint32_t id) {
  static struct out body;
  uint32_t waiting = 0;
  body.length = 0;
  out_u64(&body, 1, clock_ns());
  for (struct sandbox *sandbox = S.sandboxes; sandbox; sandbox = sandbox->all_next)
    waiting += sandbox->state == SANDBOX_READY || sandbox->state == SANDBOX_MAKING;
  out_u32(&body, 2, waiting);
  for (struct sandbox *sandbox = S.sandboxes; sandbox; sandbox = sandbox->all_next) {
    uint32_t known = known_as(sandbox);
    if (known && sandbox->pid > 0 && !sandbox->reaped) write_sandbox(&body, sandbox, known);
  }
  if (body.failed) S.client_gone = true;
  else client_send(FRAME_STATS_REPLY, id, body.data, body.length);
}
