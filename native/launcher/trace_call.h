/* One notification, read from the caller's memory and written down. */
#ifndef CAISSON_TRACE_CALL_H
#define CAISSON_TRACE_CALL_H

#include <linux/seccomp.h>
#include <stdbool.h>

/* Best effort: what cannot be read is left out. `valid` says, after the memory was read, whether the caller still waits;
   where it does not, its number may be another process's by now. */
void trace_call_note(const struct seccomp_notif *notification, bool (*valid)(unsigned long long id));

#endif
