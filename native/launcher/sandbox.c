/* The life of one sandbox: asked of a nursery, announced by its first seat, given jobs, ended, reaped. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "channel.h"
#include "handover.h"
#include "state.h"
#include "sys.h"
#include "veth.h"

static struct job_report told;

/* Ends init and all that is in there with it. Without a pid namespace that is init's own last work, when its control socket
   ends; a guest may have stopped it. */
static void end_init(struct sandbox *sandbox) {
  if (S.host_view) watch_close(&sandbox->control);
  if (sandbox->pidfd.fd >= 0) sys_pidfd_kill(sandbox->pidfd.fd, S.host_view ? SIGCONT : SIGKILL);
}

static void enlist(struct sandbox *sandbox) {
  sandbox->all_next = S.sandboxes;
  sandbox->all_link = &S.sandboxes;
  if (S.sandboxes) S.sandboxes->all_link = &sandbox->all_next;
  S.sandboxes = sandbox;
}

struct sandbox *sandbox_find(uint32_t id) {
  struct sandbox *sandbox = S.sandboxes;
  while (sandbox && sandbox->id != id) sandbox = sandbox->all_next;
  return id ? sandbox : NULL;
}

struct sandbox *sandbox_of(uint32_t id) {
  struct exec *exec = exec_find(id);
  return exec && !exec->sandbox->keep ? exec->sandbox : sandbox_find(id);
}

/* Killed again and again, by somebody who means it or by a machine without memory: then whoever waits is told. */
#define ATTEMPTS_MAX 4u

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
  bool recycled = sandbox->net >= 0 || (kind->recycle_net && kind->net_count > 0);
  if (recycled && sandbox->net < 0) sandbox->net = kind->nets[--kind->net_count];
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
  struct nursery_fds fds = {kind->template, kind->memory, control[1], job[1], sandbox->net, cell->cgroup.v2};
  if (kind->plan.landlock.log) audit_know(job[0]);
  bool asked = nursery_ask(cell->nursery->watch.fd, &request, &fds);
  for (unsigned tries = 0; !asked && errno == EPIPE && tries < ATTEMPTS_MAX; tries++) {
    /* It was killed, and we have not looked since. */
    nursery_drain(cell->nursery);
    if (failed(nursery_ready(cell))) break;
    asked = nursery_ask(cell->nursery->watch.fd, &request, &fds);
  }
  int error = errno;
  close(control[1]);
  close(job[1]);
  if (!asked || !watch_add(&sandbox->control, WATCH_CONTROL, control[0], EPOLLIN, sandbox) ||
      !watch_add(&sandbox->seat.watch, WATCH_SEAT, job[0], EPOLLIN, sandbox)) {
    if (sandbox->control.fd < 0) close(control[0]);
    close(job[0]);
    return fail(ERR_SYSTEM, error, "ask nursery", NULL);
  }
  *cell->nursery->waiting_tail = sandbox;
  cell->nursery->waiting_tail = &sandbox->waiting_next;
  sandbox->asked = true;
  return OK;
}

/* The plan's limits, and counters from now on. */
static struct err furnish(struct cell *cell, const struct kind *kind) {
  if (!cell->grouped) return OK;
  struct err result = cgroup_cell_apply(&S.tree, &cell->cgroup, &kind->plan.cgroup, S.tree.v2_limits ? 1 : 2);
  cgroup_cell_begin(&cell->cgroup);
  return result;
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
    sandbox->pending_tail = &sandbox->pending;
    result = ask(sandbox);
  }
  if (failed(result)) {
    if (sandbox) {
      watch_close(&sandbox->control);
      if (sandbox->net >= 0) close(sandbox->net); /* taken from the pool, and not known to be free */
    }
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

/* For the kind's pool, once init has said that it is done: before that it may still stand in the nursery's namespace, which
   is the host's. */
static void keep_net(struct sandbox *sandbox) {
  if (!sandbox->kind->recycle_net || sandbox->net >= 0 || !sandbox->made || sandbox->pid == 0) return;
  char path[64];
  snprintf(path, sizeof path, "%d/ns/net", (int)sandbox->pid);
  sandbox->net = openat(S.host.proc, path, O_RDONLY | O_CLOEXEC);
  if (sandbox->net >= 0 && nursery_is_host_net(&S.host, sandbox->net)) {
    close(sandbox->net);
    sandbox->net = -1;
  }
}

static void give_network(struct sandbox *sandbox) {
  /* Before it is made it may have to be made anew, with another network. */
  if (!sandbox->network_owner || sandbox->network[0] < 0 || !sandbox->made) return;
  handover_send(sandbox->network_owner, sandbox->network);
  for (int i = 0; i < NETWORK_HANDED; i++) sandbox->network[i] = -1;
}

void sandbox_own_network(struct sandbox *sandbox, uint32_t id) {
  if (!sandbox->kind->plan.network.kind) return;
  sandbox->network_owner = id;
  give_network(sandbox);
}

static void drop_network(struct sandbox *sandbox) {
  if (sandbox->network_owner) handover_forget(sandbox->network_owner);
  if (sandbox->dial_owner) handover_forget(sandbox->dial_owner);
  for (int i = 0; i < NETWORK_PARTS; i++) {
    if (sandbox->network[i] >= 0) close(sandbox->network[i]);
    sandbox->network[i] = -1;
  }
  if (sandbox->way_out >= 0) close(sandbox->way_out);
  sandbox->way_out = -1;
}

void sandbox_born(struct sandbox *sandbox, pid_t pid, int pidfd) {
  sandbox->pid = pid;
  watch_add(&sandbox->pidfd, WATCH_PIDFD, pidfd, EPOLLIN, sandbox);
  keep_net(sandbox);
  if (sandbox->cause || sandbox->state == SANDBOX_ENDING || sandbox->seat.watch.fd < 0) end_init(sandbox);
}

/* Whether it can be made anew: nothing of a guest has been in it, and nobody has had anything of it. */
static bool may_be_anew(const struct sandbox *sandbox) {
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

static struct err make_anew(struct sandbox *sandbox) {
  sandbox->attempts++;
  watch_close(&sandbox->control);
  watch_close(&sandbox->seat.watch);
  watch_close(&sandbox->pidfd);
  drop_network(sandbox);
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
  if (may_be_anew(sandbox)) result = make_anew(sandbox);
  if (failed(result)) sandbox_failed(sandbox, result);
}

static void leave_ready(struct sandbox *sandbox) {
  struct kind *kind = sandbox->kind;
  if (sandbox->state != SANDBOX_READY) return;
  sandbox->state = SANDBOX_ENDING;
  for (struct sandbox **link = &kind->ready; *link; link = &(*link)->next)
    if (*link == sandbox) {
      *link = sandbox->next;
      kind->ready_count--;
      return;
    }
}

static void release(struct sandbox *sandbox) {
  struct kind *kind = sandbox->kind;
  if (sandbox->state == SANDBOX_MAKING) kind->making--;
  leave_ready(sandbox);
  if (sandbox->net >= 0) {
    /* A connection that is still being made would end in the next one's. */
    if (kind->net_count < sizeof kind->nets / sizeof *kind->nets && !kind->forgotten && !sandbox->dial_owner) kind->nets[kind->net_count++] = sandbox->net;
    else close(sandbox->net);
  }
  for (int i = 0; i < 2; i++)
    if (sandbox->seat.output[i] >= 0) close(sandbox->seat.output[i]);
  drop_network(sandbox);
  watch_close(&sandbox->seat.watch);
  watch_close(&sandbox->control);
  watch_close(&sandbox->pidfd);
  if (sandbox->agent) agent_close(sandbox->agent);
  *sandbox->all_link = sandbox->all_next;
  if (sandbox->all_next) sandbox->all_next->all_link = sandbox->all_link;
  cell_give_back(sandbox->cell);
  kind->users--;
  kind_release(kind);
  free(sandbox->job);
  free(sandbox);
  refill_soon();
}

/* It never came to life, or cannot be used: whoever waits for it is told, and what there is of it is ended. */
void sandbox_failed(struct sandbox *sandbox, struct err error) {
  sandbox->refused = true;
  leave_ready(sandbox);
  while (sandbox->pending) {
    struct exec *exec = sandbox->pending;
    sandbox->pending = exec->next;
    exec_fail(exec, error);
  }
  sandbox->pending_tail = &sandbox->pending;
  if (sandbox->id && !sandbox->opened) {
    client_error(sandbox->id, error);
    sandbox->id = 0;
  }
  if (sandbox->state == SANDBOX_MAKING) sandbox->kind->wanted = 0; /* no use in trying again before somebody asks */
  if (sandbox->pidfd.fd >= 0) {
    end_init(sandbox);
  } else if (!sandbox->asked) {
    sandbox->reaped = true;
    sandbox_settle(sandbox);
  }
}

struct err sandbox_limit(struct sandbox *sandbox, const struct job *job) {
  if (!sandbox->cell->grouped) return OK;
  struct cgroup_plan merged = cgroup_merge(&sandbox->kind->plan.cgroup, &job->cgroup);
  return cgroup_cell_apply(&S.tree, &sandbox->cell->cgroup, &merged, S.tree.v2_limits ? 1 : 2);
}

struct err sandbox_clone_mounts(const struct sandbox *sandbox, const struct job *job, struct job_mounts *out) {
  unsigned number = sandbox->cell->number;
  return launch_clone_mounts(&S.host, job, launch_guest_uid(&S.host, number), launch_guest_gid(&S.host, number), out);
}

static struct err bind_job(struct sandbox *sandbox) {
  static struct job job;
  struct span bytes = {sandbox->job, sandbox->job_length};
  TRY(job_parse(bytes, &job));
  TRY(job_fits(&sandbox->kind->plan, &job));
  TRY(sandbox_limit(sandbox, &job));
  struct job_mounts mounts;
  TRY(sandbox_clone_mounts(sandbox, &job, &mounts));
  return launch_send_job(sandbox->seat.watch.fd, JOB_BIND, false, bytes, &mounts, -1);
}

static void seat_ready(struct sandbox *sandbox) {
  sandbox->seat.ready = true;
  if (sandbox->state == SANDBOX_MAKING) {
    sandbox->state = SANDBOX_READY;
    sandbox->kind->making--;
    sandbox->next = sandbox->kind->ready;
    sandbox->kind->ready = sandbox;
    sandbox->kind->ready_count++;
    return;
  }
  if (sandbox->keep && !sandbox->opened) {
    struct err result = bind_job(sandbox);
    if (failed(result)) sandbox_failed(sandbox, result);
    return;
  }
  exec_seated(sandbox);
}

/* What its init made of it, and what only we can make. */
static void network_made(struct sandbox *sandbox) {
  const struct plan *plan = &sandbox->kind->plan;
  gid_t gid = launch_guest_gid(&S.host, sandbox->cell->number);
  struct err result = OK;
  if (plan->network.packets) result = veth_make(&S.host, plan, sandbox->network[NETWORK_FILTER], gid, &sandbox->way_out);
  if (!failed(result)) {
    give_network(sandbox);
    return;
  }
  /* Its init knows nothing of this, and would go on. */
  watch_close(&sandbox->seat.watch);
  sandbox_kill(sandbox, CAUSE_KILLED);
  sandbox_failed(sandbox, result);
}

void sandbox_seat_event(struct sandbox *sandbox) {
  int fds[NETWORK_PARTS];
  size_t count;
  if (!channel_receive_all_from(sandbox->seat.watch.fd, &told, sizeof told, fds, NETWORK_PARTS, &count, &sandbox->seat.pid)) {
    watch_close(&sandbox->seat.watch);
    if (sandbox->made) sandbox_failed(sandbox, fail(ERR_SYSTEM, ECHILD, "sandbox ended before its job", NULL));
    else if (sandbox->pidfd.fd >= 0) end_init(sandbox); /* sandbox_reap says what then */
    return;
  }
  size_t first = sandbox->kind->plan.network.kind == NETWORK_PACKETS ? NETWORK_FILTER : 0;
  if (told.event == JOB_NETWORK && count == NETWORK_PARTS - first && sandbox->kind->plan.network.kind && sandbox->network[NETWORK_FILTER] < 0) {
    memcpy(sandbox->network + first, fds, count * sizeof *fds);
    network_made(sandbox);
    return;
  }
  if (told.event == JOB_READY && count == 2) {
    sandbox->made = true;
    keep_net(sandbox);
    give_network(sandbox);
    sandbox->seat.output[0] = fds[0];
    sandbox->seat.output[1] = fds[1];
    seat_ready(sandbox);
    return;
  }
  for (size_t i = 0; i < count; i++) close(fds[i]);
  if (told.event == JOB_BOUND) {
    struct out body = {0};
    out_i32(&body, 1, sandbox->pid);
    sandbox->opened = true;
    client_send(FRAME_OPENED, sandbox->id, body.data, body.length);
    out_free(&body);
    exec_seated(sandbox);
    return;
  }
  watch_close(&sandbox->seat.watch);
  sandbox_failed(sandbox, launch_error_of(&told));
}

void sandbox_next_seat(struct sandbox *sandbox) {
  int job[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, job) < 0) return;
  if (sandbox->kind->plan.landlock.log) audit_know(job[0]);
  struct slot_request request = {.command = SLOT_FORK, .job = ++sandbox->next_number};
  sandbox->seat.ready = false;
  sandbox->seat.number = sandbox->next_number;
  sandbox->seat.output[0] = sandbox->seat.output[1] = -1;
  bool sent = channel_send(sandbox->control.fd, &request, sizeof request, &job[1], 1);
  close(job[1]);
  if (!sent || !watch_add(&sandbox->seat.watch, WATCH_SEAT, job[0], EPOLLIN, sandbox)) close(job[0]);
}

void sandbox_control_event(struct sandbox *sandbox) {
  struct slot_report report;
  int fd = -1;
  size_t fd_count;
  ssize_t got = channel_receive(sandbox->control.fd, &report, sizeof report, &fd, 1, &fd_count);
  if (got != (ssize_t)sizeof report) {
    watch_close(&sandbox->control); /* init is dying; its pidfd will say when it is done */
    return;
  }
  if (report.event == SLOT_DIALED) {
    dial_answer(sandbox, &report, fd);
    return;
  }
  sandbox->left += report.left;
  for (struct exec *exec = sandbox->execs; exec; exec = exec->next)
    if (exec->number == report.job) {
      exec_ended(exec, &report);
      return;
    }
}

void sandbox_kill(struct sandbox *sandbox, enum cause cause) {
  if (!sandbox->cause) sandbox->cause = cause;
  for (struct exec *exec = sandbox->execs; exec; exec = exec->next)
    if (!exec->cause) exec->cause = cause;
  end_init(sandbox);
  sandbox_end_frozen(sandbox);
}

/* Its work is done: init sees the end of its control socket and goes, and with it whatever is left. */
void sandbox_dismiss(struct sandbox *sandbox) {
  sandbox->state = SANDBOX_ENDING;
  watch_close(&sandbox->control);
  /* It was frozen after its job had ended: an init that stands still would not go. */
  if (sandbox->cell->cgroup.frozen) cgroup_cell_freeze(&sandbox->cell->cgroup, false);
  if (sandbox->pidfd.fd < 0 && !sandbox->asked) {
    sandbox->reaped = true;
    sandbox_settle(sandbox);
  }
}

static struct err last_words(const struct sandbox *sandbox) {
  int fds[NETWORK_PARTS], socket = sandbox->seat.watch.fd;
  size_t count;
  char byte;
  while (socket >= 0 && recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0 &&
         channel_receive_all(socket, &told, sizeof told, fds, NETWORK_PARTS, &count)) {
    for (size_t i = 0; i < count; i++) close(fds[i]);
    if (told.event == JOB_FAILED) return launch_error_of(&told);
  }
  return OK;
}

void sandbox_reap(struct sandbox *sandbox) {
  siginfo_t info = {0};
  struct rusage usage = {0};
  if (sys_waitid(SYS_P_PIDFD, sandbox->pidfd.fd, &info, WEXITED | WNOHANG, &usage) < 0 && errno != ECHILD) return;
  if (info.si_pid == 0 && errno != ECHILD) return;
  struct slot_report report = {
      .event = SLOT_ENDED, .status = SIGKILL, .left = 0,
      .user_us = (uint64_t)usage.ru_utime.tv_sec * 1000000 + (uint64_t)usage.ru_utime.tv_usec,
      .system_us = (uint64_t)usage.ru_stime.tv_sec * 1000000 + (uint64_t)usage.ru_stime.tv_usec,
      .max_rss_bytes = (uint64_t)usage.ru_maxrss * 1024,
  };
  watch_close(&sandbox->control);
  /* Only now: what stands still dies without a thaw (v2 freezer), and runs no further before it does. */
  if (sandbox->cell->cgroup.frozen) cgroup_cell_freeze(&sandbox->cell->cgroup, false);
  /* A guest that sees the host may have ended its supervisor, whose work the group does then. */
  if (S.host_view && sandbox->cell->grouped && info.si_code != CLD_EXITED)
    cgroup_cell_kill(&sandbox->cell->cgroup);
  /* Its last words, if it ended before its job, say why. */
  struct err why = last_words(sandbox);
  if (!failed(why) && may_be_anew(sandbox)) {
    why = make_anew(sandbox);
    if (!failed(why)) return;
  }
  if (!failed(why)) why = fail(ERR_SYSTEM, ECHILD, "sandbox ended before its job", NULL);
  for (struct exec *exec = sandbox->execs, *next; exec; exec = next) {
    next = exec->next;
    exec_ended(exec, &report);
  }
  while (sandbox->pending) {
    struct exec *exec = sandbox->pending;
    sandbox->pending = exec->next;
    exec_fail(exec, why);
  }
  watch_close(&sandbox->pidfd);
  sandbox->reaped = true;
  sandbox->last = report;
  sandbox_settle(sandbox);
}

/* Gone, once the kernel said so and nobody reads its output any more. */
void sandbox_settle(struct sandbox *sandbox) {
  if (!sandbox->reaped || sandbox->execs) return;
  if (sandbox->id) {
    struct out body = {0};
    struct cgroup_usage group = {0};
    if (sandbox->cell->grouped) cgroup_cell_read(&sandbox->cell->cgroup, &group);
    usage_fields(&body, &group, &sandbox->last);
    out_u32(&body, 20, sandbox->left);
    traffic_fields(&body, sandbox);
    client_send(FRAME_CLOSED, sandbox->id, body.data, body.length);
    out_free(&body);
  }
  release(sandbox);
}

struct err sandbox_open(uint32_t id, struct kind *kind, struct span job) {
  uint8_t *copy = malloc(job.length ? job.length : 1);
  if (!copy) return fail(ERR_RESOURCE, ENOMEM, "keep job", NULL);
  memcpy(copy, job.data, job.length);
  struct sandbox *sandbox;
  struct err result = sandbox_take(kind, &sandbox);
  if (failed(result)) {
    free(copy);
    return result;
  }
  sandbox->id = id;
  sandbox->keep = true;
  sandbox->job = copy;
  sandbox->job_length = job.length;
  sandbox_own_network(sandbox, id);
  struct slot_request request = {.command = SLOT_KEEP};
  channel_send(sandbox->control.fd, &request, sizeof request, NULL, 0);
  if (sandbox->seat.ready) seat_ready(sandbox);
  return OK;
}
