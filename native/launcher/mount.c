#include "mount.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "idmap.h"
#include "sys.h"

struct err host_open(struct host *out) {
  const struct {
    int *fd;
    const char *path;
    int flags;
  } wanted[] = {
      {&out->root, "/", O_PATH | O_DIRECTORY},
      {&out->proc, "/proc", O_PATH | O_DIRECTORY},
      {&out->mount_ns, "/proc/self/ns/mnt", O_RDONLY},
      {&out->pid_ns, "/proc/self/ns/pid", O_RDONLY},
      {&out->net_ns, "/proc/self/ns/net", O_RDONLY},
  };
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    *wanted[i].fd = open(wanted[i].path, wanted[i].flags | O_CLOEXEC);
    if (*wanted[i].fd < 0) return fail(ERR_SYSTEM, errno, "open host", wanted[i].path);
  }
  struct statfs fs;
  /* A false /proc would make every later check worthless (CVE-2019-16884). */
  if (fstatfs(out->proc, &fs) < 0 || fs.f_type != 0x9fa0) return fail(ERR_UNSUPPORTED, ENOTSUP, "check /proc", "/proc");
  return OK;
}

static uint64_t attributes_of(uint32_t flags) {
  return ((flags & MF_READONLY) ? SYS_MOUNT_ATTR_RDONLY : 0u) | ((flags & MF_NOSUID) ? SYS_MOUNT_ATTR_NOSUID : 0u) |
         ((flags & MF_NODEV) ? SYS_MOUNT_ATTR_NODEV : 0u) | ((flags & MF_NOEXEC) ? SYS_MOUNT_ATTR_NOEXEC : 0u) |
         ((flags & MF_NOSYMFOLLOW) ? SYS_MOUNT_ATTR_NOSYMFOLLOW : 0u);
}

static struct err set_attributes(int mount, uint32_t flags, int idmap) {
  struct sys_mount_attr attr = {.attr_set = attributes_of(flags), .propagation = MS_PRIVATE};
  unsigned at = AT_EMPTY_PATH;
  if (idmap >= 0) {
    struct sys_mount_attr map = {.attr_set = SYS_MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)idmap};
    if (sys_mount_setattr(mount, "", at, &map) < 0) return fail(ERR_UNSUPPORTED, errno, "idmapped mount", NULL);
  }
  if (flags & MF_RECURSIVE) at |= SYS_AT_RECURSIVE;
  if (sys_mount_setattr(mount, "", at, &attr) < 0) return fail(ERR_SYSTEM, errno, "mount attributes", NULL);
  return OK;
}

static struct err clone_opened(const struct host *host, const struct mount_step *step, const char *source, int path,
                               uid_t guest_uid, gid_t guest_gid, int *out) {
  struct stat st;
  if (fstat(path, &st) < 0) return fail(ERR_SYSTEM, errno, "stat source", source);
  if (step->kind == MOUNT_DEVICE &&
      (!S_ISCHR(st.st_mode) || major(st.st_rdev) != step->major || minor(st.st_rdev) != step->minor))
    return fail(ERR_SYSTEM, ENXIO, "device is not what the plan says", source);
  if (step->kind != MOUNT_DEVICE && !S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode) && !S_ISSOCK(st.st_mode))
    return fail(ERR_JOB, EINVAL, "source is neither file nor directory", source);

  unsigned flags = SYS_OPEN_TREE_CLONE | AT_EMPTY_PATH;
  if (step->flags & MF_RECURSIVE) flags |= SYS_AT_RECURSIVE;
  int tree = sys_open_tree(path, "", flags);
  if (tree < 0) return fail(ERR_SYSTEM, errno, "clone mount", source);
  int idmap = -1;
  struct err result = OK;
  if ((step->flags & MF_IDMAP) && host->privileged && st.st_uid != guest_uid)
    result = idmap_namespace(host->proc, st.st_uid, st.st_gid, guest_uid, guest_gid, &idmap);
  if (!failed(result)) result = set_attributes(tree, step->flags, idmap);
  if (failed(result)) {
    close(tree);
    result.what = source;
    return result;
  }
  *out = tree;
  return OK;
}

struct err mount_clone(const struct host *host, const struct mount_step *step, const char *source, uid_t guest_uid,
                       gid_t guest_gid, int *out) {
  *out = -1;
  int path = sys_openat2(host->root, source[1] == 0 ? "." : source + 1, O_PATH, 0,
                         SYS_RESOLVE_NO_SYMLINKS | SYS_RESOLVE_NO_MAGICLINKS);
  if (path < 0) {
    if (errno == ENOENT && (step->flags & MF_OPTIONAL)) return OK;
    return fail(ERR_JOB, errno, "open source", source);
  }
  struct err result = clone_opened(host, step, source, path, guest_uid, guest_gid, out);
  close(path);
  return result;
}

/* Makes `target` (absolute, normalised) below `root`, one component at a time and without following links.
   Where `create` is false a missing component is an error: nothing may be made inside what belongs to the host. */
static struct err make_target(int root, const char *target, bool directory, bool create, uint32_t mode) {
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
static struct err place(int root, const char *target, bool directory, uint32_t mode) {
  int made;
  if (directory) {
    made = mkdirat(root, target + 1, mode);
  } else {
    made = openat(root, target + 1, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (made >= 0) close(made);
  }
  if (made >= 0 || errno == EEXIST) return OK;
  if (errno != ENOENT) return fail(ERR_PLAN, errno, "make mount point", target);
  return make_target(root, target, directory, true, mode);
}

static bool is_below(const char *path, const char *ancestor) {
  size_t length = strlen(ancestor);
  if (length == 1) return true;
  return strncmp(path, ancestor, length) == 0 && (path[length] == '/' || path[length] == 0);
}

static struct err new_filesystem(const char *type, const struct mount_step *step, int *out) {
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
    *out = sys_fsmount(context, (unsigned)attributes_of(flags));
    if (*out < 0) result = fail(ERR_SYSTEM, errno, "fsmount", type);
  }
  close(context);
  return result;
}

/* The place is opened first and without following links: what is mounted on is a descriptor, never a path
   (CVE-2021-30465, CVE-2024-42472). */
static struct err attach(int mount, int root, const char *target) {
  int place = sys_openat2(root, target + 1, O_PATH | O_NOFOLLOW, 0, SYS_RESOLVE_NO_SYMLINKS | SYS_RESOLVE_BENEATH);
  if (place < 0) return fail(ERR_SYSTEM, errno, "open mount point", target);
  int moved = sys_move_mount(mount, "", place, "", SYS_MOVE_MOUNT_F_EMPTY_PATH | SYS_MOVE_MOUNT_T_EMPTY_PATH);
  int error = errno;
  close(place);
  return moved < 0 ? fail(ERR_SYSTEM, error, "attach mount", target) : OK;
}

/* In a tree of our own, where no link can have been planted. */
static struct err attach_here(int mount, int root, const char *target) {
  if (sys_move_mount(mount, "", root, target + 1, SYS_MOVE_MOUNT_F_EMPTY_PATH) < 0)
    return fail(ERR_SYSTEM, errno, "attach mount", target);
  return OK;
}

/* A new file system at once in its place: one call, where the tree is ours and a path cannot lead astray. */
static struct err mount_here(const char *type, const struct mount_step *step) {
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
  return make_target(root, parent, true, true, 0755);
}

/* The steps that need neither a source of the host nor a name space of their own. */
static struct err plain_step(int root, const struct mount_step *step) {
  switch (step->kind) {
    case MOUNT_DIRECTORY:
      return place(root, step->target, true, step->mode ? step->mode : 0755u);
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

/* Each sandbox has its own instance, made inside its own name spaces. */
static bool is_private_root(const struct mount_step *step) {
  return step->kind == MOUNT_PROC || step->kind == MOUNT_DEVPTS || step->kind == MOUNT_MQUEUE ||
         step->kind == MOUNT_SYSFS || (step->kind == MOUNT_TMPFS && (step->flags & MF_PRIVATE));
}

/* Where private file systems begin, as far as the steps have been gone through. */
struct private_roots {
  size_t count;
  const char *paths[PLAN_MOUNTS_MAX + PLAN_SCAFFOLD_MAX];
};

static bool is_within(const struct private_roots *roots, const char *target) {
  for (size_t i = 0; i < roots->count; i++)
    if (is_below(target, roots->paths[i])) return true;
  return false;
}

/* Whether a step is each sandbox's own: it is a private file system, or lies in one. *inside: it lies in one. */
static bool is_private(struct private_roots *roots, const struct mount_step *step, bool *inside) {
  *inside = is_within(roots, step->target);
  if (!is_private_root(step)) return *inside;
  roots->paths[roots->count++] = step->target;
  return true;
}

static struct private_roots scaffold_roots(const struct plan *plan) {
  struct private_roots roots;
  roots.count = plan->scaffold_count;
  for (size_t i = 0; i < plan->scaffold_count; i++) roots.paths[i] = plan->scaffold[i];
  return roots;
}

static struct err enter_root(void) {
  /* The old root ends up on top of the new one and is let go: no place for it is needed (pivot_root(2), NOTES). */
  if (sys_pivot_root(".", ".") == 0) {
    if (umount2(".", MNT_DETACH) < 0) return fail(ERR_SYSTEM, errno, "let go of old root", NULL);
    return chdir("/") < 0 ? fail(ERR_SYSTEM, errno, "chdir", "/") : OK;
  }
  /* An initramfs cannot be pivoted away from (EINVAL): cover it instead. */
  if (errno != EINVAL) return fail(ERR_SYSTEM, errno, "pivot_root", NULL);
  if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
    return fail(ERR_SYSTEM, errno, "cover initramfs", NULL);
  return OK;
}

/* Made by number where we may, which is cheaper than a bind and cannot be the wrong device. */
static struct err make_device(const struct host *host, int root, const struct mount_step *step, int source) {
  if (host->privileged) {
    mode_t mask = umask(0);
    int made = mknodat(root, step->target + 1, S_IFCHR | 0666, makedev(step->major, step->minor));
    umask(mask);
    return made < 0 ? fail(ERR_SYSTEM, errno, "make device", step->target) : OK;
  }
  TRY(place(root, step->target, false, 0));
  return attach_here(source, root, step->target);
}

static struct err template_step(const struct host *host, int root, const struct mount_step *step, int source) {
  switch (step->kind) {
    case MOUNT_BIND: {
      if (source < 0) return OK;
      struct stat st;
      if (fstat(source, &st) < 0) return fail(ERR_SYSTEM, errno, "stat mount", step->target);
      TRY(place(root, step->target, S_ISDIR(st.st_mode), 0755));
      return attach_here(source, root, step->target);
    }
    case MOUNT_DEVICE:
      return make_device(host, root, step, source);
    case MOUNT_TMPFS: {
      struct mount_step open = *step;
      open.flags &= ~(uint32_t)MF_READONLY; /* until it is filled */
      TRY(place(root, step->target, true, 0755));
      return mount_here("tmpfs", &open);
    }
    case MOUNT_MASK:
      return OK; /* below the host's own directories nothing is masked: it is not bound in the first place */
    default:
      return plain_step(root, step);
  }
}

/* An empty file and an empty directory of our own, to lay over what must not be seen. Never /dev/null, which a host
   may have replaced (CVE-2025-31133). The template has them where proc will cover them; a job, which comes when it has,
   lays a file system of its own over proc for a moment, before there is a guest. */
#define MASK_PLACE "/proc"
struct mask {
  bool ready;
  int file, directory;
};

static struct err mask_make(int place) {
  int file = openat(place, "f", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
  if (file < 0 || mkdirat(place, "d", 0555) < 0) return fail(ERR_SYSTEM, errno, "mask", NULL);
  close(file);
  return OK;
}

static struct err mask_open(struct mask *mask, int place) {
  mask->file = openat(place, "f", O_PATH | O_CLOEXEC);
  mask->directory = openat(place, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (mask->file < 0 || mask->directory < 0) return fail(ERR_SYSTEM, errno, "open mask", NULL);
  mask->ready = true;
  return OK;
}

static struct err mask_for_job(struct mask *mask, int root) {
  struct mount_step step = {.kind = MOUNT_TMPFS, .target = MASK_PLACE, .bytes = 4096, .inodes = 4, .mode = 0555,
                            .flags = MF_NOSUID | MF_NODEV | MF_NOEXEC};
  int fs;
  TRY(new_filesystem("tmpfs", &step, &fs));
  TRY(mask_make(fs));
  TRY(attach_here(fs, root, MASK_PLACE));
  TRY(set_attributes(fs, step.flags | MF_READONLY, -1)); /* its clones take this over */
  struct err result = mask_open(mask, fs);
  close(fs);
  return result;
}

static bool has_masks(const struct plan *plan) {
  for (size_t i = 1; i < plan->mount_count; i++)
    if (plan->mounts[i].kind == MOUNT_MASK) return true;
  return false;
}

struct err mount_template(const struct host *host, const struct plan *plan) {
  int sources[PLAN_MOUNTS_MAX];
  /* open_tree(2) clones only what is mounted in the caller's own, new name space. */
  struct host here = *host;
  here.root = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (here.root < 0) return fail(ERR_SYSTEM, errno, "open root", NULL);
  struct private_roots roots = scaffold_roots(plan);
  bool inside;
  for (size_t i = 0; i < plan->mount_count; i++) {
    const struct mount_step *step = &plan->mounts[i];
    sources[i] = -1;
    bool private = i > 0 && is_private(&roots, step, &inside);
    if (step->kind == MOUNT_SYSFS) {
      /* A new sysfs may be mounted only where one is in sight already: the host's, which it then covers. */
      struct mount_step seen = {.kind = MOUNT_BIND, .target = step->target, .flags = MF_READONLY | MF_NOSUID | MF_NODEV | MF_NOEXEC};
      if (!host->privileged) seen.flags |= MF_RECURSIVE; /* its submounts are locked for us */
      TRY(mount_clone(&here, &seen, "/sys", 0, 0, &sources[i]));
    }
    if (step->kind != MOUNT_BIND && (step->kind != MOUNT_DEVICE || host->privileged)) continue;
    if (private) return fail(ERR_PLAN, EINVAL, "bind below a private mount", step->target);
    TRY(mount_clone(&here, step, step->source, 0, 0, &sources[i]));
  }
  close(here.root);
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return fail(ERR_SYSTEM, errno, "make mounts private", NULL);
  int fresh;
  struct mount_step first = plan->mounts[0];
  first.flags &= ~(uint32_t)MF_READONLY; /* until it is filled */
  TRY(new_filesystem("tmpfs", &first, &fresh));
  /* Any directory serves as the place to attach: it is covered only inside this name space. */
  if (sys_move_mount(fresh, "", AT_FDCWD, "/proc", SYS_MOVE_MOUNT_F_EMPTY_PATH) < 0)
    return fail(ERR_SYSTEM, errno, "attach root", NULL);
  if (fchdir(fresh) < 0) return fail(ERR_SYSTEM, errno, "enter root", NULL);
  TRY(enter_root());
  close(fresh);

  int root = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return fail(ERR_SYSTEM, errno, "open root", NULL);
  for (size_t i = 0; i < plan->scaffold_count; i++) TRY(place(root, plan->scaffold[i], true, 0755));
  roots = scaffold_roots(plan);
  for (size_t i = 1; i < plan->mount_count; i++) {
    const struct mount_step *step = &plan->mounts[i];
    if (!is_private(&roots, step, &inside)) {
      TRY(template_step(host, root, step, sources[i]));
      if (sources[i] >= 0) close(sources[i]);
    } else if (!inside && step->kind != MOUNT_MASK) {
      TRY(place(root, step->target, true, 0755)); /* only where it will be */
      if (sources[i] >= 0) TRY(attach_here(sources[i], root, step->target));
      if (sources[i] >= 0) close(sources[i]);
    }
  }
  if (has_masks(plan)) {
    TRY(place(root, MASK_PLACE, true, 0755));
    int below = openat(root, &MASK_PLACE[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (below < 0) return fail(ERR_SYSTEM, errno, "mask", NULL);
    TRY(mask_make(below));
    close(below);
  }
  struct sys_mount_attr readonly = {.attr_set = SYS_MOUNT_ATTR_RDONLY};
  for (size_t i = 0; i < plan->mount_count; i++) {
    const struct mount_step *step = &plan->mounts[i];
    if (step->kind != MOUNT_TMPFS || !(step->flags & MF_READONLY)) continue;
    if (sys_mount_setattr(root, i == 0 ? "" : step->target + 1, i == 0 ? AT_EMPTY_PATH : 0, &readonly) < 0)
      return fail(ERR_SYSTEM, errno, "make read-only", step->target);
  }
  close(root);
  return OK;
}

/* `ours`: the tree that target lies in cannot hold planted links. */
static struct err mask_apply(const struct mask *mask, int root, const char *target, bool ours) {
  struct stat st;
  if (fstatat(root, target + 1, &st, AT_SYMLINK_NOFOLLOW) < 0) return OK;
  int source = sys_open_tree(S_ISDIR(st.st_mode) ? mask->directory : mask->file, "",
                             SYS_OPEN_TREE_CLONE | AT_EMPTY_PATH);
  if (source < 0) return fail(ERR_SYSTEM, errno, "clone mask", target);
  struct err result = ours ? attach_here(source, root, target) : attach(source, root, target);
  close(source);
  return result;
}

struct err mount_private(const struct plan *plan, int proc) {
  int root = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return fail(ERR_SYSTEM, errno, "open root", NULL);
  struct mask mask = {0};
  if (has_masks(plan)) {
    int place = openat(root, &MASK_PLACE[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (place < 0) return fail(ERR_SYSTEM, errno, "open mask", NULL);
    struct err result = mask_open(&mask, place);
    close(place);
    if (failed(result)) return result;
  }
  struct private_roots roots = scaffold_roots(plan);
  bool inside;
  for (size_t i = 0; i < plan->scaffold_count; i++) {
    struct mount_step step = {.kind = MOUNT_TMPFS, .target = plan->scaffold[i], .bytes = 1 << 20, .inodes = 4096,
                              .mode = 0755, .flags = MF_NOSUID | MF_NODEV};
    TRY(mount_here("tmpfs", &step));
  }
  for (size_t i = 1; i < plan->mount_count; i++) {
    const struct mount_step *step = &plan->mounts[i];
    if (!is_private(&roots, step, &inside)) continue;
    switch (step->kind) {
      case MOUNT_TMPFS:
        TRY(place(root, step->target, true, 0755));
        TRY(mount_here("tmpfs", step));
        break;
      case MOUNT_PROC:
        TRY(attach_here(proc, root, step->target));
        break;
      case MOUNT_DEVPTS:
        TRY(mount_here("devpts", step));
        break;
      case MOUNT_MQUEUE:
        TRY(mount_here("mqueue", step));
        break;
      case MOUNT_SYSFS:
        TRY(mount_here("sysfs", step));
        break;
      case MOUNT_MASK:
        TRY(mask_apply(&mask, root, step->target, true));
        break;
      default:
        TRY(plain_step(root, step));
    }
  }
  if (mask.ready) {
    close(mask.file);
    close(mask.directory);
  }
  close(root);
  return OK;
}

/* `target` as an overlay's option, seen from a mount on it: what matters there (a colon between layers) behind a backslash,
   and not the whole path, since fsconfig(2) takes 255 bytes at most. */
static void lower_option(const char *target, char out[2 * NAME_MAX + 4]) {
  const char *name = strrchr(target, '/') + 1;
  char *at = out + snprintf(out, 4, "../");
  for (; *name && at < out + 2 * NAME_MAX; name++) {
    if (*name == ':' || *name == '\\') *at++ = '\\';
    *at++ = *name;
  }
  *at = 0;
}

/* Laid over `target`: changes go to the upper directory. `state` holds "upper" and "work". Paths are given relative to
   the state directory, attached for a moment at the target itself, so that no hidden place is needed inside. */
static struct err overlay(int root, const struct mount_step *step, int lower, int state) {
  struct stat st;
  if (fstat(lower, &st) < 0) return fail(ERR_SYSTEM, errno, "overlay", step->target);
  TRY(attach(state, root, step->target));
  if (fchdir(state) < 0) return fail(ERR_SYSTEM, errno, "overlay", step->target);
  TRY(attach(lower, root, step->target));
  int context = sys_fsopen("overlay");
  if (context < 0) return fail(ERR_UNSUPPORTED, errno, "overlay", step->target);
  struct err result = OK;
  /* userxattr, below, switches redirect_dir and metacopy off: a changed file is whole, a moved directory is copied. */
  char seen_from_state[2 * NAME_MAX + 4];
  lower_option(step->target, seen_from_state);
  const char *const options[][2] = {{"lowerdir", seen_from_state}, {"upperdir", "upper"}, {"workdir", "work"}};
  for (size_t i = 0; i < sizeof options / sizeof *options && !failed(result); i++)
    if (sys_fsconfig(context, SYS_FSCONFIG_SET_STRING, options[i][0], options[i][1], 0) < 0)
      result = fail(ERR_UNSUPPORTED, errno, "overlay option", options[i][0]);
  if (!failed(result) && (sys_fsconfig(context, SYS_FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0 ||
                          sys_fsconfig(context, SYS_FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0))
    result = fail(ERR_UNSUPPORTED, errno, "make overlay", step->target);
  int merged = -1;
  if (!failed(result)) {
    merged = sys_fsmount(context, (unsigned)attributes_of(step->flags));
    if (merged < 0) result = fail(ERR_SYSTEM, errno, "mount overlay", step->target);
  }
  close(context);
  if (chdir("/") < 0 || umount2(step->target, MNT_DETACH) < 0 || umount2(step->target, MNT_DETACH) < 0)
    if (!failed(result)) result = fail(ERR_SYSTEM, errno, "overlay layers", step->target);
  if (!failed(result)) result = attach(merged, root, step->target);
  if (merged >= 0) close(merged);
  return result;
}

static struct err job_step(int root, const struct job *job, size_t index, const int *fds, struct mask *mask) {
  const struct mount_step *step = &job->mounts[index];
  bool inside_bind = false;
  for (size_t i = 0; i < index; i++)
    inside_bind |= mount_needs_source(&job->mounts[i]) && is_below(step->target, job->mounts[i].target);
  switch (step->kind) {
    case MOUNT_BIND:
    case MOUNT_DEVICE:
    case MOUNT_OVERLAY: {
      struct stat st;
      if (fstat(fds[0], &st) < 0) return fail(ERR_SYSTEM, errno, "stat mount", step->target);
      TRY(make_target(root, step->target, S_ISDIR(st.st_mode), !inside_bind, 0755));
      if (step->kind == MOUNT_OVERLAY) return overlay(root, step, fds[0], fds[1]);
      return attach(fds[0], root, step->target);
    }
    case MOUNT_TMPFS: {
      int fs;
      TRY(make_target(root, step->target, true, !inside_bind, 0755));
      TRY(new_filesystem("tmpfs", step, &fs));
      struct err result = attach(fs, root, step->target);
      close(fs);
      return result;
    }
    case MOUNT_MASK:
      if (!mask->ready) TRY(mask_for_job(mask, root));
      return mask_apply(mask, root, step->target, false);
    case MOUNT_READONLY: {
      /* Below a workspace, where a guest of another sandbox may put links at any moment: by descriptor here, too. */
      int seen = sys_openat2(root, step->target + 1, O_PATH | O_NOFOLLOW, 0, SYS_RESOLVE_NO_SYMLINKS | SYS_RESOLVE_BENEATH);
      if (seen < 0) return fail(ERR_JOB, errno, "clone for read-only", step->target);
      int self = sys_open_tree(seen, "", SYS_OPEN_TREE_CLONE | SYS_AT_RECURSIVE | AT_EMPTY_PATH);
      int error = errno;
      close(seen);
      if (self < 0) return fail(ERR_JOB, error, "clone for read-only", step->target);
      struct err result = set_attributes(self, MF_READONLY | MF_RECURSIVE, -1);
      if (!failed(result)) result = attach(self, root, step->target);
      close(self);
      return result;
    }
    default:
      if (inside_bind) return fail(ERR_JOB, EINVAL, "made inside a bind", step->target);
      return plain_step(root, step);
  }
}

struct err mount_job(const struct plan *plan, const struct job *job, const uint8_t *fd_counts, const int *fds) {
  if (job->mount_count == 0 && plan->scaffold_count == 0) return OK;
  int root = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return fail(ERR_SYSTEM, errno, "open root", NULL);
  struct mask mask = {0};
  for (size_t i = 0; i < job->mount_count; i++) {
    const struct mount_step *step = &job->mounts[i];
    size_t needed = step->kind == MOUNT_OVERLAY ? 2 : mount_needs_source(step) ? 1 : 0;
    if (needed && fd_counts[i] == 0) continue; /* optional, and missing */
    if (needed != fd_counts[i]) return fail(ERR_JOB, EBADMSG, "descriptors of a mount", step->target);
    TRY(job_step(root, job, i, fds, &mask));
    for (size_t n = 0; n < needed; n++) close(fds[n]);
    fds += needed;
  }
  if (mask.ready) {
    close(mask.file);
    close(mask.directory);
    if (umount2(MASK_PLACE, MNT_DETACH) < 0) return fail(ERR_SYSTEM, errno, "let go of masks", NULL);
  }
  for (size_t i = 0; i < plan->scaffold_count; i++) {
    struct sys_mount_attr readonly = {.attr_set = SYS_MOUNT_ATTR_RDONLY};
    if (sys_mount_setattr(root, plan->scaffold[i] + 1, 0, &readonly) < 0)
      return fail(ERR_SYSTEM, errno, "make scaffold read-only", plan->scaffold[i]);
  }
  close(root);
  return OK;
}
