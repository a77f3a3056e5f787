/* Workspaces whose changes go elsewhere (overlayfs, in the sandbox's user namespace). */
#ifndef CAISSON_OVERLAY_H
#define CAISSON_OVERLAY_H

#include "plan.h"

/* Lays an overlay over the step's target. `lower` is a detached mount of what is below, `state` one of the directory that
   holds "upper" and "work". */
struct err overlay_mount(int root, const struct mount_step *step, int lower, int state);

#endif
