/* Over 300 lines because both versions of cgroups stand side by side: what a limit is in one is next to what it is in the other. */
#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "cgroup_meter.h"
#include "sys.h"

static const enum cgroup_v1 used[] = {CGROUP_V1_MEMORY, CGROUP_V1_CPU, CGROUP_V1_CPUACCT, CGROUP_V1_PIDS, CGROUP_V1_BLKIO};
#define USED (sizeof used / sizeof *used)

static int put(int dir, const char *file, const char *text) {
  int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  ssize_t written = write(fd, text, strlen(text));
  int error = written < 0 ? errno : 0;
  close(fd);
  return error;
}

static int put_number(int dir, const char *file, uint64_t number) {
  char text[32];
  snprintf(text, sizeof text, "%llu", (unsigned long long)number);
  return put(dir, file, text);
}

/* The number after `key` in a file of lines "key number", or the whole file's number where key is NULL. */
static uint64_t get(int fd, const char *key) {
  char text[1024];
  if (fd < 0) return 0;
  ssize_t length = pread(fd, text, sizeof text - 1, 0);
  if (length <= 0) return 0;
  text[length] = 0;
  if (!key) return strtoull(text, NULL, 10);
  size_t key_length = strlen(key);
  for (char *line = text; line; line = strchr(line, '\n')) {
    if (*line == '\n') line++;
    if (strncmp(line, key, key_length) == 0 && line[key_length] == ' ') return strtoull(line + key_length, NULL, 10);
  }
  return 0;
}

/* A v1 controller that shares its mount with an earlier one needs no directory of its own. */
static bool is_first(const struct cgroup_base *base, size_t index) {
  if (!base->v1[used[index]][0]) return false;
  for (size_t i = 0; i < index; i++)
    if (strcmp(base->v1[used[i]], base->v1[used[index]]) == 0) return false;
  return true;
}

static void remove_below(int dir, const char *name, int depth) {
  int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd >= 0 && depth > 0) {
    DIR *stream = fdopendir(fd);
    for (struct dirent *entry; stream && (entry = readdir(stream));)
      if (entry->d_type == DT_DIR && entry->d_name[0] != '.') remove_below(dirfd(stream), entry->d_name, depth - 1);
    if (stream) closedir(stream);
  } else if (fd >= 0) {
    close(fd);
  }
  unlinkat(dir, name, AT_REMOVEDIR);
}

/* The pid namespace in which our numbers mean something (namespaces(7)). */
static unsigned long long pid_namespace(void) {
  struct stat st;
  return stat("/proc/self/ns/pid", &st) < 0 ? 0 : (unsigned long long)st.st_ino;
}

/* Groups are named after their launcher's pid, start and pid namespace; where that process is no more, they are left over.
   Of launchers in another namespace nothing can be said. */
static bool is_alive(const char *name) {
  int pid = 0;
  unsigned long long started = 0, now = 0, space = 0;
  if (sscanf(name, "caisson-%d-%llu-%llu", &pid, &started, &space) != 3 || space != pid_namespace()) return true;
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  if (length <= 0) return false;
  text[length] = 0;
  char *after = strrchr(text, ')');
  for (int i = 0; after && i < 20; i++) after = strchr(after + 1, ' ');
  if (after) now = strtoull(after + 1, NULL, 10);
  return now == started;
}

static void remove_left_over(const char *base) {
  DIR *stream = opendir(base);
  for (struct dirent *entry; stream && (entry = readdir(stream));)
    if (strncmp(entry->d_name, "caisson-", 8) == 0 && !is_alive(entry->d_name))
      remove_below(dirfd(stream), entry->d_name, 2);
  if (stream) closedir(stream);
}

static void name_tree(struct cgroup_tree *tree) {
  unsigned long long started = 0;
  char text[1024];
  int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
  ssize_t length = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  if (length > 0) {
    text[length] = 0;
    char *after = strrchr(text, ')');
    for (int i = 0; after && i < 20; i++) after = strchr(after + 1, ' ');
    if (after) started = strtoull(after + 1, NULL, 10);
  }
  snprintf(tree->name, sizeof tree->name, "caisson-%d-%llu-%llu", (int)getpid(), started, pid_namespace());
}

static void find_devices(struct cgroup_tree *tree) {
  DIR *stream = opendir("/sys/block");
  for (struct dirent *entry; stream && tree->device_count < CGROUP_DEVICES_MAX && (entry = readdir(stream));) {
    if (entry->d_name[0] == '.' || strncmp(entry->d_name, "loop", 4) == 0 || strncmp(entry->d_name, "ram", 3) == 0)
      continue;
    char path[300], *number = tree->devices[tree->device_count];
    snprintf(path, sizeof path, "/sys/block/%s/dev", entry->d_name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    ssize_t length = read(fd, number, sizeof tree->devices[0] - 1);
    close(fd);
    if (length <= 1) continue;
    number[length - 1] = 0;
    tree->device_count++;
  }
  if (stream) closedir(stream);
}

static int make_below(const char *base, const char *name) {
  char path[CGROUP_PATH_MAX + 128];
  snprintf(path, sizeof path, "%s/%s", base, name);
  return mkdir(path, 0755) < 0 && errno != EEXIST ? errno : 0;
}

static const struct {
  unsigned bit;
  const char *word, *back;
} controllers[] = {{CGROUP_MEMORY, "+memory", "-memory"},
                   {CGROUP_CPU, "+cpu", "-cpu"},
                   {CGROUP_PIDS, "+pids", "-pids"},
                   {CGROUP_IO, "+io", "-io"}};

static struct err open_v2(struct cgroup_tree *tree) {
  const struct cgroup_base *base = &tree->base;
  char path[CGROUP_PATH_MAX + 128];
  int error = make_below(base->v2, tree->name);
  if (error) return fail(ERR_SYSTEM, error, "make cgroup", base->v2);
  unsigned wanted = base->v2_available & (CGROUP_MEMORY | CGROUP_CPU | CGROUP_PIDS | CGROUP_IO);
  int top = open(base->v2, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (top < 0) return fail(ERR_SYSTEM, errno, "open cgroup", base->v2);
  if ((base->v2_enabled & wanted) != wanted && !base->v2_is_root) {
    /* A group that holds processes cannot hand on controllers (cgroup-v2, "No Internal Process Constraint"). */
    snprintf(path, sizeof path, "%s/self", tree->name);
    if (mkdirat(top, path, 0755) < 0 && errno != EEXIST) error = errno;
    snprintf(path, sizeof path, "%s/self/cgroup.procs", tree->name);
    if (!error) error = put(top, path, "0");
    snprintf(tree->home, sizeof tree->home, "%s", base->v2);
  }
  snprintf(path, sizeof path, "%s/cgroup.subtree_control", tree->name);
  for (size_t i = 0; i < 4 && !error; i++) {
    if (!(wanted & controllers[i].bit)) continue;
    if (!(base->v2_enabled & controllers[i].bit)) {
      error = put(top, "cgroup.subtree_control", controllers[i].word);
      if (!error) tree->handed_on |= controllers[i].bit;
    }
    if (!error) error = put(top, path, controllers[i].word);
  }
  close(top);
  return error ? fail(ERR_UNSUPPORTED, error, "hand on cgroup controllers", base->v2) : OK;
}

struct err cgroup_tree_open(struct cgroup_tree *tree) {
  TRY(cgroup_base_find(&tree->base));
  struct cgroup_base *base = &tree->base;
  for (size_t i = 0; i < CGROUP_V1_COUNT; i++)
    if (tree->skip >> i & 1) base->v1[i][0] = 0;
  name_tree(tree);
  find_devices(tree);
  tree->v2_limits = (base->v2_available & (CGROUP_MEMORY | CGROUP_PIDS)) == (CGROUP_MEMORY | CGROUP_PIDS);
  if (base->v2[0]) remove_left_over(base->v2);
  if (tree->v2_limits) {
    TRY(open_v2(tree));
  } else {
    if (!base->v1[CGROUP_V1_MEMORY][0] || !base->v1[CGROUP_V1_PIDS][0])
      return fail(ERR_UNSUPPORTED, ENOTSUP, "no memory and pids cgroup", NULL);
    for (size_t i = 0; i < USED; i++) {
      if (!is_first(base, i)) continue;
      remove_left_over(base->v1[used[i]]);
      int error = make_below(base->v1[used[i]], tree->name);
      if (error) return fail(ERR_SYSTEM, error, "make cgroup", base->v1[used[i]]);
    }
    if (base->v2[0] && make_below(base->v2, tree->name)) base->v2[0] = 0;
  }
  tree->ready = true;
  return OK;
}

/* Controllers that this launcher handed on are taken back; where another launcher still uses one the kernel says EBUSY. */
static void take_back(const struct cgroup_tree *tree) {
  char path[CGROUP_PATH_MAX + 128];
  int top = open(tree->base.v2, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (top < 0) return;
  snprintf(path, sizeof path, "%s/cgroup.subtree_control", tree->name);
  for (size_t i = 0; i < 4; i++) {
    put(top, path, controllers[i].back);
    if (tree->handed_on & controllers[i].bit) put(top, "cgroup.subtree_control", controllers[i].back);
  }
  close(top);
}

void cgroup_tree_close(struct cgroup_tree *tree) {
  char path[CGROUP_PATH_MAX + 128];
  if (tree->v2_limits) take_back(tree);
  if (tree->home[0]) {
    int top = open(tree->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top >= 0) {
      put(top, "cgroup.procs", "0");
      close(top);
    }
    snprintf(path, sizeof path, "%s/%s/self", tree->home, tree->name);
    rmdir(path);
  }
  if (tree->base.v2[0]) {
    snprintf(path, sizeof path, "%s/%s", tree->base.v2, tree->name);
    rmdir(path);
  }
  for (size_t i = 0; i < USED && !tree->v2_limits; i++) {
    if (!is_first(&tree->base, i)) continue;
    snprintf(path, sizeof path, "%s/%s", tree->base.v1[used[i]], tree->name);
    rmdir(path);
  }
  tree->ready = false;
}

static int open_cell(const char *base, const char *name, unsigned number) {
  char path[CGROUP_PATH_MAX + 160];
  snprintf(path, sizeof path, "%s/%s/%u", base, name, number);
  if (mkdir(path, 0755) < 0 && errno != EEXIST) return -1;
  return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int open_file(int dir, const char *name, int flags) { return dir < 0 ? -1 : openat(dir, name, flags | O_CLOEXEC); }

static struct err watch_oom(struct cgroup_cell *cell) {
  cell->oom_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (cell->oom_event < 0) return fail(ERR_RESOURCE, errno, "eventfd", NULL);
  char text[48];
  snprintf(text, sizeof text, "%d %d", cell->oom_event, cell->memory_events);
  int error = put(cell->v1[CGROUP_V1_MEMORY], "cgroup.event_control", text);
  return error ? fail(ERR_SYSTEM, error, "watch for out of memory", NULL) : OK;
}

struct err cgroup_cell_open(const struct cgroup_tree *tree, unsigned number, struct cgroup_cell *cell) {
  memset(cell, 0, sizeof *cell);
  cell->number = number;
  for (size_t i = 0; i < CGROUP_V1_COUNT; i++) cell->v1[i] = -1;
  cell->io = cell->memory_now = cell->tasks_now = -1;
  cell->v2 = cell->memory_peak = cell->memory_events = cell->cpu_usage = cell->pids_events = cell->oom_event = -1;
  if (tree->base.v2[0]) {
    cell->v2 = open_cell(tree->base.v2, tree->name, number);
    if (cell->v2 < 0) return fail(ERR_RESOURCE, errno, "make cgroup", tree->base.v2);
  }
  if (tree->v2_limits) {
    cell->memory_peak = open_file(cell->v2, "memory.peak", O_RDWR);
    if (cell->memory_peak < 0) cell->memory_peak = open_file(cell->v2, "memory.peak", O_RDONLY);
    cell->memory_events = open_file(cell->v2, "memory.events", O_RDONLY);
    cell->cpu_usage = open_file(cell->v2, "cpu.stat", O_RDONLY);
    cell->pids_events = open_file(cell->v2, "pids.events", O_RDONLY);
    int error = put(cell->v2, "memory.oom.group", "1");
    return error ? fail(ERR_SYSTEM, error, "memory.oom.group", NULL) : OK;
  }
  for (size_t i = 0; i < USED; i++) {
    const char *base = tree->base.v1[used[i]];
    if (!base[0]) continue;
    cell->v1[used[i]] = open_cell(base, tree->name, number);
    if (cell->v1[used[i]] < 0) return fail(ERR_RESOURCE, errno, "make cgroup", base);
  }
  cell->memory_peak = open_file(cell->v1[CGROUP_V1_MEMORY], "memory.max_usage_in_bytes", O_RDWR);
  cell->memory_events = open_file(cell->v1[CGROUP_V1_MEMORY], "memory.oom_control", O_RDONLY);
  cell->cpu_usage = open_file(cell->v1[CGROUP_V1_CPUACCT], "cpuacct.usage", O_RDONLY);
  cell->pids_events = open_file(cell->v1[CGROUP_V1_PIDS], "pids.events", O_RDONLY);
  cell->peak_resets = true;
  return watch_oom(cell);
}

static void shut(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

void cgroup_cell_close(const struct cgroup_tree *tree, struct cgroup_cell *cell) {
  char path[CGROUP_PATH_MAX + 160];
  cgroup_meter_close(cell);
  shut(&cell->memory_peak);
  shut(&cell->memory_events);
  shut(&cell->cpu_usage);
  shut(&cell->pids_events);
  shut(&cell->oom_event);
  if (cell->v1[CGROUP_V1_MEMORY] >= 0) put(cell->v1[CGROUP_V1_MEMORY], "memory.force_empty", "0");
  for (size_t i = 0; i < USED; i++) {
    if (cell->v1[used[i]] < 0) continue;
    shut(&cell->v1[used[i]]);
    snprintf(path, sizeof path, "%s/%s/%u", tree->base.v1[used[i]], tree->name, cell->number);
    rmdir(path);
  }
  if (cell->v2 >= 0) {
    shut(&cell->v2);
    snprintf(path, sizeof path, "%s/%s/%u", tree->base.v2, tree->name, cell->number);
    rmdir(path);
  }
}

struct err cgroup_cell_enter(const struct cgroup_tree *tree, const struct cgroup_cell *cell) {
  for (size_t i = 0; i < USED; i++) {
    if (cell->v1[used[i]] < 0 || !is_first(&tree->base, i)) continue;
    int error = put(cell->v1[used[i]], "cgroup.procs", "0");
    if (error) return fail(ERR_SYSTEM, error, "enter cgroup", cgroup_v1_names[used[i]]);
  }
  /* Trust what the kernel says, not the write. */
  char text[4096], expected[CGROUP_PATH_MAX];
  int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
  ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  if (length <= 0) return fail(ERR_SYSTEM, errno, "read own cgroup", NULL);
  text[length] = 0;
  snprintf(expected, sizeof expected, "/%s/%u\n", tree->name, cell->number);
  for (size_t i = 0; i < USED; i++) {
    if (cell->v1[used[i]] < 0) continue;
    bool there = false;
    for (char *line = text; line && !there; line = strchr(line, '\n')) {
      if (*line == '\n') line++;
      char *names = strchr(line, ':');
      char *end = names ? strchr(names + 1, ':') : NULL;
      if (!end) break;
      char list[64];
      snprintf(list, sizeof list, "%.*s", (int)(end - names - 1), names + 1);
      for (char *save, *name = strtok_r(list, ",", &save); name; name = strtok_r(NULL, ",", &save))
        if (strcmp(name, cgroup_v1_names[used[i]]) == 0) {
          char *stop = strchr(end, '\n');
          size_t tail = strlen(expected);
          there = stop && (size_t)(stop + 1 - end) > tail && memcmp(stop + 1 - tail, expected, tail) == 0;
        }
    }
    if (!there) return fail(ERR_SYSTEM, EPERM, "not in the cgroup that was entered", cgroup_v1_names[used[i]]);
  }
  return OK;
}

/* Both versions of one limit. `scale`: v1's number for v2's. */
struct knob {
  enum cgroup_field field;
  enum cgroup_v1 controller;
  const char *v1, *v1_unlimited, *v2, *v2_unlimited;
};

static const struct knob knobs[] = {
    {CG_MEMORY_MAX, CGROUP_V1_MEMORY, "memory.limit_in_bytes", "-1", "memory.max", "max"},
    {CG_MEMORY_HIGH, CGROUP_V1_MEMORY, "memory.soft_limit_in_bytes", "-1", "memory.high", "max"},
    {CG_PIDS_MAX, CGROUP_V1_PIDS, "pids.max", "max", "pids.max", "max"},
    {CG_CPU_WEIGHT, CGROUP_V1_CPU, "cpu.shares", "1024", "cpu.weight", "100"},
    {CG_SWAP_MAX, CGROUP_V1_MEMORY, NULL, NULL, "memory.swap.max", "max"},
};

static uint64_t field_of(const struct cgroup_plan *plan, enum cgroup_field field) {
  switch (field) {
    case CG_MEMORY_MAX: return plan->memory_max;
    case CG_MEMORY_HIGH: return plan->memory_high;
    case CG_PIDS_MAX: return plan->pids_max;
    case CG_CPU_WEIGHT: return plan->cpu_weight;
    case CG_SWAP_MAX: return plan->swap_max;
    default: return 0;
  }
}

static int turn(const struct cgroup_tree *tree, const struct cgroup_cell *cell, const struct knob *knob, bool set,
                uint64_t value, unsigned extra_pids) {
  if (knob->field == CG_PIDS_MAX && set) value += extra_pids;
  if (tree->v2_limits) {
    int error = set ? put_number(cell->v2, knob->v2, value) : put(cell->v2, knob->v2, knob->v2_unlimited);
    /* A kernel without swap accounting has no such file, and then nothing to limit. */
    return error == ENOENT && (knob->field == CG_SWAP_MAX || !set) ? 0 : error;
  }
  int dir = cell->v1[knob->controller];
  if (!knob->v1) return 0;
  if (dir < 0) return set ? ENOTSUP : 0;
  if (knob->field == CG_CPU_WEIGHT && set) value = value * 1024 / 100 < 2 ? 2 : value * 1024 / 100;
  if (knob->field == CG_MEMORY_MAX) {
    /* memory and swap together may not be below memory: up first, or down last. */
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    put(dir, "memory.memsw.limit_in_bytes", "-1");
    int error = put(dir, knob->v1, set ? text : "-1");
    if (!error && set) {
      int swap = put(dir, "memory.memsw.limit_in_bytes", text);
      if (swap && swap != ENOENT && swap != EACCES) error = swap;
    }
    return error;
  }
  return set ? put_number(dir, knob->v1, value) : put(dir, knob->v1, knob->v1_unlimited);
}

static int set_cpu(const struct cgroup_tree *tree, const struct cgroup_cell *cell, const struct cgroup_plan *plan) {
  bool limited = plan->set & CG_CPU_QUOTA;
  uint64_t period = plan->set & CG_CPU_PERIOD ? plan->cpu_period_us : 100000;
  char text[64];
  if (tree->v2_limits) {
    if (limited) snprintf(text, sizeof text, "%llu %llu", (unsigned long long)plan->cpu_quota_us, (unsigned long long)period);
    else snprintf(text, sizeof text, "max %llu", (unsigned long long)period);
    int error = put(cell->v2, "cpu.max", text);
    return !limited && error == ENOENT ? 0 : error;
  }
  int dir = cell->v1[CGROUP_V1_CPU];
  if (dir < 0) return limited ? ENOTSUP : 0;
  put(dir, "cpu.cfs_quota_us", "-1");
  int error = put_number(dir, "cpu.cfs_period_us", period);
  if (!error && limited) error = put_number(dir, "cpu.cfs_quota_us", plan->cpu_quota_us);
  return !limited && error == ENOENT ? 0 : error;
}

static int set_io(const struct cgroup_tree *tree, const struct cgroup_cell *cell, const struct cgroup_plan *plan) {
  const struct {
    enum cgroup_field field;
    uint64_t value;
    const char *v1, *v2;
  } rates[] = {
      {CG_READ_BYTES, plan->read_bytes, "blkio.throttle.read_bps_device", "rbps"},
      {CG_WRITE_BYTES, plan->write_bytes, "blkio.throttle.write_bps_device", "wbps"},
      {CG_READ_OPS, plan->read_ops, "blkio.throttle.read_iops_device", "riops"},
      {CG_WRITE_OPS, plan->write_ops, "blkio.throttle.write_iops_device", "wiops"},
  };
  for (size_t i = 0; i < 4; i++) {
    bool limited = plan->set & rates[i].field;
    if (limited && tree->device_count == 0) return ENODEV;
    for (size_t d = 0; d < tree->device_count; d++) {
      char text[96];
      unsigned long long value = rates[i].value;
      int error;
      if (tree->v2_limits) {
        if (limited) snprintf(text, sizeof text, "%s %s=%llu", tree->devices[d], rates[i].v2, value);
        else snprintf(text, sizeof text, "%s %s=max", tree->devices[d], rates[i].v2);
        error = put(cell->v2, "io.max", text);
      } else {
        snprintf(text, sizeof text, "%s %llu", tree->devices[d], limited ? value : 0ull);
        error = cell->v1[CGROUP_V1_BLKIO] < 0 ? ENOTSUP : put(cell->v1[CGROUP_V1_BLKIO], rates[i].v1, text);
      }
      if (error && limited) return error;
    }
  }
  return 0;
}

struct err cgroup_cell_apply(const struct cgroup_tree *tree, struct cgroup_cell *cell, const struct cgroup_plan *plan,
                             unsigned extra_pids) {
  struct cgroup_plan *now = &cell->applied;
  for (size_t i = 0; i < sizeof knobs / sizeof *knobs; i++) {
    const struct knob *knob = &knobs[i];
    bool want = plan->set & knob->field, have = now->set & knob->field;
    if (want == have && (!want || field_of(plan, knob->field) == field_of(now, knob->field))) continue;
    int error = turn(tree, cell, knob, want, field_of(plan, knob->field), extra_pids);
    if (error) return fail(ERR_SYSTEM, error, "set cgroup limit", tree->v2_limits ? knob->v2 : knob->v1);
  }
  const uint32_t cpu = CG_CPU_QUOTA | CG_CPU_PERIOD;
  if ((plan->set & cpu) != (now->set & cpu) || plan->cpu_quota_us != now->cpu_quota_us ||
      plan->cpu_period_us != now->cpu_period_us) {
    int error = set_cpu(tree, cell, plan);
    if (error) return fail(ERR_SYSTEM, error, "set cgroup limit", "cpu quota");
  }
  const uint32_t io = CG_READ_BYTES | CG_WRITE_BYTES | CG_READ_OPS | CG_WRITE_OPS;
  if ((plan->set & io) != (now->set & io) || plan->read_bytes != now->read_bytes ||
      plan->write_bytes != now->write_bytes || plan->read_ops != now->read_ops || plan->write_ops != now->write_ops) {
    int error = set_io(tree, cell, plan);
    if (error) return fail(ERR_SYSTEM, error, "set cgroup limit", "io rates");
  }
  *now = *plan;
  return OK;
}

uint64_t cgroup_cell_cpu_us(const struct cgroup_cell *cell) {
  /* v1 counts nanoseconds since its beginning; v2 names microseconds in a list. */
  uint64_t total = cell->v1[CGROUP_V1_CPUACCT] >= 0 ? get(cell->cpu_usage, NULL) / 1000 : get(cell->cpu_usage, "usage_usec");
  return total - cell->cpu_base;
}

void cgroup_cell_begin(struct cgroup_cell *cell) {
  /* v1 resets its high-water mark on any write; v2 does since Linux 6.12, for this descriptor. */
  cell->peak_resets = cell->memory_peak >= 0 && pwrite(cell->memory_peak, "0", 1, 0) == 1;
  cell->cpu_base = 0;
  cell->cpu_base = cgroup_cell_cpu_us(cell);
  cell->oom_base = get(cell->memory_events, "oom_kill");
  cell->pids_base = get(cell->pids_events, "max");
  cgroup_meter_begin(cell);
}

void cgroup_cell_read(const struct cgroup_cell *cell, struct cgroup_usage *out) {
  out->cpu_us = cgroup_cell_cpu_us(cell);
  out->memory_peak = get(cell->memory_peak, NULL);
  out->memory_peak_valid = cell->peak_resets;
  out->out_of_memory = get(cell->memory_events, "oom_kill") != cell->oom_base;
  out->processes_hit = get(cell->pids_events, "max") != cell->pids_base;
  struct cgroup_io io = {0, 0};
  out->io_valid = cgroup_meter_io(cell, &io);
  out->read_bytes = io.read_bytes;
  out->written_bytes = io.written_bytes;
}

bool cgroup_cell_kill(struct cgroup_cell *cell) {
  if (cell->v2 < 0 || put(cell->v2, "cgroup.kill", "1") != 0) return false;
  cell->killed = true;
  return true;
}

struct err cgroup_cell_renew(const struct cgroup_tree *tree, struct cgroup_cell *cell) {
  if (!cell->killed) return OK;
  if (tree->v2_limits) {
    unsigned number = cell->number;
    cgroup_cell_close(tree, cell);
    return cgroup_cell_open(tree, number, cell);
  }
  char path[CGROUP_PATH_MAX + 160];
  snprintf(path, sizeof path, "%s/%s/%u", tree->base.v2, tree->name, cell->number);
  shut(&cell->v2);
  if (rmdir(path) < 0) return fail(ERR_RESOURCE, errno, "renew cgroup", tree->base.v2);
  cell->v2 = open_cell(tree->base.v2, tree->name, cell->number);
  if (cell->v2 < 0) return fail(ERR_RESOURCE, errno, "make cgroup", tree->base.v2);
  cell->killed = false;
  return OK;
}

struct err cgroup_cell_freeze(struct cgroup_cell *cell, bool freeze) {
  int error = cell->v2 < 0 ? ENOTSUP : put(cell->v2, "cgroup.freeze", freeze ? "1" : "0");
  if (error) return fail(ERR_UNSUPPORTED, error, "freeze", NULL);
  cell->frozen = freeze;
  if (!freeze) return OK;
  /* Written is not done: a task stops at its next return to user space. */
  int events = openat(cell->v2, "cgroup.events", O_RDONLY | O_CLOEXEC);
  bool frozen = false;
  for (int tries = 0; tries < 200 && !(frozen = get(events, "frozen") == 1); tries++) usleep(500);
  close(events);
  return frozen ? OK : fail(ERR_SYSTEM, ETIMEDOUT, "freeze", NULL);
}
