/* The groups of one cell: made, entered, counted, ended, removed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cgroup_meter.h"
#include "cgroup_parts.h"
#include "sys.h"

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
  int error = cgroup_put(cell->v1[CGROUP_V1_MEMORY], "cgroup.event_control", text);
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
    int error = cgroup_put(cell->v2, "memory.oom.group", "1");
    return error ? fail(ERR_SYSTEM, error, "memory.oom.group", NULL) : OK;
  }
  for (size_t i = 0; i < CGROUP_USED; i++) {
    const char *base = tree->base.v1[cgroup_used[i]];
    if (!base[0]) continue;
    cell->v1[cgroup_used[i]] = open_cell(base, tree->name, number);
    if (cell->v1[cgroup_used[i]] < 0) return fail(ERR_RESOURCE, errno, "make cgroup", base);
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

/* What was killed in it may still be dying: it is busy until then. */
static void remove_group(const char *path, unsigned *patience_ms) {
  while (rmdir(path) < 0 && errno == EBUSY && *patience_ms > 0) {
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    --*patience_ms;
  }
}

void cgroup_cell_close(const struct cgroup_tree *tree, struct cgroup_cell *cell, unsigned *patience_ms) {
  char path[CGROUP_PATH_MAX + 160];
  cgroup_meter_close(cell);
  shut(&cell->memory_peak);
  shut(&cell->memory_events);
  shut(&cell->cpu_usage);
  shut(&cell->pids_events);
  shut(&cell->oom_event);
  if (cell->v1[CGROUP_V1_MEMORY] >= 0) cgroup_put(cell->v1[CGROUP_V1_MEMORY], "memory.force_empty", "0");
  for (size_t i = 0; i < CGROUP_USED; i++) {
    if (cell->v1[cgroup_used[i]] < 0) continue;
    shut(&cell->v1[cgroup_used[i]]);
    snprintf(path, sizeof path, "%s/%s/%u", tree->base.v1[cgroup_used[i]], tree->name, cell->number);
    remove_group(path, patience_ms);
  }
  if (cell->v2 >= 0) {
    shut(&cell->v2);
    snprintf(path, sizeof path, "%s/%s/%u", tree->base.v2, tree->name, cell->number);
    remove_group(path, patience_ms);
  }
}

struct err cgroup_cell_enter(const struct cgroup_tree *tree, const struct cgroup_cell *cell) {
  for (size_t i = 0; i < CGROUP_USED; i++) {
    if (cell->v1[cgroup_used[i]] < 0 || !cgroup_is_first(&tree->base, i)) continue;
    int error = cgroup_put(cell->v1[cgroup_used[i]], "cgroup.procs", "0");
    if (error) return fail(ERR_SYSTEM, error, "enter cgroup", cgroup_v1_names[cgroup_used[i]]);
  }
  /* Trust what the kernel says, not the write. */
  char text[4096], expected[CGROUP_PATH_MAX];
  int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
  ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  if (length <= 0) return fail(ERR_SYSTEM, errno, "read own cgroup", NULL);
  text[length] = 0;
  snprintf(expected, sizeof expected, "/%s/%u\n", tree->name, cell->number);
  for (size_t i = 0; i < CGROUP_USED; i++) {
    if (cell->v1[cgroup_used[i]] < 0) continue;
    bool there = false;
    for (char *line = text; line && !there; line = strchr(line, '\n')) {
      if (*line == '\n') line++;
      char *names = strchr(line, ':');
      char *end = names ? strchr(names + 1, ':') : NULL;
      if (!end) break;
      char list[64];
      snprintf(list, sizeof list, "%.*s", (int)(end - names - 1), names + 1);
      for (char *save, *name = strtok_r(list, ",", &save); name; name = strtok_r(NULL, ",", &save))
        if (strcmp(name, cgroup_v1_names[cgroup_used[i]]) == 0) {
          char *stop = strchr(end, '\n');
          size_t tail = strlen(expected);
          there = stop && (size_t)(stop + 1 - end) > tail && memcmp(stop + 1 - tail, expected, tail) == 0;
        }
    }
    if (!there) return fail(ERR_SYSTEM, EPERM, "not in the cgroup that was entered", cgroup_v1_names[cgroup_used[i]]);
  }
  return OK;
}

uint64_t cgroup_cell_cpu_us(const struct cgroup_cell *cell) {
  /* v1 counts nanoseconds since its beginning; v2 names microseconds in a list. */
  uint64_t total = cell->v1[CGROUP_V1_CPUACCT] >= 0 ? cgroup_get(cell->cpu_usage, NULL) / 1000 : cgroup_get(cell->cpu_usage, "usage_usec");
  return total - cell->cpu_base;
}

void cgroup_cell_begin(struct cgroup_cell *cell) {
  /* v1 resets its high-water mark on any write; v2 does since Linux 6.12, for this descriptor. */
  cell->peak_resets = cell->memory_peak >= 0 && pwrite(cell->memory_peak, "0", 1, 0) == 1;
  cell->cpu_base = 0;
  cell->cpu_base = cgroup_cell_cpu_us(cell);
  cell->oom_base = cgroup_get(cell->memory_events, "oom_kill");
  cell->pids_base = cgroup_get(cell->pids_events, "max");
  cgroup_meter_begin(cell);
}

void cgroup_cell_read(const struct cgroup_cell *cell, struct cgroup_usage *out) {
  out->cpu_us = cgroup_cell_cpu_us(cell);
  out->memory_peak = cgroup_get(cell->memory_peak, NULL);
  out->memory_peak_valid = cell->peak_resets;
  out->out_of_memory = cgroup_get(cell->memory_events, "oom_kill") != cell->oom_base;
  out->processes_hit = cgroup_get(cell->pids_events, "max") != cell->pids_base;
  struct cgroup_io io = {0, 0};
  out->io_valid = cgroup_meter_io(cell, &io);
  out->read_bytes = io.read_bytes;
  out->written_bytes = io.written_bytes;
}

bool cgroup_cell_kill(struct cgroup_cell *cell) {
  if (cell->v2 < 0 || cgroup_put(cell->v2, "cgroup.kill", "1") != 0) return false;
  cell->killed = true;
  return true;
}

struct err cgroup_cell_renew(const struct cgroup_tree *tree, struct cgroup_cell *cell) {
  if (!cell->killed) return OK;
  if (tree->v2_limits) {
    unsigned number = cell->number;
    cgroup_cell_close(tree, cell, &(unsigned){0});
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
