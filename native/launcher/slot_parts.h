/* What the files about the inside of a sandbox share: slot.c makes it, slot_supervise.c is its init from then on, slot_job.c a
   job that this one forks. */
#ifndef CAISSON_SLOT_PARTS_H
#define CAISSON_SLOT_PARTS_H

#include "slot.h"

/* Fixed numbers inside a sandbox; everything above is closed before anything else happens. */
enum { FD_CONTROL = 3, FD_JOB = 4, FD_PROC = 5, FD_FIRST_FREE = 6 };

/* One process, one plan: static, so that nothing is allocated after the clone. */
extern struct plan slot_plan;

bool slot_job_tell(int socket, enum job_event event, struct err error, const int *fds, size_t fd_count);
_Noreturn void slot_job_give_up(int socket, struct err error);
/* Takes jobs from the socket until one has argv. `pipes`: it makes its own stdout and stderr. */
_Noreturn void slot_job_main(int socket, bool pipes);

/* Forks the first job, which waits at FD_JOB, and serves FD_CONTROL until the launcher is done with us. */
_Noreturn void slot_supervise(bool pipes);

#endif
