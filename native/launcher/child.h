/* Trees of processes, where a pid namespace does not end them: below the supervisor of a guest that sees the host, and below
   one command among others of a sandbox that stays. Whoever stands at the top is their subreaper (prctl(2)). */
#ifndef CAISSON_CHILD_H
#define CAISSON_CHILD_H

#include <stdint.h>
#include <sys/types.h>

#include "err.h"

/* Ends everything that descends from the calling process, daemons and double forks too, and reaps it. `proc` is /proc.
   Returns how many were alive. Gives up after 10 s, or when what is left may not be signalled (another user's). */
uint32_t child_kill_tree(int proc);

/* Ends `root`, a child of the calling process that is a subreaper, and everything that descends from it. */
void child_kill_below(int proc, pid_t root);

/* CPU time of `root`, of what descends from it, and of what these have waited for. */
uint64_t child_cpu_us(int proc, pid_t root);

/* RLIMIT_NPROC counts all that the user runs: `more` than run now. Without effect for root (setrlimit(2)). */
struct err child_limit_processes(uint64_t more);

#endif
