/* An empty file and an empty directory of our own, to lay over what must not be seen. Never /dev/null, which a host
   may have replaced (CVE-2025-31133). The template has them where proc will cover them; a job, which comes when it has,
   lays a file system of its own over proc for a moment, before there is a guest. */
#ifndef CAISSON_MASK_H
#define CAISSON_MASK_H

#include "plan.h"

#define MASK_PLACE "/proc"
struct mask {
  bool ready;
  int file, directory;
};

/* Makes the two in the directory `place`. */
struct err mask_make(int place);
struct err mask_open(struct mask *mask, int place);

/* For a job: on a file system of its own over MASK_PLACE, which the caller unmounts when it is done. */
struct err mask_for_job(struct mask *mask, int root);

/* Over `target`; nothing where there is none. `ours`: the tree that target lies in cannot hold planted links. */
struct err mask_apply(const struct mask *mask, int root, const char *target, bool ours);

#endif
