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
  const char *after; /* what is not beyond it is left out */
  size_t length;
  char path[PATH_MAX];
};

/* A name in a directory, and how it is told: bytes that are no UTF-8 as U+FFFD, which no file can be opened by again. */
struct name {
  char *raw, *shown;
  bool is_text;
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

/* The length of the UTF-8 sequence at `at` (RFC 3629), 0 when it is none. */
static size_t sequence(const unsigned char *at) {
  if (at[0] < 0x80) return 1;
  size_t length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
  if (at[0] < 0xc2 || at[0] > 0xf4) return 0;
  unsigned char least = at[0] == 0xe0 ? 0xa0 : at[0] == 0xf0 ? 0x90 : 0x80, most = at[0] == 0xed ? 0x9f : at[0] == 0xf4 ? 0x8f : 0xbf;
  if (at[1] < least || at[1] > most) return 0;
  for (size_t i = 2; i < length; i++)
    if ((at[i] & 0xc0) != 0x80) return 0;
  return length;
}

static bool name_take(struct name *out, const char *raw) {
  size_t room = strlen(raw) * 3 + 1, length = 0;
  *out = (struct name){.raw = strdup(raw), .is_text = true};
  for (const char *at = raw; *at != 0;) {
    size_t taken = sequence((const unsigned char *)at);
    if (taken == 0) out->is_text = false;
    at += taken == 0 ? 1 : taken;
  }
  if (out->raw == NULL || out->is_text) {
    out->shown = out->raw;
    return out->raw != NULL;
  }
  out->shown = malloc(room);
  if (out->shown == NULL) {
    free(out->raw);
    return false;
  }
  for (const char *at = raw; *at != 0;) {
    size_t taken = sequence((const unsigned char *)at);
    memcpy(out->shown + length, taken == 0 ? "\xef\xbf\xbd" : at, taken == 0 ? 3 : taken);
    length += taken == 0 ? 3 : taken;
    at += taken == 0 ? 1 : taken;
  }
  out->shown[length] = 0;
  return true;
}

static void names_free(struct name *names, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (names[i].shown != names[i].raw) free(names[i].shown);
    free(names[i].raw);
  }
  free(names);
}

static int by_name(const void *one, const void *other) {
  return strcmp(((const struct name *)one)->shown, ((const struct name *)other)->shown);
}

/* The names in the directory, sorted as they are told. */
static struct err read_names(const struct walk *walk, struct name **names, size_t *count) {
  *names = NULL;
  *count = 0;
  int fd = open_below(walk, O_RDONLY | O_DIRECTORY);
  if (fd < 0) return has_gone(errno) ? OK : fault(errno, "open a directory");
  DIR *directory = fdopendir(fd);
  if (directory == NULL) {
    int error = errno;
    close(fd);
    return fault(error, "open a directory");
  }
  size_t room = 0;
  int error = 0;
  for (;;) {
    errno = 0;
    const struct dirent *entry = readdir(directory);
    if (entry == NULL) {
      error = errno;
      break;
    }
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (*count == room) {
      room = room == 0 ? 64 : room * 2;
      struct name *more = realloc(*names, room * sizeof **names);
      if (more == NULL) error = ENOMEM;
      else *names = more;
    }
    if (error == 0 && !name_take(&(*names)[*count], entry->d_name)) error = ENOMEM;
    if (error != 0) break;
    ++*count;
  }
  closedir(directory);
  if (*count > 0) qsort(*names, *count, sizeof **names, by_name);
  /* Removed while it was read: what was seen of it is gone, too. */
  return error == 0 || error == ENOENT ? OK : fault(error, "read a directory");
}

static struct err walk_below(struct walk *walk);

static struct err walk_into(struct walk *walk, size_t length, const char *name) {
  size_t written = strlen(name) + (length == 0 ? 0 : 1);
  if (length + written >= sizeof walk->path) return fault(ENAMETOOLONG, "a path deeper than PATH_MAX");
  snprintf(walk->path + length, sizeof walk->path - length, "%s%s", length == 0 ? "" : "/", name);
  walk->length = length + written;
  return walk_below(walk);
}

/* Whether `name` comes after everything below `directory`, which comes before it: "a", "a.b", "a/c", "ab". */
static bool is_past(const char *name, const char *directory) {
  size_t length = strlen(directory);
  return strncmp(name, directory, length) != 0 || (unsigned char)name[length] > '/';
}

/* Whether neither the path nor anything below it comes after `after`. */
static bool is_before(const char *path, const char *after) {
  size_t length = strlen(path);
  int order = strncmp(path, after, length);
  return order < 0 || (order == 0 && (unsigned char)after[length] > '/');
}

/* In the order of whole paths, byte by byte, in which "a.b" comes before "a/c": a directory is walked when the names that
   come before what it holds are done. Each that waits is the beginning of those that came later, so the last is next. */
static struct err walk_names(struct walk *walk, const struct name *names, size_t count, size_t *waiting) {
  size_t length = walk->length, waits = 0;
  for (size_t i = 0; i < count; i++) {
    while (waits > 0 && is_past(names[i].shown, names[waiting[waits - 1]].shown))
      TRY(walk_into(walk, length, names[waiting[--waits]].raw));
    size_t written = strlen(names[i].shown) + (length == 0 ? 0 : 1);
    if (length + written >= sizeof walk->path) return fault(ENAMETOOLONG, "a path deeper than PATH_MAX");
    snprintf(walk->path + length, sizeof walk->path - length, "%s%s", length == 0 ? "" : "/", names[i].shown);
    walk->length = length + written;
    if (walk->after != NULL && is_before(walk->path, walk->after)) continue;
    bool is_directory = false;
    if (names[i].is_text) TRY(print_entry(walk, &is_directory));
    /* Nobody can name it to bring it out, nor anything below it. */
    else if (i == 0 || strcmp(names[i].shown, names[i - 1].shown) != 0) printf("s%c0%c0%c0%c%s%c\n", 0, 0, 0, 0, walk->path, 0);
    if (is_directory) waiting[waits++] = i;
  }
  while (waits > 0) TRY(walk_into(walk, length, names[waiting[--waits]].raw));
  return OK;
}

static struct err walk_below(struct walk *walk) {
  struct name *names;
  size_t count, length = walk->length;
  struct err result = read_names(walk, &names, &count);
  size_t *waiting = failed(result) || count == 0 ? NULL : malloc(count * sizeof *waiting);
  if (waiting != NULL) result = walk_names(walk, names, count, waiting);
  else if (!failed(result) && count > 0) result = fault(ENOMEM, "walk a directory");
  free(waiting);
  names_free(names, count);
  walk->length = length;
  walk->path[length] = 0;
  return result;
}

struct err layer_print(const char *upper, const char *after) {
  struct walk walk = {.after = after, .root = open(upper, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  if (walk.root < 0) return fail(ERR_SYSTEM, errno, "layer_print", upper);
  struct err result = walk_below(&walk);
  close(walk.root);
  if (!failed(result) && fflush(stdout) != 0) result = fault(errno, "write");
  return result;
}
