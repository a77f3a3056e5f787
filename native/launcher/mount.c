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
#include "mask.h"
#include "mount_parts.h"
#include "overlay.h"
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
  if (!failed(result)) result = part_set_attributes(tree, step->flags, idmap);
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
    if (part_is_below(target, roots->paths[i])) return true;
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
  TRY(part_place(root, step->target, false, 0));
  return part_attach_here(source, root, step->target);
}

static struct err template_step(const struct host *host, int root, const struct mount_step *step, int source) {
  switch (step->kind) {
    case MOUNT_BIND: {
      if (source < 0) return OK;
      struct stat st;
      if (fstat(source, &st) < 0) return fail(ERR_SYSTEM, errno, "stat mount", step->target);
      TRY(part_place(root, step->target, S_ISDIR(st.st_mode), 0755));
      return part_attach_here(source, root, step->target);
    }
    case MOUNT_DEVICE:
      return make_device(host, root, step, source);
    case MOUNT_TMPFS: {
      struct mount_step open = *step;
      open.flags &= ~(uint32_t)MF_READONLY; /* until it is filled */
      TRY(part_place(root, step->target, true, 0755));
      return part_mount_here("tmpfs", &open);
    }
    case MOUNT_MASK:
      return OK; /* below the host's own directories nothing is masked: it is not bound in the first place */
    default:
      return part_plain_step(root, step);
  }
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
  TRY(part_new_filesystem("tmpfs", &first, &fresh));
  /* Any directory serves as the place to attach: it is covered only inside this name space. */
  if (sys_move_mount(fresh, "", AT_FDCWD, "/proc", SYS_MOVE_MOUNT_F_EMPTY_PATH) < 0)
    return fail(ERR_SYSTEM, errno, "attach root", NULL);
  if (fchdir(fresh) < 0) return fail(ERR_SYSTEM, errno, "enter root", NULL);
  TRY(enter_root());
  close(fresh);

  int root = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return fail(ERR_SYSTEM, errno, "open root", NULL);
  for (size_t i = 0; i < plan->scaffold_count; i++) TRY(part_place(root, plan->scaffold[i], true, 0755));
  roots = scaffold_roots(plan);
  for (size_t i = 1; i < plan->mount_count; i++) {
    const struct mount_step *step = &plan->mounts[i];
    if (!is_private(&roots, step, &inside)) {
      TRY(template_step(host, root, step, sources[i]));
      if (sources[i] >= 0) close(sources[i]);
    } else if (!inside && step->kind != MOUNT_MASK) {
      TRY(part_place(root, step->target, true, 0755)); /* only where it will be */
      if (sources[i] >= 0) TRY(part_attach_here(sources[i], root, step->target));
      if (sources[i] >= 0) close(sources[i]);
    }
  }
  if (has_masks(plan)) {
    TRY(part_place(root, MASK_PLACE, true, 0755));
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
    TRY(part_mount_here("tmpfs", &step));
  }
  for (size_t i = 1; i < plan->mount_count; i++) {
    const struct mount_step *step = &plan->mounts[i];
    if (!is_private(&roots, step, &inside)) continue;
    switch (step->kind) {
      case MOUNT_TMPFS:
        TRY(part_place(root, step->target, true, 0755));
        TRY(part_mount_here("tmpfs", step));
        break;
      case MOUNT_PROC:
        TRY(part_attach_here(proc, root, step->target));
        break;
      case MOUNT_DEVPTS:
        TRY(part_mount_here("devpts", step));
        break;
      case MOUNT_MQUEUE:
        TRY(part_mount_here("mqueue", step));
        break;
      case MOUNT_SYSFS:
        TRY(part_mount_here("sysfs", step));
        break;
      case MOUNT_MASK:
        TRY(mask_apply(&mask, root, step->target, true));
        break;
      default:
        TRY(part_plain_step(root, step));
    }
  }
  if (mask.ready) {
    close(mask.file);
    close(mask.directory);
  }
  close(root);
  return OK;
}

static struct err job_step(int root, const struct job *job, size_t index, const int *fds, struct mask *mask) {
  const struct mount_step *step = &job->mounts[index];
  bool inside_bind = false;
  for (size_t i = 0; i < index; i++) { /* parents first: the last one that holds the target is what it lies in */
    if (!part_is_below(step->target, job->mounts[i].target)) continue;
    inside_bind = job->mounts[i].kind != MOUNT_TMPFS && (inside_bind || mount_needs_source(&job->mounts[i]));
  }
  switch (step->kind) {
    case MOUNT_BIND:
    case MOUNT_DEVICE:
    case MOUNT_OVERLAY: {
      struct stat st;
      if (fstat(fds[0], &st) < 0) return fail(ERR_SYSTEM, errno, "stat mount", step->target);
      TRY(part_make_target(root, step->target, S_ISDIR(st.st_mode), !inside_bind, 0755));
      if (step->kind == MOUNT_OVERLAY) return overlay_mount(root, step, fds[0], fds[1]);
      return part_attach(fds[0], root, step->target);
    }
    case MOUNT_TMPFS: {
      int fs;
      TRY(part_make_target(root, step->target, true, !inside_bind, 0755));
      TRY(part_new_filesystem("tmpfs", step, &fs));
      struct err result = part_attach(fs, root, step->target);
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
      struct err result = part_set_attributes(self, MF_READONLY | MF_RECURSIVE, -1);
      if (!failed(result)) result = part_attach(self, root, step->target);
      close(self);
      return result;
    }
    default:
      if (inside_bind) return fail(ERR_JOB, EINVAL, "made inside a bind", step->target);
      return part_plain_step(root, step);
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
