#include "cgroup_base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

/* statfs(2) */
#define MAGIC_CGROUP 0x27e0ebUL
#define MAGIC_CGROUP2 0x63677270UL

const char *const cgroup_v1_names[CGROUP_V1_COUNT] = {"memory", "cpu", "cpuacct", "pids", "blkio", "freezer"};

static const struct {
  const char *name;
  unsigned bit;
} controllers[] = {{"memory", CGROUP_MEMORY}, {"cpu", CGROUP_CPU}, {"pids", CGROUP_PIDS}, {"io", CGROUP_IO}};

/* Our own group in each hierarchy, as /proc/self/cgroup names it; "" where there is none. */
struct groups {
  char v1[CGROUP_V1_COUNT][CGROUP_PATH_MAX];
  char v2[CGROUP_PATH_MAX];
};

/* Whether the list, comma-separated, has the word. */
static bool list_has(const char *list, const char *word) {
  size_t length = strlen(word);
  for (const char *at = list; *at != 0;) {
    size_t span = strcspn(at, ",");
    if (span == length && memcmp(at, word, length) == 0) return true;
    at += span;
    if (*at == ',') at++;
  }
  return false;
}

static void copy_path(char out[CGROUP_PATH_MAX], const char *path) {
  size_t length = strlen(path);
  if (length >= CGROUP_PATH_MAX) length = 0;
  memcpy(out, path, length);
  out[length] = 0;
}

/* A line of /proc/self/cgroup: number, controllers, path, separated by colons; the unified one is "0::path". */
static void groups_line(struct groups *out, char *line) {
  char *names = strchr(line, ':');
  char *path = names == NULL ? NULL : strchr(names + 1, ':');
  if (path == NULL) return;
  *names++ = 0;
  *path++ = 0;
  path[strcspn(path, "\n")] = 0;
  /* A group outside of our cgroup namespace begins with "/..": nothing below it can be named. */
  if (path[0] != '/' || strncmp(path, "/..", 3) == 0) return;
  if (strcmp(line, "0") == 0 && *names == 0) copy_path(out->v2, path);
  for (int i = 0; i < CGROUP_V1_COUNT; i++)
    if (list_has(names, cgroup_v1_names[i])) copy_path(out->v1[i], path);
}

/* Takes the next field of a line that blanks separate, undoing the octal escapes of mountinfo in place. */
static char *next_word(char **rest) {
  char *word = *rest, *to = word, *at = word;
  for (; *at != 0 && *at != ' ' && *at != '\n'; at++) {
    if (at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' && at[2] <= '7' && at[3] >= '0' && at[3] <= '7') {
      *to++ = (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
      at += 3;
    } else {
      *to++ = *at;
    }
  }
  *rest = *at == 0 ? at : at + 1;
  *to = 0;
  return word;
}

/* mount point + (group without the part that the mount's own root covers), kept when it is there and of the right type:
   something may be mounted over it. */
static void base_path(char out[CGROUP_PATH_MAX], const char *mount_root, const char *mount_point, const char *group, unsigned long magic) {
  if (out[0] != 0 || group[0] == 0) return;
  size_t covered = strcmp(mount_root, "/") == 0 ? 0 : strlen(mount_root);
  if (strncmp(group, mount_root, covered) != 0 || (covered > 0 && group[covered] != '/' && group[covered] != 0)) return;
  const char *below = strcmp(group + covered, "/") == 0 ? "" : group + covered;
  char path[CGROUP_PATH_MAX];
  int length = snprintf(path, sizeof path, "%s%s", mount_point, below);
  struct statfs fs;
  if (length < 0 || (size_t)length >= sizeof path || statfs(path, &fs) != 0 || (unsigned long)fs.f_type != magic) return;
  copy_path(out, path);
}

/* A line of mountinfo: id, parent, device, root, mount point, options, optional fields, "-", type, source, options. */
static void mounts_line(struct cgroup_base *out, const struct groups *groups, char *line) {
  char *separator = strstr(line, " - cgroup");
  if (separator == NULL) return;
  char *rest = separator + 3, *head = line;
  *separator = 0;
  const char *type = next_word(&rest);
  next_word(&rest);
  const char *options = next_word(&rest);
  for (int i = 0; i < 3; i++) next_word(&head);
  const char *root = next_word(&head), *point = next_word(&head);
  if (strcmp(type, "cgroup2") == 0) base_path(out->v2, root, point, groups->v2, MAGIC_CGROUP2);
  if (strcmp(type, "cgroup") != 0) return;
  for (int i = 0; i < CGROUP_V1_COUNT; i++)
    if (list_has(options, cgroup_v1_names[i])) base_path(out->v1[i], root, point, groups->v1[i], MAGIC_CGROUP);
}

/* The first bytes of a small file of a group, NUL-terminated; empty when it cannot be read. */
static void read_file(const char *dir, const char *name, char *out, size_t size) {
  char path[CGROUP_PATH_MAX + 64];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t length = fd < 0 ? 0 : read(fd, out, size - 1);
  out[length < 0 ? 0 : length] = 0;
  if (fd >= 0) close(fd);
}

static unsigned controllers_in(const char *dir, const char *name) {
  char text[512];
  read_file(dir, name, text, sizeof text);
  unsigned bits = 0;
  char *rest = text;
  while (*rest != 0) {
    const char *word = next_word(&rest);
    for (size_t i = 0; i < sizeof controllers / sizeof *controllers; i++)
      if (strcmp(word, controllers[i].name) == 0) bits |= controllers[i].bit;
  }
  return bits;
}

static bool group_is_shared(const char *dir) {
  char text[64];
  read_file(dir, "cgroup.procs", text, sizeof text);
  char *rest = text;
  while (*rest != 0) {
    const char *word = next_word(&rest);
    if (*word != 0 && strtol(word, NULL, 10) != (long)getpid()) return true;
  }
  return false;
}

#define NEEDED (CGROUP_MEMORY | CGROUP_PIDS)

static bool has_file(const char *dir, const char *name, int mode) {
  char path[CGROUP_PATH_MAX + 64];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  return access(path, mode) == 0;
}

static void describe_v2(struct cgroup_base *out) {
  out->v2_is_root = !has_file(out->v2, "cgroup.type", F_OK);
  out->v2_available = controllers_in(out->v2, "cgroup.controllers");
  out->v2_enabled = controllers_in(out->v2, "cgroup.subtree_control");
  out->v2_is_shared = group_is_shared(out->v2);
}

static bool carries_limits(const struct cgroup_base *base) {
  if (access(base->v2, W_OK) != 0 || !has_file(base->v2, "cgroup.procs", W_OK)) return false;
  if ((base->v2_enabled & NEEDED) == NEEDED) return true;
  bool may_enable = base->v2_is_root || (!base->v2_is_shared && !base->v2_above);
  return may_enable && (base->v2_available & NEEDED) == NEEDED && has_file(base->v2, "cgroup.subtree_control", W_OK);
}

/* Our own group, or the nearest one above it that can carry limits. */
static void choose_v2(struct cgroup_base *out) {
  static struct cgroup_base tried;
  describe_v2(out);
  tried = *out;
  while (!carries_limits(&tried)) {
    char *slash = strrchr(tried.v2, '/');
    if (slash == NULL) return;
    *slash = 0;
    if (!has_file(tried.v2, "cgroup.controllers", F_OK)) return;
    tried.v2_above = true;
    describe_v2(&tried);
    /* A slice is somebody else's: what it does not hand on, it is not made to. */
    if (!tried.v2_is_root) tried.v2_available &= tried.v2_enabled;
  }
  *out = tried;
}

struct err cgroup_base_find(struct cgroup_base *out) {
  memset(out, 0, sizeof *out);
  static struct groups groups; /* large for a stack; only ever used here, before there are threads */
  memset(&groups, 0, sizeof groups);
  FILE *file = fopen("/proc/self/cgroup", "re");
  if (file == NULL) return errno == ENOENT ? OK : fail(ERR_SYSTEM, errno, "cgroup_base_find", "/proc/self/cgroup");
  char *line = NULL;
  size_t capacity = 0;
  while (getline(&line, &capacity, file) > 0) groups_line(&groups, line);
  fclose(file);
  file = fopen("/proc/self/mountinfo", "re");
  int error = errno;
  while (file != NULL && getline(&line, &capacity, file) > 0) mounts_line(out, &groups, line);
  free(line);
  if (file == NULL) return fail(ERR_SYSTEM, error, "cgroup_base_find", "/proc/self/mountinfo");
  fclose(file);
  if (out->v2[0] != 0) choose_v2(out);
  return OK;
}
