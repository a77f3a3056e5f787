/* What of a sandbox's network is ours: to give away, to keep for the next one, to close. */
#include <stdio.h>
#include <unistd.h>

#include "handover.h"
#include "state.h"
#include "sys.h"
#include "veth.h"

/* For the kind's pool, once init has said that it is done: before that it may still stand in the nursery's namespace, which
   is the host's. */
void sandbox_keep_net(struct sandbox *sandbox) {
  if (!sandbox->kind->recycle_net || sandbox->net >= 0 || !sandbox->made || sandbox->pid == 0) return;
  char path[64];
  snprintf(path, sizeof path, "%d/ns/net", (int)sandbox->pid);
  sandbox->net = openat(S.host.proc, path, O_RDONLY | O_CLOEXEC);
  if (sandbox->net >= 0 && nursery_is_host_net(&S.host, sandbox->net)) {
    close(sandbox->net);
    sandbox->net = -1;
  }
}

void sandbox_give_network(struct sandbox *sandbox) {
  /* Before it is made it may have to be made anew, with another network. */
  if (!sandbox->network_owner || sandbox->network[0] < 0 || !sandbox->made) return;
  handover_send(sandbox->network_owner, sandbox->network);
  for (int i = 0; i < NETWORK_HANDED; i++) sandbox->network[i] = -1;
}

void sandbox_own_network(struct sandbox *sandbox, uint32_t id) {
  if (!sandbox->kind->plan.network.kind) return;
  sandbox->network_owner = id;
  sandbox_give_network(sandbox);
}

void sandbox_drop_network(struct sandbox *sandbox) {
  if (sandbox->network_owner) handover_forget(sandbox->network_owner);
  if (sandbox->dial_owner) handover_forget(sandbox->dial_owner);
  for (int i = 0; i < NETWORK_PARTS; i++) {
    if (sandbox->network[i] >= 0) close(sandbox->network[i]);
    sandbox->network[i] = -1;
  }
  if (sandbox->way_out >= 0) close(sandbox->way_out);
  sandbox->way_out = -1;
}

/* What its init made of it, and what only we can make. */
void sandbox_network_made(struct sandbox *sandbox) {
  const struct plan *plan = &sandbox->kind->plan;
  gid_t gid = launch_guest_gid(&S.host, sandbox->cell->number);
  struct err result = OK;
  if (plan->network.packets) result = veth_make(&S.host, plan, sandbox->network[NETWORK_FILTER], gid, &sandbox->way_out);
  if (!failed(result)) {
    sandbox_give_network(sandbox);
    return;
  }
  /* Its init knows nothing of this, and would go on. */
  watch_close(&sandbox->seat.watch);
  sandbox_kill(sandbox, CAUSE_KILLED);
  sandbox_failed(sandbox, result);
}
