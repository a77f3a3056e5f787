#include "mask.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "mount_parts.h"
#include "sys.h"

struct err mask_make(int place) {
  int file = openat(place, "f", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
  if (file < 0 || mkdirat(place, "d", 0555) < 0) return fail(ERR_SYSTEM, errno, "mask", NULL);
  close(file);
  return OK;
}

struct err mask_open(struct mask *mask, int place) {
  mask->file = openat(place, "f", O_PATH | O_CLOEXEC);
  mask->directory = openat(place, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (mask->file < 0 || mask->directory < 0) return fail(ERR_SYSTEM, errno, "open mask", NULL);
  mask->ready = true;
  return OK;
}

struct err mask_for_job(struct mask *mask, int root) {
  struct mount_step step = {.kind = MOUNT_TMPFS, .target = MASK_PLACE, .bytes = 4096, .inodes = 4, .mode = 0555,
                            .flags = MF_NOSUID | MF_NODEV | MF_NOEXEC};
  int fs;
  TRY(part_new_filesystem("tmpfs", &step, &fs));
  TRY(mask_make(fs));
  TRY(part_attach_here(fs, root, MASK_PLACE));
  TRY(part_set_attributes(fs, step.flags | MF_READONLY, -1)); /* its clones take this over */
  struct err result = mask_open(mask, fs);
  close(fs);
  return result;
}

/* `ours`: the tree that target lies in cannot hold planted links. */
struct err mask_apply(const struct mask *mask, int root, const char *target, bool ours) {
  struct stat st;
  if (fstatat(root, target + 1, &st, AT_SYMLINK_NOFOLLOW) < 0) return OK;
  int source = sys_open_tree(S_ISDIR(st.st_mode) ? mask->directory : mask->file, "",
                             SYS_OPEN_TREE_CLONE | AT_EMPTY_PATH);
  if (source < 0) return fail(ERR_SYSTEM, errno, "clone mask", target);
  struct err result = ours ? part_attach_here(source, root, target) : part_attach(source, root, target);
  close(source);
  return result;
}
