/* How a sandbox is asked of a nursery, and asked again where it was killed before it was done. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "state.h"
#include "sys.h"

/* Killed again and again, by somebody who means it or by a machine without memory: then whoever waits is told. */
#define ATTEMPTS_MAX 4u

bool sandbox_send_ask(struct sandbox *sandbox) {
  struct kind *kind = sandbox->kind;
  struct cell *cell = sandbox->cell;
  bool recycled = sandbox->net >= 0;
  struct nursery_request request = {
      .namespaces = kind->plan.namespaces & (recycled ? ~(uint32_t)CLONE_NEWNET : ~0u),
      .plan_length = (uint32_t)kind->length,
      .inside_uid = kind->plan.uid,
      .inside_gid = kind->plan.gid,
      .outside_uid = launch_guest_uid(&S.host, cell->number),
      .outside_gid = launch_guest_gid(&S.host, cell->number),
      .network = kind->plan.network,
      .pipes = true,
      .join_net = recycled,
      .into_cgroup = cell->grouped && cell->cgroup.v2 >= 0,
      .host_view = S.host_view,
  };
  struct nursery_fds fds = {kind->template, kind->memory, sandbox->ends[0], sandbox->ends[1], sandbox->net, cell->cgroup.v2};
  return nursery_ask(cell->nursery->watch.fd, &request, &fds);
}

void sandbox_close_ends(struct sandbox *sandbox) {
  for (int i = 0; i < 2; i++) {
    if (sandbox->ends[i] >= 0) close(sandbox->ends[i]);
    sandbox->ends[i] = -1;
  }
}

static struct err ask(struct sandbox *sandbox) {
  struct kind *kind = sandbox->kind;
  struct cell *cell = sandbox->cell;
  int control[2], job[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0)
    return fail(ERR_RESOURCE, errno, "socketpair", NULL);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, job) < 0) {
    int error = errno;
    close(control[0]);
    close(control[1]);
    return fail(ERR_RESOURCE, error, "socketpair", NULL);
  }
  if (sandbox->net < 0 && kind->recycle_net && kind->net_count > 0) sandbox->net = kind->nets[--kind->net_count];
  sandbox->ends[0] = control[1];
  sandbox->ends[1] = job[1];
  if (kind->plan.landlock.log) audit_know(job[0]);
  /* Watched before it is asked for: a nursery answers in the order in which it was asked, and waits for nobody. */
  bool watched = watch_add(&sandbox->control, WATCH_CONTROL, control[0], EPOLLIN, sandbox);
  if (!watched) close(control[0]);
  watched = watch_add(&sandbox->seat.watch, WATCH_SEAT, job[0], EPOLLIN, sandbox) && watched;
  if (sandbox->seat.watch.fd < 0) close(job[0]);
  if (watched && nursery_is_busy(cell->nursery)) {
    nursery_await(cell->nursery, sandbox, false);
    return OK;
  }
  bool asked = watched && sandbox_send_ask(sandbox);
  for (unsigned tries = 0; watched && !asked && (errno == EPIPE || errno == ECONNRESET) && tries < ATTEMPTS_MAX; tries++) {
    /* It was killed, and we have not looked since. */
    nursery_drain(cell->nursery);
    if (failed(nursery_ready(cell))) break;
    asked = sandbox_send_ask(sandbox);
  }
  int error = errno;
  sandbox_close_ends(sandbox);
  if (!asked) {
    watch_close(&sandbox->control);
    watch_close(&sandbox->seat.watch);
    return watched ? fail(ERR_SYSTEM, error, "ask nursery", NULL) : fail(ERR_RESOURCE, ENOSPC, "epoll", NULL);
  }
  nursery_await(cell->nursery, sandbox, true);
  return OK;
}

/* The plan's limits, and counters from now on. */
static struct err furnish(struct cell *cell, const struct kind *kind) {
  if (!cell->grouped) return OK;
  struct err result = cgroup_cell_apply(&S.tree, &cell->cgroup, &kind->plan.cgroup, S.tree.v2_limits ? 1 : 2);
  cgroup_cell_begin(&cell->cgroup);
  return result;
}

static void enlist(struct sandbox *sandbox) {
  sandbox->all_next = S.sandboxes;
  sandbox->all_link = &S.sandboxes;
  if (S.sandboxes) S.sandboxes->all_link = &sandbox->all_next;
  S.sandboxes = sandbox;
}

struct err sandbox_make(struct kind *kind, struct sandbox **out) {
  struct cell *cell;
  TRY(cell_take(kind->plan.cgroup.present, &cell));
  struct sandbox *sandbox = calloc(1, sizeof *sandbox);
  struct err result = sandbox ? OK : fail(ERR_RESOURCE, ENOMEM, "make sandbox", NULL);
  for (int i = 0; sandbox && i < NETWORK_PARTS; i++) sandbox->network[i] = -1;
  if (sandbox) sandbox->way_out = -1;
  if (sandbox) sandbox->net = sandbox->control.fd = sandbox->pidfd.fd = sandbox->seat.watch.fd = -1;
  if (!failed(result)) result = furnish(cell, kind);
  if (!failed(result)) {
    sandbox->kind = kind;
    sandbox->cell = cell;
    sandbox->seat.output[0] = sandbox->seat.output[1] = -1;
    sandbox->ends[0] = sandbox->ends[1] = -1;
    sandbox->pending_tail = &sandbox->pending;
    result = ask(sandbox);
  }
  if (failed(result)) {
    if (sandbox && sandbox->net >= 0) close(sandbox->net); /* taken from the pool, and not known to be free */
    free(sandbox);
    cell_give_back(cell);
    return result;
  }
  cell->sandbox = sandbox;
  kind->users++;
  kind->making++;
  enlist(sandbox);
  *out = sandbox;
  return OK;
}

struct err sandbox_take(struct kind *kind, struct sandbox **out) {
  struct sandbox *sandbox = kind->ready;
  if (sandbox) {
    kind->ready = sandbox->next;
    kind->ready_count--;
    sandbox->next = NULL;
    sandbox->from_slot = true;
  } else {
    TRY(sandbox_make(kind, &sandbox));
    kind->making--;
  }
  sandbox->state = SANDBOX_BUSY;
  *out = sandbox;
  return OK;
}

bool sandbox_may_be_anew(const struct sandbox *sandbox) {
  return !sandbox->made && !sandbox->cause && !sandbox->refused && sandbox->state != SANDBOX_ENDING && sandbox->dials == 0 &&
         sandbox->attempts < ATTEMPTS_MAX && !S.client_gone;
}

/* What was killed in its own cell may still be dying there: that one is removed at the end. */
static struct err move_house(struct sandbox *sandbox) {
  struct cell *cell;
  TRY(cell_take(true, &cell));
  sandbox->cell->sandbox = NULL;
  sandbox->cell = cell;
  cell->sandbox = sandbox;
  return furnish(cell, sandbox->kind);
}

struct err sandbox_make_anew(struct sandbox *sandbox) {
  sandbox->attempts++;
  watch_close(&sandbox->control);
  watch_close(&sandbox->seat.watch);
  watch_close(&sandbox->pidfd);
  sandbox_drop_network(sandbox);
  sandbox->pid = 0;
  if (sandbox->cell->grouped && failed(cgroup_cell_renew(&S.tree, &sandbox->cell->cgroup))) TRY(move_house(sandbox));
  TRY(nursery_ready(sandbox->cell));
  TRY(ask(sandbox));
  struct slot_request request = {.command = SLOT_KEEP};
  if (sandbox->keep) channel_send(sandbox->control.fd, &request, sizeof request, NULL, 0);
  return OK;
}

void sandbox_lost(struct sandbox *sandbox) {
  struct err result = fail(ERR_SYSTEM, ECHILD, "nursery ended (entering its cgroup failed?)", NULL);
  if (sandbox_may_be_anew(sandbox)) result = sandbox_make_anew(sandbox);
  if (failed(result)) sandbox_failed(sandbox, result);
}
