#include "observe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "notify.h"
#include "sys.h"
#include "trace_call.h"
#include "trace_calls.h"

#define PROC_MAGIC 0x9fa0
#define MOUNT_READONLY_FLAG 1 /* ST_RDONLY of statfs(2) */
#define INSIDE (SYS_RESOLVE_IN_ROOT | SYS_RESOLVE_NO_MAGICLINKS)

/* What a call asks of one path. */
struct wish {
  uint32_t access;
  bool makes;   /* where nothing is yet */
  bool takes;   /* the name itself: removed, renamed, made; its directory is what is written */
  bool follows; /* a last link */
};

/* File systems of this machine alone, which answer by themselves. */
static bool is_local(const char *type) {
  static const char *const types[] = {
      "bcachefs", "binfmt_misc", "bpf", "btrfs", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs",
      "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "fusectl", "hugetlbfs", "iso9660", "mqueue", "nsfs", "ntfs3", "overlay",
      "proc", "pstore", "ramfs", "rootfs", "securityfs", "selinuxfs", "squashfs", "sysfs", "tmpfs", "tracefs", "vfat", "xfs", "zfs"};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (strcmp(type, types[i]) == 0) return true;
  return false;
}

/* ID PARENT DEVICE ROOT PLACE OPTIONS … - TYPE SOURCE OPTIONS (proc_pid_mountinfo(5)) */
static bool may_wait(const struct host *host) {
  int fd = openat(host->proc, "self/mountinfo", O_RDONLY | O_CLOEXEC);
  FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
  char *line = NULL;
  size_t capacity = 0;
  bool waits = file == NULL;
  while (!waits && getline(&line, &capacity, file) > 0) {
    char place[64], *type = strstr(line, " - ");
    if (!type) continue;
    type += 3;
    type[strcspn(type, " ")] = 0;
    /* systemd mounts this one on demand, and it is the kernel's. */
    bool known = sscanf(line, "%*s %*s %*s %*s %63s", place) == 1 && strcmp(place, "/proc/sys/fs/binfmt_misc") == 0;
    waits = !known && !is_local(type);
  }
  free(line);
  if (file) fclose(file);
  return waits;
}

struct observe_log *observe_begin(const struct host *host) {
  struct observe_log *log = calloc(1, sizeof *log);
  if (log) log->resolve = INSIDE | (may_wait(host) ? SYS_RESOLVE_CACHED : 0);
  return log;
}

bool observe_wants(const struct plan *plan, uint32_t number) {
  for (size_t i = 0; i < plan->observed_count; i++)
    if (plan->observed[i] == number) return true;
  return false;
}

static struct wish wish_of(const struct trace_call *call, uint64_t flags) {
  struct wish wish = {.follows = call->no_follow != ~0u && (flags & call->no_follow) == 0};
  if (strcmp(call->op, "open") == 0) {
    if (flags & O_PATH) return wish;
    unsigned mode = flags & O_ACCMODE;
    if (mode != O_WRONLY) wish.access |= OBSERVE_READ;
    if (mode != O_RDONLY || flags & O_TRUNC) wish.access |= OBSERVE_WRITE;
    wish.makes = (flags & O_CREAT) != 0;
    if (wish.makes && flags & O_EXCL) wish.follows = false;
  } else if (strcmp(call->op, "exec") == 0) {
    wish.access = OBSERVE_EXECUTE;
  } else if (strcmp(call->op, "truncate") == 0) {
    wish.access = OBSERVE_WRITE;
  } else {
    wish.access = OBSERVE_CHANGE;
    wish.takes = strcmp(call->op, "attribute") != 0;
    wish.makes = strcmp(call->op, "mkdir") == 0 || strcmp(call->op, "mknod") == 0 || strcmp(call->op, "symlink") == 0;
  }
  return wish;
}

/* 0, or why the guest may not: permissions alone, since access lists are the kernel's to read. `bits`: 4 read, 2 write, 1 execute. */
static int permission(const struct observer *observer, const struct stat *st, unsigned bits) {
  unsigned mode = st->st_mode & 7u;
  if (st->st_uid == observer->uid) mode = st->st_mode >> 6 & 7u;
  else if (st->st_gid == observer->gid) mode = st->st_mode >> 3 & 7u;
  return bits & ~mode ? EACCES : 0;
}

static bool is_readonly(int fd) {
  struct statfs fs;
  return fstatfs(fd, &fs) == 0 && fs.f_flags & MOUNT_READONLY_FLAG;
}

/* A name in this directory is to be made or removed. */
static int directory_refuses(const struct observer *observer, int root, const char *path) {
  char parent[PATH_MAX];
  size_t length = strlen(path);
  while (length > 1 && path[length - 1] == '/') length--;
  while (length > 1 && path[length - 1] != '/') length--;
  if (length >= sizeof parent) return 0;
  memcpy(parent, path, length);
  parent[length] = 0;
  int fd = sys_openat2(root, parent, O_PATH | O_DIRECTORY, 0, observer->log->resolve);
  struct stat st;
  if (fd < 0) return errno == ENOENT ? ENOENT : 0;
  int refused = is_readonly(fd) ? EROFS : fstat(fd, &st) == 0 ? permission(observer, &st, 2 | 1) : 0;
  close(fd);
  return refused;
}

static int file_refuses(const struct observer *observer, int fd, const struct wish *wish) {
  struct stat st;
  if (fstat(fd, &st) < 0 || S_ISLNK(st.st_mode)) return 0;
  bool writes = wish->access & (OBSERVE_WRITE | OBSERVE_CHANGE);
  /* EISDIR is no refusal, and a device is written through a read-only mount. */
  if (wish->access & OBSERVE_WRITE && S_ISDIR(st.st_mode)) return 0;
  if (writes && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) && is_readonly(fd)) return EROFS;
  if (wish->access & OBSERVE_CHANGE) return st.st_uid == observer->uid ? 0 : EPERM;
  unsigned bits = (wish->access & OBSERVE_READ ? 4u : 0) | (wish->access & OBSERVE_WRITE ? 2u : 0) |
                  (wish->access & OBSERVE_EXECUTE ? 1u : 0);
  return permission(observer, &st, bits);
}

/* Not there for anybody, or not for the guest? */
static bool host_has(const struct observer *observer, const char *path, bool follows) {
  int fd = sys_openat2(observer->host->root, path, O_PATH | (follows ? 0 : O_NOFOLLOW), 0, observer->log->resolve);
  struct statfs fs;
  if (fd < 0) return false;
  bool has = fstatfs(fd, &fs) == 0 && fs.f_type != PROC_MAGIC;
  close(fd);
  return has;
}

/* The errno that the guest is about to hear, where that is a refusal; else 0. */
static int refusal(const struct observer *observer, int root, const char *path, const struct wish *wish) {
  if (wish->access == 0) return 0;
  int fd = sys_openat2(root, path, O_PATH | (wish->follows ? 0 : O_NOFOLLOW), 0, observer->log->resolve);
  int missing = fd < 0 ? errno : 0, refused = 0;
  if (fd >= 0 && !wish->takes) refused = file_refuses(observer, fd, wish);
  else if (fd >= 0 && !wish->makes) refused = directory_refuses(observer, root, path); /* what is to be made, and is there: EEXIST */
  if (fd >= 0) {
    close(fd);
    return refused;
  }
  if (missing != ENOENT) return 0;
  if (wish->makes) {
    refused = directory_refuses(observer, root, path);
    if (refused != ENOENT) return refused;
  }
  return host_has(observer, path, wish->follows) ? ENOENT : 0;
}

/* The kernel's own files, which are another one for each who looks. */
static bool is_kernels(const char *path) {
  static const char *const roots[] = {"/proc", "/sys", "/dev"};
  for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
    size_t length = strlen(roots[i]);
    if (strncmp(path, roots[i], length) == 0 && (path[length] == 0 || path[length] == '/')) return true;
  }
  return false;
}

static ssize_t read_link(int proc, pid_t pid, const char *name, char into[PATH_MAX]) {
  char path[64];
  snprintf(path, sizeof path, "%d/%s", (int)pid, name);
  ssize_t length = readlinkat(proc, path, into, PATH_MAX - 1);
  into[length > 0 ? length : 0] = 0;
  return length;
}

/* As the guest would call it: absolute, from its own root, `..` and links unresolved. */
static bool path_inside(const struct observer *observer, const struct seccomp_notif *call, int directory_at, int path_at,
                        char into[2 * PATH_MAX]) {
  char given[PATH_MAX], base[PATH_MAX], root[PATH_MAX], name[32] = "cwd";
  if (!trace_call_string((pid_t)call->pid, call->data.args[path_at], given) || given[0] == 0) return false;
  if (given[0] == '/') {
    memcpy(into, given, strlen(given) + 1);
    return true;
  }
  int directory = directory_at < 0 ? AT_FDCWD : (int)call->data.args[directory_at];
  if (directory != AT_FDCWD) snprintf(name, sizeof name, "fd/%d", directory);
  if (read_link(observer->host->proc, (pid_t)call->pid, name, base) <= 0 || base[0] != '/') return false;
  ssize_t above = read_link(observer->host->proc, (pid_t)call->pid, "root", root);
  if (above < 0) return false;
  bool below = above > 1 && strncmp(base, root, (size_t)above) == 0 && (base[above] == '/' || base[above] == 0);
  size_t skip = below ? (size_t)above : 0;
  const char *inside = strcmp(base + skip, "/") == 0 ? "" : base + skip;
  snprintf(into, 2 * PATH_MAX, "%s/%s", inside, given);
  return true;
}

static void note(const struct observer *observer, int listener, const struct seccomp_notif *call, const char *path,
                 uint32_t access, int errnum) {
  struct observe_log *log = observer->log;
  size_t length = strlen(path);
  char program[16];
  pid_t pid;
  notify_look_up(observer->host->proc, (pid_t)call->pid, program, &pid);
  uint64_t id = call->id;
  /* Killed meanwhile: whose path and name that was nobody knows. */
  if (syscall(SYS_ioctl, listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) < 0) return;
  for (size_t i = 0; i < log->count; i++) {
    struct observe_record *record = &log->records[i];
    if (record->access != access || record->errnum != errnum || record->length != length ||
        memcmp(log->text + record->at, path, length) != 0 || strcmp(record->program, program) != 0)
      continue;
    record->count++;
    return;
  }
  if (log->count == OBSERVE_RECORDS_MAX || length > sizeof log->text - log->used) {
    log->dropped++;
    return;
  }
  struct observe_record *record = &log->records[log->count++];
  *record = (struct observe_record){.number = (uint32_t)call->data.nr, .access = access, .errnum = errnum, .pid = pid, .count = 1,
                                    .at = (uint32_t)log->used, .length = (uint32_t)length};
  memcpy(record->program, program, sizeof program);
  memcpy(log->text + log->used, path, length);
  log->used += length;
}

static void observe_path(const struct observer *observer, int listener, const struct seccomp_notif *call, int root,
                         const struct wish *wish, int directory_at, int path_at) {
  static char path[2 * PATH_MAX];
  if (!path_inside(observer, call, directory_at, path_at, path) || strlen(path) >= PATH_MAX || is_kernels(path)) return;
  int refused = refusal(observer, root, path, wish);
  if (refused) note(observer, listener, call, path, wish->access, refused);
}

static void look(const struct observer *observer, int listener, const struct seccomp_notif *call) {
  const struct trace_call *shape = trace_call_of(call->data.nr);
  if (!observer->log || !shape || (shape->kind != TRACE_PATH && shape->kind != TRACE_TWO_PATHS)) return;
  char name[32];
  snprintf(name, sizeof name, "%d/root", (int)call->pid);
  int root = openat(observer->host->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return;
  struct wish wish = wish_of(shape, trace_call_flags(call, shape));
  observe_path(observer, listener, call, root, &wish, shape->directory, shape->path);
  wish.makes = true; /* where something is renamed to, or linked */
  if (shape->kind == TRACE_TWO_PATHS)
    observe_path(observer, listener, call, root, &wish, shape->second_directory, shape->second_path);
  close(root);
}

void observe_call(const struct observer *observer, int listener, const struct seccomp_notif *call) {
  struct seccomp_notif_resp on = {.id = call->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
  if (observer) look(observer, listener, call);
  syscall(SYS_ioctl, listener, SECCOMP_IOCTL_NOTIF_SEND, &on);
}

void observe_fields(struct out *out, const struct observe_log *log) {
  for (size_t i = 0; i < log->count; i++) {
    const struct observe_record *record = &log->records[i];
    size_t mark = out_begin(out, 28);
    out_u32(out, 1, record->number);
    out_i32(out, 2, record->errnum);
    out_bytes(out, 3, log->text + record->at, record->length);
    out_u32(out, 4, record->access);
    if (record->pid > 0) out_i32(out, 5, record->pid);
    out_bytes(out, 6, record->program, strnlen(record->program, sizeof record->program));
    out_u64(out, 7, record->count);
    out_end(out, mark);
  }
  if (log->dropped) out_u64(out, 29, log->dropped);
}
