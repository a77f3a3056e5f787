#include "layer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

/* openat2(2): RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH. */
#define RESOLVE_STRICTLY_BELOW (0x02u | 0x04u | 0x08u)

/* A walk. `path`, relative to the upper directory, grows and shrinks with it; each step opens anew from `root`, so that
   one descriptor is held however deep the guest nested its directories. */
struct walk {
  int root;
  size_t length;
  char path[PATH_MAX];
};

static struct err fault(int errnum, const char *what) { return fail(ERR_SYSTEM, errnum, "layer_print", what); }

static int open_below(const struct walk *walk, int flags) {
  struct {
    uint64_t flags, mode, resolve;
  } how = {(uint64_t)(unsigned)(flags | O_NOFOLLOW | O_CLOEXEC), 0, RESOLVE_STRICTLY_BELOW};
  return (int)syscall(SYS_openat2, walk->root, walk->length == 0 ? "." : walk->path, &how, sizeof how);
}

/* An attribute of overlayfs, which is in the user.* or the trusted.* name space as the overlay was mounted. Read through
   /proc/self/fd because an O_PATH descriptor takes no fgetxattr; the link leads to what was opened and nowhere else. */
static bool has_attribute(int fd, const char *name, const char *value) {
  static const char *const spaces[] = {"user", "trusted"};
  char path[48], full[64], found[8];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) {
    snprintf(full, sizeof full, "%s.overlay.%s", spaces[i], name);
    ssize_t length = getxattr(path, full, found, sizeof found);
    if (length < 0 && errno == ERANGE && value == NULL) return true;
    if (length >= 0 && (value == NULL || (length == 1 && found[0] == value[0]))) return true;
  }
  return false;
}

static char type_of(int fd, const struct stat *status) {
  if (S_ISCHR(status->st_mode) && status->st_rdev == makedev(0, 0)) return 'w';
  if (S_ISREG(status->st_mode)) return status->st_size == 0 && has_attribute(fd, "whiteout", NULL) ? 'w' : 'f';
  if (S_ISDIR(status->st_mode)) return has_attribute(fd, "opaque", "y") ? 'o' : 'd';
  return S_ISLNK(status->st_mode) ? 'l' : 's';
}

/* A guest that runs takes it away, or puts something else there, while the walk goes on. */
static bool has_gone(int errnum) { return errnum == ENOENT || errnum == ENOTDIR || errnum == ELOOP; }

/* Prints what the path names, where it is still there; *is_directory says whether there is more below it. */
static struct err print_entry(const struct walk *walk, bool *is_directory) {
  int fd = open_below(walk, O_PATH);
  if (fd < 0) return has_gone(errno) ? OK : fault(errno, "open an entry");
  struct stat status;
  int error = fstat(fd, &status) == 0 ? 0 : errno;
  char type = error == 0 ? type_of(fd, &status) : 0;
  /* The content or the name of these is elsewhere; whoever applies the layer would take it for what it is not. */
  bool elsewhere = (type == 'f' && has_attribute(fd, "metacopy", NULL)) || ((type == 'd' || type == 'o') && has_attribute(fd, "redirect", NULL));
  close(fd);
  if (error != 0) return fault(error, "stat");
  if (elsewhere) return fail(ERR_UNSUPPORTED, EOPNOTSUPP, "layer_print", "an overlay with redirect or metacopy");
  long long mtime = (long long)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
  printf("%c%c%o%c%lld%c%lld%c%s%c\n", type, 0, (unsigned)(status.st_mode & 07777), 0, (long long)status.st_size, 0, mtime, 0,
         walk->path, 0);
  *is_directory = S_ISDIR(status.st_mode);
  return OK;
}

static int is_no_dots(const struct dirent *entry) { return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0; }

static int by_name(const struct dirent **one, const struct dirent **other) { return strcmp((*one)->d_name, (*other)->d_name); }

/* The names in the directory, sorted so that equal layers print equally. */
static struct err read_names(const struct walk *walk, struct dirent ***names, int *count) {
  *names = NULL;
  *count = 0;
  int fd = open_below(walk, O_RDONLY | O_DIRECTORY);
  if (fd < 0) return has_gone(errno) ? OK : fault(errno, "open a directory");
  char path[48];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  *count = scandir(path, names, is_no_dots, by_name);
  int error = errno;
  close(fd);
  return *count < 0 ? fault(error, "read a directory") : OK;
}

static struct err walk_below(struct walk *walk) {
  struct dirent **names;
  int count;
  TRY(read_names(walk, &names, &count));
  struct err result = OK;
  size_t length = walk->length;
  for (int i = 0; i < count; i++) {
    size_t room = sizeof walk->path - length;
    int written = failed(result) ? 0 : snprintf(walk->path + length, room, "%s%s", length == 0 ? "" : "/", names[i]->d_name);
    free(names[i]);
    if (failed(result)) continue;
    bool is_directory = false;
    if ((size_t)written >= room) result = fault(ENAMETOOLONG, "a path deeper than PATH_MAX");
    else {
      walk->length = length + (size_t)written;
      result = print_entry(walk, &is_directory);
      if (!failed(result) && is_directory) result = walk_below(walk);
    }
  }
  free(names);
  walk->length = length;
  walk->path[length] = 0;
  return result;
}

struct err layer_print(const char *upper) {
  struct walk walk = {.root = open(upper, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  if (walk.root < 0) return fail(ERR_SYSTEM, errno, "layer_print", upper);
  struct err result = walk_below(&walk);
  close(walk.root);
  if (!failed(result) && fflush(stdout) != 0) result = fault(errno, "write");
  return result;
}
