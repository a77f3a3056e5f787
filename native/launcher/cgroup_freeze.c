/* Everything in a cell stands still, and goes on: by version 2 (cgroup.freeze), or where that is not mounted by version 1's
   freezer, which a v1 cell's nursery stands in, too. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cgroup_parts.h"

#define FREEZE_TRIES 20
#define FREEZE_PAUSE_US 500

static bool stands_v1(int dir) {
  char state[16];
  int fd = openat(dir, "freezer.state", O_RDONLY | O_CLOEXEC);
  ssize_t length = fd < 0 ? -1 : read(fd, state, sizeof state);
  if (fd >= 0) close(fd);
  return length >= 6 && memcmp(state, "FROZEN", 6) == 0;
}

static bool stands_v2(int dir) {
  int fd = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
  bool stands = cgroup_get(fd, "frozen") == 1;
  if (fd >= 0) close(fd);
  return stands;
}

struct err cgroup_cell_freeze(struct cgroup_cell *cell, bool freeze) {
  int v1 = cell->v1[CGROUP_V1_FREEZER], error = ENOTSUP;
  if (cell->v2 >= 0) error = cgroup_put(cell->v2, "cgroup.freeze", freeze ? "1" : "0");
  else if (v1 >= 0) error = cgroup_put(v1, "freezer.state", freeze ? "FROZEN" : "THAWED");
  if (error) return fail(ERR_UNSUPPORTED, error, "freeze", NULL);
  cell->frozen = freeze;
  if (!freeze) return OK;
  /* Written is not done: a task stops at its next return to user space. */
  for (int tries = 0; tries < FREEZE_TRIES; tries++) {
    if (cell->v2 >= 0 ? stands_v2(cell->v2) : stands_v1(v1)) return OK;
    usleep(FREEZE_PAUSE_US);
  }
  return fail(ERR_SYSTEM, ETIMEDOUT, "freeze", NULL);
}

void cgroup_cell_end_frozen(struct cgroup_cell *cell, pid_t spare) {
  int dir = cell->v1[CGROUP_V1_FREEZER];
  if (!cell->frozen || cell->v2 >= 0 || dir < 0) return;
  int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
  FILE *list = fd < 0 ? NULL : fdopen(fd, "r");
  if (!list && fd >= 0) close(fd);
  /* Who stands still neither ends nor forks: the numbers mean what they meant when they were read. */
  for (int pid; list && fscanf(list, "%d", &pid) == 1;)
    if (pid > 0 && pid != spare) kill(pid, SIGKILL);
  if (list) fclose(list);
  cgroup_cell_freeze(cell, false);
}
