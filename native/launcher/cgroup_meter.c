#include "cgroup_meter.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Text of a file from its start, NUL-terminated. */
static bool read_text(int fd, char *text, size_t size) {
  ssize_t length = fd < 0 ? -1 : pread(fd, text, size - 1, 0);
  text[length < 0 ? 0 : length] = 0;
  return length > 0;
}

static bool read_number(int fd, uint64_t *out) {
  char text[32];
  if (!read_text(fd, text, sizeof text)) return false;
  *out = strtoull(text, NULL, 10);
  return true;
}

static uint64_t value_of(const char *line, const char *end, const char *key) {
  size_t length = strlen(key);
  for (const char *at = line; at + length < end; at++)
    if (memcmp(at, key, length) == 0) return strtoull(at + length, NULL, 10);
  return 0;
}

struct cgroup_io cgroup_meter_parse_io(const char *text) {
  struct cgroup_io sum = {0, 0};
  for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1) {
    sum.read_bytes += value_of(text, end, " Read ") + value_of(text, end, " rbytes=");
    sum.written_bytes += value_of(text, end, " Write ") + value_of(text, end, " wbytes=");
  }
  return sum;
}

static bool read_io(int fd, struct cgroup_io *out) {
  char text[4096];
  /* A group that never did any has an empty file. */
  if (fd < 0) return false;
  read_text(fd, text, sizeof text);
  *out = cgroup_meter_parse_io(text);
  return true;
}

static int open_in(int dir, const char *name) { return dir < 0 ? -1 : openat(dir, name, O_RDONLY | O_CLOEXEC); }

void cgroup_meter_begin(struct cgroup_cell *cell) {
  bool v1 = cell->v1[CGROUP_V1_MEMORY] >= 0;
  struct cgroup_io now = {0, 0};
  if (cell->io < 0) cell->io = v1 ? open_in(cell->v1[CGROUP_V1_BLKIO], "blkio.throttle.io_service_bytes") : open_in(cell->v2, "io.stat");
  read_io(cell->io, &now);
  cell->read_base = now.read_bytes;
  cell->written_base = now.written_bytes;
}

bool cgroup_meter_io(const struct cgroup_cell *cell, struct cgroup_io *out) {
  if (!read_io(cell->io, out)) return false;
  out->read_bytes -= cell->read_base;
  out->written_bytes -= cell->written_base;
  return true;
}

void cgroup_meter_sample(struct cgroup_cell *cell, struct cgroup_sample *out) {
  bool v1 = cell->v1[CGROUP_V1_MEMORY] >= 0;
  if (cell->memory_now < 0) cell->memory_now = v1 ? open_in(cell->v1[CGROUP_V1_MEMORY], "memory.usage_in_bytes") : open_in(cell->v2, "memory.current");
  if (cell->tasks_now < 0) cell->tasks_now = open_in(v1 ? cell->v1[CGROUP_V1_PIDS] : cell->v2, "pids.current");
  *out = (struct cgroup_sample){0};
  out->memory_valid = read_number(cell->memory_now, &out->memory_now);
  out->tasks_valid = read_number(cell->tasks_now, &out->tasks_now);
}

static void shut(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

void cgroup_meter_close(struct cgroup_cell *cell) {
  shut(&cell->io);
  shut(&cell->memory_now);
  shut(&cell->tasks_now);
}
