/* The launcher's own group in each hierarchy: where it is made, what dead launchers left beside it, what is taken back. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cgroup_parts.h"
#include "sys.h"

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
    if (!error) error = cgroup_put(top, path, "0");
    snprintf(tree->home, sizeof tree->home, "%s", base->v2);
  }
  snprintf(path, sizeof path, "%s/cgroup.subtree_control", tree->name);
  for (size_t i = 0; i < 4 && !error; i++) {
    if (!(wanted & controllers[i].bit)) continue;
    if (!(base->v2_enabled & controllers[i].bit)) {
      error = cgroup_put(top, "cgroup.subtree_control", controllers[i].word);
      if (!error) tree->handed_on |= controllers[i].bit;
    }
    if (!error) error = cgroup_put(top, path, controllers[i].word);
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
    if (base->v2[0] && make_below(base->v2, tree->name)) base->v2[0] = 0;
    /* Entering it costs a wait, and v2 freezes better. */
    if (base->v2[0]) base->v1[CGROUP_V1_FREEZER][0] = 0;
    for (size_t i = 0; i < CGROUP_USED; i++) {
      if (!cgroup_is_first(base, i)) continue;
      remove_left_over(base->v1[cgroup_used[i]]);
      int error = make_below(base->v1[cgroup_used[i]], tree->name);
      if (error) return fail(ERR_SYSTEM, error, "make cgroup", base->v1[cgroup_used[i]]);
    }
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
    cgroup_put(top, path, controllers[i].back);
    if (tree->handed_on & controllers[i].bit) cgroup_put(top, "cgroup.subtree_control", controllers[i].back);
  }
  close(top);
}

void cgroup_tree_close(struct cgroup_tree *tree) {
  char path[CGROUP_PATH_MAX + 128];
  if (tree->v2_limits) take_back(tree);
  if (tree->home[0]) {
    int top = open(tree->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top >= 0) {
      cgroup_put(top, "cgroup.procs", "0");
      close(top);
    }
    snprintf(path, sizeof path, "%s/%s/self", tree->home, tree->name);
    rmdir(path);
  }
  if (tree->base.v2[0]) {
    snprintf(path, sizeof path, "%s/%s", tree->base.v2, tree->name);
    rmdir(path);
  }
  for (size_t i = 0; i < CGROUP_USED && !tree->v2_limits; i++) {
    if (!cgroup_is_first(&tree->base, i)) continue;
    snprintf(path, sizeof path, "%s/%s", tree->base.v1[cgroup_used[i]], tree->name);
    rmdir(path);
  }
  tree->ready = false;
}
