/* The last steps of a process before it becomes the guest: rlimits, Landlock, capabilities, seccomp. */
#ifndef CAISSON_CONFINE_H
#define CAISSON_CONFINE_H

#include "plan.h"

/* A Landlock ruleset with the plan's rules; *out is -1 when the plan has none. Paths that do not exist inside are skipped:
   a rule allows, so its absence denies. */
struct err confine_ruleset(const struct landlock_plan *plan, int *out);

/* Adds a job's path rules to it. */
struct err confine_rules(const struct landlock_plan *plan, int ruleset, const struct path_rule *rules, size_t count);

/* Resource limits, never above the hard limit of now. */
struct err confine_rlimits(const struct rlimit_plan *limits, size_t count);

/* What can be done before the job is known: no_new_privs, the bounding and ambient sets, securebits. The other capabilities
   stay, for the job's mounts. */
struct err confine_prepare(const struct capability_plan *plan);

/* Landlock, the capability sets, side channels, seccomp: in this order, and checked afterwards. The caller may make only system calls that
   the filter allows from here on; execve is next. With `listener`, it is where the calls wait that the plan has notified
   (close-on-exec), -1 where there are none; without, those calls end in ENOSYS. */
struct err confine_seal(const struct plan *plan, int ruleset, int *listener);

#endif
