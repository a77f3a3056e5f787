/* User namespaces that only carry a map, for idmapped mounts (mount_setattr(2), MOUNT_ATTR_IDMAP). */
#ifndef CAISSON_IDMAP_H
#define CAISSON_IDMAP_H

#include <sys/types.h>

#include "err.h"

/* Writes /proc/PID/{setgroups,uid_map,gid_map}: one id each, `inside` is what the name space sees as `outside`.
   `procfd` is the host's /proc. setgroups is denied first, always (user_namespaces(7), CVE-2014-8989). */
struct err idmap_write(int procfd, pid_t pid, uid_t inside_uid, uid_t outside_uid, gid_t inside_gid, gid_t outside_gid);

/* A descriptor of a user namespace in which files of `owner` appear as `guest`; kept in a small cache, so the caller
   must not close it. Making one costs 0.3 ms. */
struct err idmap_namespace(int procfd, uid_t owner_uid, gid_t owner_gid, uid_t guest_uid, gid_t guest_gid, int *out);

#endif
