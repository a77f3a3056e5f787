#include "cgroup_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const enum cgroup_v1 cgroup_used[CGROUP_USED] = {CGROUP_V1_MEMORY, CGROUP_V1_CPU,   CGROUP_V1_CPUACCT,
                                                 CGROUP_V1_PIDS,   CGROUP_V1_BLKIO, CGROUP_V1_FREEZER};

int cgroup_put(int dir, const char *file, const char *text) {
  int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  ssize_t written = write(fd, text, strlen(text));
  int error = written < 0 ? errno : 0;
  close(fd);
  return error;
}

int cgroup_put_number(int dir, const char *file, uint64_t number) {
  char text[32];
  snprintf(text, sizeof text, "%llu", (unsigned long long)number);
  return cgroup_put(dir, file, text);
}

uint64_t cgroup_get(int fd, const char *key) {
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

bool cgroup_is_first(const struct cgroup_base *base, size_t index) {
  if (!base->v1[cgroup_used[index]][0]) return false;
  for (size_t i = 0; i < index; i++)
    if (strcmp(base->v1[cgroup_used[i]], base->v1[cgroup_used[index]]) == 0) return false;
  return true;
}
