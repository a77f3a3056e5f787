/* What roots are built from: places made, file systems made, mounts attached. Paths are absolute and normalised. */
#ifndef CAISSON_MOUNT_PARTS_H
#define CAISSON_MOUNT_PARTS_H

#include "plan.h"

/* MF_* flags as MOUNT_ATTR_* (mount_setattr(2)). */
uint64_t part_attributes(uint32_t flags);

/* MF_* flags of a detached mount, below it too with MF_RECURSIVE; `idmap` is a user namespace, or -1. */
struct err part_set_attributes(int mount, uint32_t flags, int idmap);

bool part_is_below(const char *path, const char *ancestor);

/* Makes `target` below `root`, one component at a time and without following links. Without `create` a missing component
   is an error: nothing may be made inside what belongs to the host. */
struct err part_make_target(int root, const char *target, bool directory, bool create, uint32_t mode);

/* The same in a tree that is ours alone, fresh and without links: in one call where its parent is there. */
struct err part_place(int root, const char *target, bool directory, uint32_t mode);

/* A new file system of `step`, detached. */
struct err part_new_filesystem(const char *type, const struct mount_step *step, int *out);

/* The same at once in its place, where the tree is ours alone. */
struct err part_mount_here(const char *type, const struct mount_step *step);

/* Attaches a detached mount; the place is opened without following links. */
struct err part_attach(int mount, int root, const char *target);

/* The same in a tree that is ours alone. */
struct err part_attach_here(int mount, int root, const char *target);

/* Directory, file and symbolic link: the steps that need neither a source of the host nor a name space of their own. */
struct err part_plain_step(int root, const struct mount_step *step);

#endif
