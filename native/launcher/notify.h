/* System calls that the filter hands over instead of refusing them itself (seccomp_unotify(2)): answered with the errno that
   the plan names, never let through, and counted. Registers alone are looked at: what a pointer leads to can change. And, where
   a plan asks for it, allowed calls that an observer looks at on their way (observe.h). */
#ifndef CAISSON_NOTIFY_H
#define CAISSON_NOTIFY_H

#include "observe.h"
#include "plan.h"

#define NOTIFY_RECORDS_MAX 64

/* Equal calls of one program, in one. */
struct notify_record {
  uint32_t number;
  pid_t pid, thread; /* of the first, and of the last; in our own pid namespace, 0 where it is not visible */
  uint64_t count;
  uint64_t args[6];  /* of the first */
  char program[16];  /* its comm */
  bool ended;        /* the run is ended for it */
};

struct notify_log {
  size_t count;
  uint64_t others; /* calls beyond the records that there is room for */
  struct notify_record records[NOTIFY_RECORDS_MAX];
};

/* RETRY: it waits no more, because its task was killed or interrupted. GONE: no task with this filter is left. */
enum notify_state { NOTIFY_IDLE, NOTIFY_ANSWERED, NOTIFY_OBSERVED, NOTIFY_RETRY, NOTIFY_ENDS, NOTIFY_GONE };

/* Takes one call that waits at `listener`, if one does, into `log` (which may be NULL), and answers it. A call for which the
   plan ends the run is not answered: its task waits until it is killed, and does nothing more. `proc` is /proc. A call that the plan has observed goes on in any case, and
   `observer` (which may be NULL) looks at it first. */
enum notify_state notify_take(int listener, const struct plan *plan, int proc, struct notify_log *log,
                              const struct observer *observer);

/* comm of a thread, and the process that it belongs to. */
void notify_look_up(int proc, pid_t thread, char program[16], pid_t *pid);

/* RESULT's tag 23, a record each (protocol/PROTOCOL.md). */
void notify_fields(struct out *out, const struct notify_log *log);

/* For a person, on stderr: the same lines as src/cli/report-outcome.ts. */
void notify_say(const struct plan *plan, const struct notify_log *log);

#endif
