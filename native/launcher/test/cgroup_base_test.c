/* The base is where the kernel says we are: the pid that stands in each directory's cgroup.procs is ours. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../cgroup_base.h"
#include "harness.h"

static bool stands_in(const char *dir) {
  char path[CGROUP_PATH_MAX + 32];
  snprintf(path, sizeof path, "%s/cgroup.procs", dir);
  FILE *file = fopen(path, "re");
  int pid;
  bool found = false;
  while (file != NULL && fscanf(file, "%d", &pid) == 1) found |= pid == getpid();
  if (file != NULL) fclose(file);
  return found;
}

int main(void) {
  static struct cgroup_base base;
  CHECK(!failed(cgroup_base_find(&base)));
  int found = 0;
  for (int i = 0; i < CGROUP_V1_COUNT; i++) {
    if (base.v1[i][0] == 0) continue;
    found++;
    CHECK_THAT(stands_in(base.v1[i]), "v1 %s: not in %s", cgroup_v1_names[i], base.v1[i]);
  }
  if (base.v2[0] != 0) {
    found++;
    if (!base.v2_above) CHECK_THAT(stands_in(base.v2), "v2: not in %s", base.v2);
    CHECK((base.v2_enabled & ~base.v2_available) == 0);
  }
  if (found == 0) harness_skip("cgroup bases", "no cgroup hierarchy is mounted here");
  return found == 0 ? (printf("cgroup_base: 0 passed, 0 failed, 1 skipped\n"), 0) : harness_end("cgroup_base");
}
