/* What the files about cgroups share: the v1 hierarchies that are used, and how a group's files are read and written. */
#ifndef CAISSON_CGROUP_PARTS_H
#define CAISSON_CGROUP_PARTS_H

#include "cgroup.h"

#define CGROUP_USED 6u
extern const enum cgroup_v1 cgroup_used[CGROUP_USED];

/* False for a v1 controller that shares its mount with an earlier one: it needs no directory of its own. */
bool cgroup_is_first(const struct cgroup_base *base, size_t index);

/* 0 or an errno. */
int cgroup_put(int dir, const char *file, const char *text);
int cgroup_put_number(int dir, const char *file, uint64_t number);

/* The number after `key` in a file of lines "key number", or the whole file's number where `key` is NULL. */
uint64_t cgroup_get(int fd, const char *key);

#endif
