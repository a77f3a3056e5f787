#include "mount_parts.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "sys.h"

uint64_t part_attributes(uint32_t flags) {
  return ((flags & MF_READONLY) ? SYS_MOUNT_ATTR_RDONLY : 0u) | ((flags & MF_NOSUID) ? SYS_MOUNT_ATTR_NOSUID : 0u) |
         ((flags & MF_NODEV) ? SYS_MOUNT_ATTR_NODEV : 0u) | ((flags & MF_NOEXEC) ? SYS_MOUNT_ATTR_NOEXEC : 0u) |
         ((flags & MF_NOSYMFOLLOW) ? SYS_MOUNT_ATTR_NOSYMFOLLOW : 0u);
}

struct err part_set_attributes(int mount, uint32_t flags, int idmap) {
  struct sys_mount_attr attr = {.attr_set = part_attributes(flags), .propagation = MS_PRIVATE};
  unsigned at = AT_EMPTY_PATH;
  if (idmap >= 0) {
    struct sys_mount_attr map = {.attr_set = SYS_MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)idmap};
    if (sys_mount_setattr(mount, "", at, &map) < 0) return fail(ERR_UNSUPPORTED, errno, "idmapped mount", NULL);
  }
  if (flags & MF_RECURSIVE) at |= SYS_AT_RECURSIVE;
  if (sys_mount_setattr(mount, "", at, &attr) < 0) return fail(ERR_SYSTEM, errno, "mount attributes", NULL);
  return OK;
}

/* Makes `target` (absolute, normalised) below `root`, one component at a time and without following links.
   Where `create` is false a missing component is an error: nothing may be made inside what belongs to the host. */
struct err part_make_target(int root, const char *target, bool directory, bool create, uint32_t mode) {
  char path[PATH_MAX];
  size_t length = strlen(target);
  if (length >= sizeof path) return fail(ERR_PLAN, ENAMETOOLONG, "mount point", target);
  memcpy(path, target, length + 1);
  for (char *at = path + 1; *at;) {
    char *slash = strchr(at, '/');
    if (slash) *slash = 0;
    bool last = slash == NULL;
    int seen = sys_openat2(root, path + 1, O_PATH | O_NOFOLLOW, 0, SYS_RESOLVE_NO_SYMLINKS | SYS_RESOLVE_BENEATH);
    if (seen >= 0) {
      close(seen);
    } else if (errno != ENOENT || !create) {
      return fail(ERR_JOB, errno, "mount point", target);
    } else if (!last || directory) {
      if (mkdirat(root, path + 1, last ? mode : 0755) < 0) return fail(ERR_JOB, errno, "make mount point", target);
    } else {
      int fd = openat(root, path + 1, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
      if (fd < 0) return fail(ERR_JOB, errno, "make mount point", target);
      close(fd);
    }
    if (last) break;
    *slash = '/';
    at = slash + 1;
  }
  return OK;
}

/* In a tree that is ours alone, fresh and without links: at once, and component by component only where parents lack. */
struct err part_place(int root, const char *target, bool directory, uint32_t mode) {
  int made;
  if (directory) {
    made = mkdirat(root, target + 1, mode);
  } else {
    made = openat(root, target + 1, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (made >= 0) close(made);
  }
  if (made >= 0 || errno == EEXIST) return OK;
  if (errno != ENOENT) return fail(ERR_PLAN, errno, "make mount point", target);
  return part_make_target(root, target, directory, true, mode);
}

bool part_is_below(const char *path, const char *ancestor) {
  size_t length = strlen(ancestor);
  if (length == 1) return true;
  return strncmp(path, ancestor, length) == 0 && (path[length] == '/' || path[length] == 0);
}

struct err part_new_filesystem(const char *type, const struct mount_step *step, int *out) {
  int context = sys_fsopen(type);
  if (context < 0) return fail(ERR_SYSTEM, errno, "fsopen", type);
  char number[32];
  struct err result = OK;
  bool tmpfs = step->kind == MOUNT_TMPFS;
  if (tmpfs && step->bytes) {
    snprintf(number, sizeof number, "%llu", (unsigned long long)step->bytes);
    if (sys_fsconfig(context, SYS_FSCONFIG_SET_STRING, "size", number, 0) < 0)
      result = fail(ERR_SYSTEM, errno, "tmpfs size", step->target);
  }
  if (tmpfs && step->inodes) {
    snprintf(number, sizeof number, "%llu", (unsigned long long)step->inodes);
    if (sys_fsconfig(context, SYS_FSCONFIG_SET_STRING, "nr_inodes", number, 0) < 0)
      result = fail(ERR_SYSTEM, errno, "tmpfs inodes", step->target);
  }
  if (tmpfs) {
    snprintf(number, sizeof number, "%o", step->mode ? step->mode : 0755u);
    if (sys_fsconfig(context, SYS_FSCONFIG_SET_STRING, "mode", number, 0) < 0)
      result = fail(ERR_SYSTEM, errno, "tmpfs mode", step->target);
  }
  if (step->kind == MOUNT_DEVPTS) {
    sys_fsconfig(context, SYS_FSCONFIG_SET_FLAG, "newinstance", NULL, 0);
    if (sys_fsconfig(context, SYS_FSCONFIG_SET_STRING, "ptmxmode", "0666", 0) < 0 ||
        sys_fsconfig(context, SYS_FSCONFIG_SET_STRING, "mode", "0620", 0) < 0)
      result = fail(ERR_SYSTEM, errno, "devpts options", step->target);
  }
  if (!failed(result) && sys_fsconfig(context, SYS_FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
    result = fail(ERR_SYSTEM, errno, "create file system", type);
  if (!failed(result)) {
    uint32_t flags = step->flags;
    if (step->kind == MOUNT_SYSFS) flags |= MF_READONLY | MF_NOSUID | MF_NODEV | MF_NOEXEC;
    if (step->kind == MOUNT_DEVPTS || step->kind == MOUNT_MQUEUE) flags |= MF_NOSUID | MF_NOEXEC;
    *out = sys_fsmount(context, (unsigned)part_attributes(flags));
    if (*out < 0) result = fail(ERR_SYSTEM, errno, "fsmount", type);
  }
  close(context);
  return result;
}

/* The place is opened first and without following links: what is mounted on is a descriptor, never a path
   (CVE-2021-30465, CVE-2024-42472). */
struct err part_attach(int mount, int root, const char *target) {
  int place = sys_openat2(root, target + 1, O_PATH | O_NOFOLLOW, 0, SYS_RESOLVE_NO_SYMLINKS | SYS_RESOLVE_BENEATH);
  if (place < 0) return fail(ERR_SYSTEM, errno, "open mount point", target);
  int moved = sys_move_mount(mount, "", place, "", SYS_MOVE_MOUNT_F_EMPTY_PATH | SYS_MOVE_MOUNT_T_EMPTY_PATH);
  int error = errno;
  close(place);
  return moved < 0 ? fail(ERR_SYSTEM, error, "attach mount", target) : OK;
}

/* In a tree of our own, where no link can have been planted. */
struct err part_attach_here(int mount, int root, const char *target) {
  if (sys_move_mount(mount, "", root, target + 1, SYS_MOVE_MOUNT_F_EMPTY_PATH) < 0)
    return fail(ERR_SYSTEM, errno, "attach mount", target);
  return OK;
}

/* A new file system at once in its place: one call, where the tree is ours and a path cannot lead astray. */
struct err part_mount_here(const char *type, const struct mount_step *step) {
  char options[128] = "";
  unsigned long flags = 0;
  uint32_t wanted = step->flags;
  if (step->kind == MOUNT_SYSFS) wanted |= MF_READONLY | MF_NOSUID | MF_NODEV | MF_NOEXEC;
  if (step->kind == MOUNT_DEVPTS || step->kind == MOUNT_MQUEUE) wanted |= MF_NOSUID | MF_NOEXEC;
  if (wanted & MF_READONLY) flags |= MS_RDONLY;
  if (wanted & MF_NOSUID) flags |= MS_NOSUID;
  if (wanted & MF_NODEV) flags |= MS_NODEV;
  if (wanted & MF_NOEXEC) flags |= MS_NOEXEC;
  if (step->kind == MOUNT_DEVPTS) {
    snprintf(options, sizeof options, "newinstance,ptmxmode=0666,mode=0620");
  } else if (step->kind == MOUNT_TMPFS) {
    size_t length = (size_t)snprintf(options, sizeof options, "mode=%o", step->mode ? step->mode : 0755u);
    if (step->bytes)
      length += (size_t)snprintf(options + length, sizeof options - length, ",size=%llu", (unsigned long long)step->bytes);
    if (step->inodes)
      snprintf(options + length, sizeof options - length, ",nr_inodes=%llu", (unsigned long long)step->inodes);
  }
  if (mount(type, step->target, type, flags, options) < 0) return fail(ERR_SYSTEM, errno, "mount", step->target);
  return OK;
}

static struct err make_parent(int root, const char *target);

static struct err write_content(int root, const struct mount_step *step) {
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const mode_t mode = step->mode ? step->mode : 0644u;
  int fd = openat(root, step->target + 1, flags, mode);
  if (fd < 0 && errno == ENOENT) {
    TRY(make_parent(root, step->target));
    fd = openat(root, step->target + 1, flags, mode);
  }
  if (fd < 0) return fail(ERR_PLAN, errno, "make file", step->target);
  size_t done = 0;
  while (done < step->content.length) {
    ssize_t n = write(fd, step->content.data + done, step->content.length - done);
    if (n <= 0) {
      int error = errno;
      close(fd);
      return fail(ERR_SYSTEM, error, "write file", step->target);
    }
    done += (size_t)n;
  }
  close(fd);
  return OK;
}

static struct err make_parent(int root, const char *target) {
  char parent[PATH_MAX];
  snprintf(parent, sizeof parent, "%s", target);
  char *slash = strrchr(parent, '/');
  if (slash == parent) return OK;
  *slash = 0;
  return part_make_target(root, parent, true, true, 0755);
}

/* The steps that need neither a source of the host nor a name space of their own. */
struct err part_plain_step(int root, const struct mount_step *step) {
  switch (step->kind) {
    case MOUNT_DIRECTORY:
      return part_place(root, step->target, true, step->mode ? step->mode : 0755u);
    case MOUNT_FILE:
      return write_content(root, step);
    case MOUNT_SYMLINK: {
      char to[PATH_MAX];
      if (step->content.length == 0 || step->content.length >= sizeof to)
        return fail(ERR_PLAN, EINVAL, "symbolic link", step->target);
      memcpy(to, step->content.data, step->content.length);
      to[step->content.length] = 0;
      int made = symlinkat(to, root, step->target + 1);
      if (made < 0 && errno == ENOENT) {
        TRY(make_parent(root, step->target));
        made = symlinkat(to, root, step->target + 1);
      }
      if (made < 0) return fail(ERR_PLAN, errno, "symbolic link", step->target);
      return OK;
    }
    default:
      return fail(ERR_PLAN, EINVAL, "mount step", step->target);
  }
}
