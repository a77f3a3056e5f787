/* System calls of a guest that its filter handed over (notify.h): answered as they come, and no more than our time allows. */
#include <stdlib.h>
#include <sys/epoll.h>

#include "state.h"

/* So many notified calls of one exec are answered at once, and then none for this long, times the execs that wait so: a flood
   of refused ones, from however many sandboxes, takes a tenth of our time, one of observed ones up to half. */
#define NOTIFY_BURST 96
#define REFUSAL_COST 3 /* an observed call costs 1: they are many, and a plan asks for it */
#define NOTIFY_PAUSE_NS 2000000u

static void pause_calls(struct exec *exec) {
  watch_change(&exec->notify, 0);
  if (!exec->notify_again_ns) S.paused++;
  exec->notify_again_ns = S.now_ns + NOTIFY_PAUSE_NS * S.paused;
}

void exec_notify_resume(struct exec *exec) {
  exec->notify_again_ns = 0;
  S.paused--;
  watch_change(&exec->notify, EPOLLIN);
}

void exec_notify_event(struct exec *exec) {
  const struct plan *plan = &exec->sandbox->kind->plan;
  unsigned number = exec->sandbox->cell->number;
  if (!exec->refused) exec->refused = calloc(1, sizeof *exec->refused);
  if (!exec->observed && plan->observed_count > 0) exec->observed = observe_begin(&S.host);
  const struct observer observer = {&S.host, launch_guest_uid(&S.host, number), launch_guest_gid(&S.host, number), exec->observed};
  for (int taken = 0; taken < NOTIFY_BURST && exec->notify.fd >= 0;) {
    switch (notify_take(exec->notify.fd, plan, S.host.proc, exec->refused, &observer)) {
      case NOTIFY_IDLE:
        return;
      case NOTIFY_OBSERVED:
        taken++;
        continue;
      case NOTIFY_ANSWERED:
      case NOTIFY_RETRY:
        taken += REFUSAL_COST;
        continue;
      case NOTIFY_GONE:
        watch_close(&exec->notify);
        return;
      case NOTIFY_ENDS:
        watch_change(&exec->notify, 0);
        if (!exec->ended) exec_kill(exec, CAUSE_VIOLATION);
        return;
    }
  }
  pause_calls(exec);
}

void exec_notify_close(struct exec *exec) {
  watch_close(&exec->notify);
  if (exec->notify_again_ns) S.paused--;
  free(exec->refused);
  free(exec->observed);
}
