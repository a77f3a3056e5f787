#include "overlay.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "mount_parts.h"
#include "sys.h"

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
struct err overlay_mount(int root, const struct mount_step *step, int lower, int state) {
  struct stat st;
  if (fstat(lower, &st) < 0) return fail(ERR_SYSTEM, errno, "overlay", step->target);
  TRY(part_attach(state, root, step->target));
  if (fchdir(state) < 0) return fail(ERR_SYSTEM, errno, "overlay", step->target);
  TRY(part_attach(lower, root, step->target));
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
    merged = sys_fsmount(context, (unsigned)part_attributes(step->flags));
    if (merged < 0) result = fail(ERR_SYSTEM, errno, "mount overlay", step->target);
  }
  close(context);
  if (chdir("/") < 0 || umount2(step->target, MNT_DETACH) < 0 || umount2(step->target, MNT_DETACH) < 0)
    if (!failed(result)) result = fail(ERR_SYSTEM, errno, "overlay layers", step->target);
  if (!failed(result)) result = part_attach(merged, root, step->target);
  if (merged >= 0) close(merged);
  return result;
}
