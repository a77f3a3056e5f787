/* One function per operation, and what they share; over 300 lines for that. */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

#define DATA_MAX (1024u * 1024u)
#define REQUEST_MAX (DATA_MAX + 64u * 1024u)
#define REPLY_MAX (DATA_MAX + 64u * 1024u)
/* What one more entry can add to a listing: a name of NAME_MAX and its fields. */
#define ENTRY_MAX 512u
#define DEPTH_MAX 32
/* One request holds up the others no longer than that, whatever the guest does meanwhile. */
#define TURN_MS 500

#define RESOLVE_NO_MAGICLINKS_BIT 0x02u
#define RENAME_NOREPLACE_BIT 1u
#define SYS_FCHMODAT2_NUMBER 452 /* the same on every architecture */

enum files_op { OP_STAT = 1, OP_LIST, OP_READ, OP_WRITE, OP_MKDIR, OP_REMOVE, OP_RENAME, OP_CHMOD, OP_READLINK, OP_SYMLINK };
enum files_flag { FF_CREATE = 1, FF_TRUNCATE = 2, FF_EXCLUSIVE = 4, FF_RECURSIVE = 8, FF_APPEND = 16, FF_FOLLOW = 32, FF_ALL = 63 };

struct request {
  uint32_t seen;
  uint32_t number, op, mode, flags;
  const char *path, *second;
  uint64_t offset, length;
  struct span data;
};

/* Large and used by one request at a time: a slot's stack is not made for them. */
static uint8_t request_bytes[REQUEST_MAX], reply_bytes[REPLY_MAX], data_bytes[DATA_MAX];

#define HAS(request, tag) ((request)->seen & 1u << (tag))

/* openat2 without magic links: /proc/PID/fd and /proc/PID/root would lead to what the path does not say. */
static int open_at(int dir, const char *path, int flags, mode_t mode) {
  struct {
    uint64_t flags, mode, resolve;
  } how = {(uint64_t)(unsigned)(flags | O_CLOEXEC), flags & O_CREAT ? mode : 0, RESOLVE_NO_MAGICLINKS_BIT};
  if (!(flags & O_PATH)) how.flags |= O_NOCTTY; /* openat2 refuses what O_PATH has no use for */
  int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
  return fd < 0 ? -errno : fd;
}

static int open_path(const struct request *request, int flags, mode_t mode) {
  return open_at(AT_FDCWD, request->path, flags | (request->flags & FF_FOLLOW ? 0 : O_NOFOLLOW), mode);
}

/* Opens the directory that holds the last component of `path` and points *name at a copy of that component. */
static int open_parent(const char *path, char copy[PATH_MAX], const char **name) {
  size_t length = strlen(path);
  if (length >= PATH_MAX) return -ENAMETOOLONG;
  memcpy(copy, path, length + 1);
  while (length > 1 && copy[length - 1] == '/') copy[--length] = 0;
  char *slash = strrchr(copy, '/');
  *name = slash + 1;
  if (**name == 0) return -EBUSY; /* the root itself */
  if (strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0) return -EINVAL;
  int parent;
  if (slash == copy) parent = open_at(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
  else {
    *slash = 0;
    parent = open_at(AT_FDCWD, copy, O_PATH | O_DIRECTORY, 0);
  }
  return parent;
}

static uint64_t nanoseconds(struct timespec time) { return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec; }

static void write_fields(struct out *out, const char *name, const struct stat *status) {
  out_str(out, 1, name);
  out_u32(out, 2, status->st_mode);
  out_u64(out, 3, (uint64_t)status->st_size);
  out_u64(out, 4, nanoseconds(status->st_mtim));
  if (S_ISCHR(status->st_mode) || S_ISBLK(status->st_mode)) {
    out_u32(out, 5, major(status->st_rdev));
    out_u32(out, 6, minor(status->st_rdev));
  }
}

static void write_entry(struct out *out, const char *name, const struct stat *status) {
  size_t mark = out_begin(out, 4);
  write_fields(out, name, status);
  out_end(out, mark);
}

/* Operations return 0 or a negative errno, and write what they have to say besides it. */

static int do_stat(const struct request *request, struct out *out) {
  int fd = open_path(request, O_PATH, 0);
  if (fd < 0) return fd;
  struct stat status;
  /* The clock that inodes are dated with (ktime_get_coarse_real_ts64), read first: where it is past the time of change, a
     change after this gets a later one. */
  struct timespec clock = {0};
  clock_gettime(CLOCK_REALTIME_COARSE, &clock);
  int error = fstat(fd, &status) == 0 ? 0 : -errno;
  close(fd);
  if (error != 0) return error;
  const char *name = strrchr(request->path, '/');
  size_t mark = out_begin(out, 4);
  write_fields(out, name[1] == 0 ? request->path : name + 1, &status);
  out_u64(out, 7, status.st_ino);
  out_u64(out, 8, nanoseconds(status.st_ctim));
  out_u64(out, 9, nanoseconds(clock));
  out_end(out, mark);
  return 0;
}

struct dirent64_head {
  uint64_t inode;
  int64_t next;
  uint16_t length;
  uint8_t type;
  char name[];
};

static bool is_dots(const char *name) { return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0)); }

static int64_t now_ms(void) {
  struct timespec now = {0};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A page of a directory: what comes after `offset` entries, at most `length` of them. Field 5 is where to go on. */
static int do_list(const struct request *request, struct out *out) {
  int fd = open_path(request, O_RDONLY | O_DIRECTORY, 0);
  if (fd < 0) return fd;
  uint64_t position = 0, wanted = HAS(request, 5) ? request->length : UINT64_MAX, written = 0;
  int error = 0;
  bool full = wanted == 0;
  int64_t until = now_ms() + TURN_MS;
  while (!full) {
    /* A directory whose entries come and go as fast as they are read has no end. */
    if (position > request->offset && now_ms() > until) {
      full = true;
      break;
    }
    long size = syscall(SYS_getdents64, fd, data_bytes, 65536);
    if (size < 0) error = -errno;
    if (size <= 0) break;
    for (long at = 0; at < size && !full;) {
      const struct dirent64_head *entry = (const void *)(data_bytes + at);
      at += entry->length;
      if (is_dots(entry->name) || position++ < request->offset) continue;
      if (written == wanted || out->length + ENTRY_MAX > DATA_MAX) {
        position--;
        full = true;
        break;
      }
      struct stat status;
      if (fstatat(fd, entry->name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue; /* gone in between */
      write_entry(out, entry->name, &status);
      written++;
    }
  }
  close(fd);
  if (error != 0) return error;
  out_u64(out, 5, position);
  out_u32(out, 6, full);
  return 0;
}

/* Opens a regular file; others would block or have effects, and O_NONBLOCK keeps a FIFO from holding us up. */
static int open_regular(const struct request *request, int flags, mode_t mode, struct stat *status) {
  int fd = open_path(request, flags | O_NONBLOCK, mode);
  if (fd < 0) return fd;
  int error = fstat(fd, status) != 0 ? -errno : S_ISREG(status->st_mode) ? 0 : S_ISDIR(status->st_mode) ? -EISDIR : -EINVAL;
  if (error == 0) return fd;
  close(fd);
  return error;
}

static int do_read(const struct request *request, struct out *out) {
  struct stat status;
  int fd = open_regular(request, O_RDONLY, 0, &status);
  if (fd < 0) return fd;
  uint64_t wanted = HAS(request, 5) && request->length < DATA_MAX ? request->length : DATA_MAX;
  size_t have = 0;
  int error = request->offset > INT64_MAX - DATA_MAX ? -EINVAL : 0;
  while (error == 0 && have < wanted) {
    ssize_t size = pread(fd, data_bytes + have, wanted - have, (off_t)(request->offset + have));
    if (size < 0 && errno != EINTR) error = -errno;
    if (size == 0) break;
    if (size > 0) have += (size_t)size;
  }
  close(fd);
  if (error != 0) return error;
  out_bytes(out, 3, data_bytes, have);
  out_u64(out, 5, (uint64_t)status.st_size);
  return 0;
}

static int do_write(const struct request *request, struct out *out) {
  uint32_t flags = request->flags;
  if (request->data.length > DATA_MAX || request->offset > INT64_MAX - DATA_MAX) return -EINVAL;
  if (flags & FF_APPEND && HAS(request, 4) && request->offset != 0) return -EINVAL;
  int how = O_WRONLY | (flags & FF_CREATE ? O_CREAT : 0) | (flags & FF_EXCLUSIVE ? O_EXCL : 0) | (flags & FF_APPEND ? O_APPEND : 0);
  struct stat status;
  /* Truncated only after it is known to be a regular file. */
  int fd = open_regular(request, how, HAS(request, 7) ? request->mode : 0644, &status);
  if (fd < 0) return fd;
  int error = flags & FF_TRUNCATE && ftruncate(fd, 0) != 0 ? -errno : 0;
  size_t done = 0;
  while (error == 0 && done < request->data.length) {
    const uint8_t *from = request->data.data + done;
    size_t left = request->data.length - done;
    ssize_t size = flags & FF_APPEND ? write(fd, from, left) : pwrite(fd, from, left, (off_t)(request->offset + done));
    if (size < 0 && errno != EINTR) error = -errno;
    if (size > 0) done += (size_t)size;
  }
  if (close(fd) != 0 && error == 0) error = -errno;
  out_u64(out, 5, done);
  return error;
}

static int make_parents(const char *path, mode_t mode) {
  int dir = open_at(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
  while (dir >= 0) {
    path += strspn(path, "/");
    if (*path == 0) break;
    size_t length = strcspn(path, "/");
    char name[NAME_MAX + 1];
    int next = -ENAMETOOLONG;
    if (length <= NAME_MAX) {
      memcpy(name, path, length);
      name[length] = 0;
      path += length;
      next = mkdirat(dir, name, mode) == 0 || errno == EEXIST || is_dots(name) ? open_at(dir, name, O_PATH | O_DIRECTORY, 0) : -errno;
    }
    close(dir);
    dir = next;
  }
  if (dir < 0) return dir;
  close(dir);
  return 0;
}

static int do_mkdir(const struct request *request) {
  mode_t mode = HAS(request, 7) ? request->mode : 0755;
  if (request->flags & FF_RECURSIVE) return make_parents(request->path, mode);
  char copy[PATH_MAX];
  const char *name;
  int parent = open_parent(request->path, copy, &name);
  if (parent < 0) return parent;
  int error = mkdirat(parent, name, mode) == 0 ? 0 : -errno;
  close(parent);
  return error;
}

/* Opens a directory to empty it; the guest's own may lack the permission bits that this needs. */
static int open_to_empty(int parent, const char *name) {
  int fd = open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
  if (fd == -EACCES && fchmodat(parent, name, 0700, 0) == 0) fd = open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
  return fd;
}

/* Removes what is no directory in `fd` and finds one directory that is left, or none: *name is then empty. */
static int empty_level(int fd, char name[NAME_MAX + 1], int64_t until) {
  bool removed = true;
  name[0] = 0;
  while (removed) {
    removed = false;
    if (lseek(fd, 0, SEEK_SET) != 0) return -errno;
    for (;;) {
      long size = syscall(SYS_getdents64, fd, data_bytes, 65536);
      if (size < 0) return -errno;
      if (size == 0) break;
      for (long at = 0; at < size;) {
        if (now_ms() > until) return -EAGAIN;
        const struct dirent64_head *entry = (const void *)(data_bytes + at);
        at += entry->length;
        if (is_dots(entry->name)) continue;
        if (entry->type != DT_DIR) {
          if (unlinkat(fd, entry->name, 0) == 0) {
            removed = true;
            continue;
          }
          if (errno == ENOENT) continue;
          if (errno != EISDIR) return -errno;
        }
        memcpy(name, entry->name, strlen(entry->name) + 1);
        return 0;
      }
    }
  }
  return 0;
}

/* Empties the directory `fds[0]`. Below DEPTH_MAX levels a subdirectory is first moved up into fds[0], so that neither
   descriptors nor stack grow with a depth that the guest chose. -EAGAIN where it takes longer than a turn: whoever asks again
   goes on, and decides how often, since a guest can fill it as fast as it is emptied. */
static int empty_tree(int top) {
  int fds[DEPTH_MAX] = {top};
  char names[DEPTH_MAX][NAME_MAX + 1], name[NAME_MAX + 1];
  int depth = 0, error;
  unsigned serial = 0;
  int64_t until = now_ms() + TURN_MS;
  while ((error = empty_level(fds[depth], name, until)) == 0) {
    if (name[0] == 0) {
      if (depth == 0) return 0;
      close(fds[depth--]);
      if (unlinkat(fds[depth], names[depth + 1], AT_REMOVEDIR) == 0 || errno == ENOENT) continue;
      error = -errno;
      break;
    }
    if (depth == DEPTH_MAX - 1) {
      char moved[32];
      do snprintf(moved, sizeof moved, ".removed-%u", serial++);
      while (syscall(SYS_renameat2, fds[depth], name, top, moved, RENAME_NOREPLACE_BIT) != 0 && errno == EEXIST && now_ms() <= until);
      if (faccessat(top, moved, F_OK, AT_SYMLINK_NOFOLLOW) == 0) continue;
      error = -errno;
      break;
    }
    int next = open_to_empty(fds[depth], name);
    if (next < 0) {
      error = next;
      break;
    }
    fds[++depth] = next;
    memcpy(names[depth], name, sizeof name);
  }
  for (; depth > 0; depth--) close(fds[depth]);
  return error;
}

static int do_remove(const struct request *request) {
  if (request->flags & FF_FOLLOW) return -EINVAL; /* a name is removed, never what it points to */
  char copy[PATH_MAX];
  const char *name;
  int parent = open_parent(request->path, copy, &name);
  if (parent < 0) return parent;
  int error = unlinkat(parent, name, 0) == 0 ? 0 : -errno;
  if (error == -EISDIR || error == -EPERM) {
    error = unlinkat(parent, name, AT_REMOVEDIR) == 0 ? 0 : -errno;
    if ((error == -ENOTEMPTY || error == -EEXIST) && request->flags & FF_RECURSIVE) {
      int top = open_to_empty(parent, name);
      error = top < 0 ? top : empty_tree(top);
      if (top >= 0) close(top);
      if (error == 0 && unlinkat(parent, name, AT_REMOVEDIR) != 0) error = -errno;
    }
  }
  close(parent);
  return error;
}

static int do_rename(const struct request *request) {
  if (!HAS(request, 8) || request->second[0] != '/') return -EINVAL;
  char from_copy[PATH_MAX], to_copy[PATH_MAX];
  const char *from, *to;
  int from_dir = open_parent(request->path, from_copy, &from);
  if (from_dir < 0) return from_dir;
  int to_dir = open_parent(request->second, to_copy, &to);
  int error = to_dir < 0 ? to_dir : 0;
  unsigned flags = request->flags & FF_EXCLUSIVE ? RENAME_NOREPLACE_BIT : 0;
  if (error == 0 && syscall(SYS_renameat2, from_dir, from, to_dir, to, flags) != 0) error = -errno;
  close(from_dir);
  if (to_dir >= 0) close(to_dir);
  return error;
}

static int do_chmod(const struct request *request) {
  if (!HAS(request, 7) || request->mode > 07777) return -EINVAL;
  int fd = open_path(request, O_PATH, 0);
  if (fd < 0) return fd;
  struct stat status;
  int error = fstat(fd, &status) != 0 ? -errno : S_ISLNK(status.st_mode) ? -ELOOP : 0;
  /* chmod of exactly what was opened: the path may lead elsewhere by now. fchmodat2 is there since Linux 6.6; where it is
     not, or not allowed, the way is through /proc. */
  if (error == 0 && syscall(SYS_FCHMODAT2_NUMBER, fd, "", request->mode, AT_EMPTY_PATH) != 0) {
    char self[48];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    error = -errno;
    if (error == -ENOSYS || error == -EPERM) error = chmod(self, request->mode) == 0 ? 0 : -errno;
  }
  close(fd);
  return error;
}

static int do_readlink(const struct request *request, struct out *out) {
  char copy[PATH_MAX];
  const char *name;
  int parent = open_parent(request->path, copy, &name);
  if (parent < 0) return parent;
  ssize_t length = readlinkat(parent, name, (char *)data_bytes, PATH_MAX);
  int error = length < 0 ? -errno : 0;
  close(parent);
  if (error == 0) out_bytes(out, 3, data_bytes, (size_t)length);
  return error;
}

static int do_symlink(const struct request *request) {
  if (!HAS(request, 8)) return -EINVAL;
  char copy[PATH_MAX];
  const char *name;
  int parent = open_parent(request->path, copy, &name);
  if (parent < 0) return parent;
  int error = symlinkat(request->second, parent, name) == 0 ? 0 : -errno;
  close(parent);
  return error;
}

static int perform(const struct request *request, struct out *out) {
  if (request->path[0] != '/' || request->flags & ~(uint32_t)FF_ALL) return -EINVAL;
  if (HAS(request, 7) && request->mode > 07777) return -EINVAL;
  switch (request->op) {
    case OP_STAT: return do_stat(request, out);
    case OP_LIST: return do_list(request, out);
    case OP_READ: return do_read(request, out);
    case OP_WRITE: return do_write(request, out);
    case OP_MKDIR: return do_mkdir(request);
    case OP_REMOVE: return do_remove(request);
    case OP_RENAME: return do_rename(request);
    case OP_CHMOD: return do_chmod(request);
    case OP_READLINK: return do_readlink(request, out);
    case OP_SYMLINK: return do_symlink(request);
    default: return -EOPNOTSUPP;
  }
}

static struct err request_parse(struct span bytes, struct request *out) {
  *out = (struct request){0};
  const struct wire_slot slots[] = {
      {1, WIRE_U32, true, &out->number}, {2, WIRE_U32, true, &out->op},    {3, WIRE_STR, true, &out->path},
      {4, WIRE_U64, false, &out->offset}, {5, WIRE_U64, false, &out->length}, {6, WIRE_BYTES, false, &out->data},
      {7, WIRE_U32, false, &out->mode},  {8, WIRE_STR, false, &out->second}, {9, WIRE_U32, false, &out->flags},
  };
  return wire_record(bytes, slots, sizeof slots / sizeof *slots, &out->seen);
}

/* False when the other end is gone. */
static bool read_all(int fd, void *to, size_t length) {
  for (size_t have = 0; have < length;) {
    ssize_t size = read(fd, (uint8_t *)to + have, length - have);
    if (size == 0 || (size < 0 && errno != EINTR)) return false;
    if (size > 0) have += (size_t)size;
  }
  return true;
}

static bool write_all(int fd, const void *from, size_t length) {
  for (size_t done = 0; done < length;) {
    ssize_t size = write(fd, (const uint8_t *)from + done, length - done);
    if (size < 0 && errno != EINTR) return false;
    if (size > 0) done += (size_t)size;
  }
  return true;
}

/* Reads `length` bytes of a message, keeping the first REQUEST_MAX. */
static bool read_message(int fd, uint32_t length) {
  size_t kept = length < REQUEST_MAX ? length : REQUEST_MAX;
  if (!read_all(fd, request_bytes, kept)) return false;
  for (size_t left = length - kept; left > 0;) {
    size_t part = left < sizeof data_bytes ? left : sizeof data_bytes;
    if (!read_all(fd, data_bytes, part)) return false;
    left -= part;
  }
  return true;
}

static uint32_t get_u32(const uint8_t *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* The answer, behind 4 bytes for its length. */
static void answer(uint32_t length, struct out *out) {
  struct request request;
  int error = length > REQUEST_MAX ? -EMSGSIZE : 0;
  if (error == 0 && failed(request_parse((struct span){request_bytes, length}, &request))) error = -EBADMSG;
  if (error != 0) {
    /* The number alone, so that the question gets its answer. */
    struct span rest = {request_bytes, length < 12 ? length : 12};
    struct field field = {0};
    bool bad;
    request.number = 0;
    if (wire_next(&rest, &field, &bad) && field.tag == 1) (void)wire_u32(field.body, &request.number);
  }
  /* Number and errno have fixed places at the front; the errno is filled in when it is known. */
  out_u32(out, 1, request.number);
  size_t at_errno = out->length;
  out_i32(out, 2, 0);
  size_t empty = out->length;
  if (error == 0) error = perform(&request, out);
  if (error != 0 && request.op != OP_WRITE) out->length = empty;
  size_t length_now = out->length;
  out->length = at_errno;
  out_i32(out, 2, -error);
  out->length = length_now;
}

_Noreturn void files_serve(int fd) {
  /* A limit that is hit, or a caller that went away, is an errno here and not a death. */
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  umask(0);
  uint8_t head[4];
  while (read_all(fd, head, sizeof head)) {
    uint32_t length = get_u32(head);
    if (!read_message(fd, length)) break;
    /* Room enough that the writer never asks for more: see DATA_MAX and ENTRY_MAX. */
    struct out out = {reply_bytes + 4, 0, sizeof reply_bytes - 4, false};
    answer(length, &out);
    for (unsigned i = 0; i < 4; i++) reply_bytes[i] = (uint8_t)(out.length >> (8 * i));
    if (!write_all(fd, reply_bytes, out.length + 4)) break;
  }
  _exit(0);
}
