/* One notification, read from the caller's memory and written down. */
#ifndef CAISSON_TRACE_CALL_H
#define CAISSON_TRACE_CALL_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "trace_calls.h"

/* A string in the memory of a thread; false where it does not end within PATH_MAX bytes or cannot be read. */
bool trace_call_string(pid_t pid, uint64_t address, char into[]);

/* The flags of a call on a path, 0 where it has none. */
uint64_t trace_call_flags(const struct seccomp_notif *notification, const struct trace_call *call);

/* Best effort: what cannot be read is left out. `valid` says, after the memory was read, whether the caller still waits;
   where it does not, its number may be another process's by now. */
void trace_call_note(const struct seccomp_notif *notification, bool (*valid)(unsigned long long id));

#endif
