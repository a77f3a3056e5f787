/* Cells: made ahead of need, since entering a v1 cgroup takes up to 10 ms a hierarchy; given back and used again. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "channel.h"
#include "state.h"
#include "sys.h"

/* Whoever kills each mother before she answers is not waited for without end. */
#define ORDERS_MAX 16

/* Over a socket of its own each time: what a mother that was killed had made already must not hear of what the next one is told. */
static struct err order(struct nursery *nursery, struct cell *cell, int *socket) {
  int ends[2];
  if (S.mother < 0) return fail(ERR_SYSTEM, EPIPE, "order nursery", NULL); /* the last one could not be started */
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return fail(ERR_RESOURCE, errno, "socketpair", NULL);
  struct err result = nursery_order(S.mother, ends[1], &S.tree, cell ? &cell->cgroup : NULL, &nursery->pid);
  close(ends[1]);
  if (failed(result)) close(ends[0]);
  else *socket = ends[0];
  return result;
}

static struct err nursery_start(struct nursery *nursery, struct cell *cell) {
  int socket = -1;
  struct err result = order(nursery, cell, &socket);
  for (int tries = 1; failed(result) && result.errnum == EPIPE && tries < ORDERS_MAX; tries++) {
    TRY(mother_start());
    result = order(nursery, cell, &socket);
  }
  TRY(result);
  nursery->waiting = NULL;
  nursery->waiting_tail = &nursery->waiting;
  nursery->sent = 0;
  if (!watch_add(&nursery->watch, WATCH_NURSERY, socket, EPOLLIN, nursery)) {
    result = fail(ERR_RESOURCE, errno, "epoll", NULL);
    close(socket);
    orphans_expect();
    return result;
  }
  return OK;
}

struct err nursery_ready(struct cell *cell) {
  if (cell->nursery->watch.fd >= 0) return OK;
  return nursery_start(cell->nursery, cell->nursery == &cell->own ? cell : NULL);
}

static void nursery_ended(struct nursery *nursery) {
  struct sandbox *sandbox = nursery->waiting;
  watch_close(&nursery->watch);
  if (nursery->pid > 0) waitpid(nursery->pid, NULL, __WALL);
  nursery->pid = 0;
  nursery->waiting = NULL;
  nursery->waiting_tail = &nursery->waiting;
  nursery->sent = 0;
  orphans_expect();
  while (sandbox) {
    struct sandbox *next = sandbox->waiting_next;
    sandbox->waiting_next = NULL;
    sandbox->asked = false;
    sandbox_close_ends(sandbox);
    sandbox_lost(sandbox);
    sandbox = next;
  }
}

/* So many may be asked of a nursery and not answered: what it is asked and what it answers then fits into its socket, so
   that neither of us ever waits for the other to read. */
#define UNANSWERED_MAX 32u

static struct sandbox *first_unsent(const struct nursery *nursery) {
  struct sandbox *sandbox = nursery->waiting;
  for (unsigned i = 0; sandbox && i < nursery->sent; i++) sandbox = sandbox->waiting_next;
  return sandbox;
}

bool nursery_is_busy(const struct nursery *nursery) { return nursery->sent >= UNANSWERED_MAX || first_unsent(nursery); }

void nursery_await(struct nursery *nursery, struct sandbox *sandbox, bool sent) {
  *nursery->waiting_tail = sandbox;
  nursery->waiting_tail = &sandbox->waiting_next;
  sandbox->asked = true;
  if (sent) nursery->sent++;
}

static void forget_waiting(struct nursery *nursery, struct sandbox *sandbox) {
  struct sandbox **link = &nursery->waiting;
  while (*link != sandbox) link = &(*link)->waiting_next;
  *link = sandbox->waiting_next;
  if (nursery->waiting_tail == &sandbox->waiting_next) nursery->waiting_tail = link;
  sandbox->waiting_next = NULL;
}

static void ask_next(struct nursery *nursery) {
  while (nursery->sent < UNANSWERED_MAX) {
    struct sandbox *sandbox = first_unsent(nursery);
    if (!sandbox) return;
    if (sandbox_send_ask(sandbox)) {
      sandbox_close_ends(sandbox);
      nursery->sent++;
      continue;
    }
    int error = errno;
    if (error == EPIPE || error == ECONNRESET) return; /* its end will be read, and those who wait be asked for anew */
    forget_waiting(nursery, sandbox);
    sandbox->asked = false;
    sandbox_close_ends(sandbox);
    sandbox_failed(sandbox, fail(ERR_SYSTEM, error, "ask nursery", NULL));
  }
}

void nursery_drain(struct nursery *nursery) {
  while (nursery->watch.fd >= 0 && nursery_answer(nursery)) continue;
}

bool nursery_answer(struct nursery *nursery) {
  struct nursery_reply reply;
  int pidfd = -1;
  size_t count;
  ssize_t got = channel_receive(nursery->watch.fd, &reply, sizeof reply, &pidfd, 1, &count);
  struct sandbox *sandbox = nursery->waiting;
  if (got != (ssize_t)sizeof reply) {
    nursery_ended(nursery); /* by now there may be another one in its place */
    return false;
  }
  if (!sandbox) {
    if (count) close(pidfd);
    return true;
  }
  nursery->sent--;
  nursery->waiting = sandbox->waiting_next;
  if (!nursery->waiting) nursery->waiting_tail = &nursery->waiting;
  sandbox->waiting_next = NULL;
  sandbox->asked = false;
  if (reply.class != ERR_NONE) {
    static char step[sizeof reply.step];
    memcpy(step, reply.step, sizeof step);
    step[sizeof step - 1] = 0;
    sandbox_failed(sandbox, fail((enum err_class)reply.class, reply.errnum, step, NULL));
  } else {
    sandbox_born(sandbox, reply.pid, pidfd);
  }
  ask_next(nursery);
  return true;
}

static struct err tree_ready(void) {
  if (!S.tree_tried) {
    S.tree_tried = true;
    S.tree_error = cgroup_tree_open(&S.tree);
  }
  return S.tree_error;
}

static struct err cell_make(bool grouped, struct cell **out) {
  if (S.cell_count == sizeof S.cells / sizeof *S.cells) return fail(ERR_RESOURCE, EAGAIN, "too many sandboxes at once", NULL);
  struct cell *cell = calloc(1, sizeof *cell);
  if (!cell) return fail(ERR_RESOURCE, ENOMEM, "make cell", NULL);
  cell->number = S.cell_count;
  cell->grouped = grouped;
  cell->oom.fd = cell->own.watch.fd = -1;
  cell->cgroup.v2 = cell->cgroup.oom_event = -1;
  for (size_t i = 0; i < CGROUP_V1_COUNT; i++) cell->cgroup.v1[i] = -1;
  struct err result = OK;
  if (grouped) {
    result = tree_ready();
    if (!failed(result)) result = cgroup_cell_open(&S.tree, cell->number, &cell->cgroup);
  }
  if (!failed(result) && grouped && !S.tree.v2_limits) {
    result = nursery_start(&cell->own, cell);
    cell->nursery = &cell->own;
    if (!failed(result)) watch_add(&cell->oom, WATCH_OOM, cell->cgroup.oom_event, EPOLLIN, cell);
  } else if (!failed(result)) {
    cell->nursery = &S.common;
    result = nursery_ready(cell);
  }
  if (failed(result)) {
    free(cell);
    return result;
  }
  S.cells[S.cell_count++] = cell;
  *out = cell;
  return OK;
}

struct err cell_take(bool grouped, struct cell **out) {
  struct cell **idle = grouped ? &S.idle_grouped : &S.idle_plain;
  while (*idle) {
    *out = *idle;
    *idle = (*out)->next;
    /* What was killed there may still be dying: then another is taken, and this one removed at the end. */
    if (grouped && failed(cgroup_cell_renew(&S.tree, &(*out)->cgroup))) continue;
    struct err result = nursery_ready(*out);
    if (failed(result)) cell_give_back(*out);
    return result;
  }
  return cell_make(grouped, out);
}

void cell_give_back(struct cell *cell) {
  struct cell **idle = cell->grouped ? &S.idle_grouped : &S.idle_plain;
  cell->sandbox = NULL;
  cell->next = *idle;
  *idle = cell;
}

void cells_spare(bool grouped, unsigned wanted) {
  unsigned have = 0;
  for (struct cell *cell = grouped ? S.idle_grouped : S.idle_plain; cell; cell = cell->next) have++;
  while (have++ < wanted) {
    struct cell *cell;
    if (failed(cell_make(grouped, &cell))) return;
    cell_give_back(cell);
  }
}

void cells_close(void) {
  unsigned patience_ms = 2000;
  for (unsigned i = 0; i < S.cell_count; i++) watch_close(&S.cells[i]->own.watch);
  watch_close(&S.common.watch);
  for (unsigned i = 0; i < S.cell_count; i++) {
    struct cell *cell = S.cells[i];
    if (cell->cgroup.frozen) cgroup_cell_freeze(&cell->cgroup, false);
    if (cell->own.pid > 0) waitpid(cell->own.pid, NULL, 0);
    cell->oom.fd = -1; /* closed with the cgroup */
    if (cell->grouped) cgroup_cell_close(&S.tree, &cell->cgroup, &patience_ms);
    free(cell);
  }
  if (S.common.pid > 0) waitpid(S.common.pid, NULL, 0);
  watch_close(&S.mother_end);
  if (S.mother_pid > 0) waitpid(S.mother_pid, NULL, __WALL);
  if (S.tree.ready) cgroup_tree_close(&S.tree);
}
