/* FREEZE: everything in a sandbox stands still, or goes on. Its clocks go on: a limit of wall-clock time ends what stands. */
#include <errno.h>

#include "state.h"

static bool has_ended(const struct sandbox *sandbox) {
  return sandbox->reaped || sandbox->cause || sandbox->state == SANDBOX_ENDING || (!sandbox->keep && sandbox->execs && sandbox->execs->ended);
}

struct err sandbox_freeze(struct sandbox *sandbox, bool freeze) {
  if (has_ended(sandbox)) return fail(ERR_UNKNOWN_ID, ENOENT, "freeze", NULL);
  /* Stopping each process by a signal would be seen by those who wait for them, and undone by the guest's own SIGCONT. */
  if (!sandbox->cell->grouped) return fail(ERR_UNSUPPORTED, ENOTSUP, "freeze", "without a cgroup");
  /* What has not been given its job has no clock yet that could end it. */
  if (freeze && !sandbox->keep && sandbox->pending) return fail(ERR_RESOURCE, EAGAIN, "freeze", "not started");
  return cgroup_cell_freeze(&sandbox->cell->cgroup, freeze);
}

void sandbox_end_frozen(struct sandbox *sandbox) {
  struct cell *cell = sandbox->cell;
  if (!cell->cgroup.frozen) return;
  /* A supervisor that stands still ends nothing. */
  if (S.host_view) cgroup_cell_kill(&cell->cgroup);
  cgroup_cell_end_frozen(&cell->cgroup, cell->own.pid);
}
