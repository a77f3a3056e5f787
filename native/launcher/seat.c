/* The process in a kept sandbox that waits for the next command. Init may be unable to fork one, and a guest may end it: then
   whoever waits for it goes on waiting, and it is asked for again. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "state.h"

/* It is asked for sooner where a command ends. */
#define AGAIN_AFTER_NS 50000000u
/* So often, one second, while no command runs that could end: what is in the way is not going to go. */
#define TRIES_MAX 20u

static bool is_waited_for(const struct sandbox *sandbox) {
  return sandbox->pending || (sandbox->agent && sandbox->agent->watch.fd < 0);
}

static bool can_have(const struct sandbox *sandbox) {
  return sandbox->keep && sandbox->opened && !sandbox->cause && sandbox->state != SANDBOX_ENDING && sandbox->control.fd >= 0 &&
         sandbox->seat.watch.fd < 0;
}

void seat_lost(struct sandbox *sandbox) {
  watch_close(&sandbox->seat.watch);
  for (int i = 0; i < 2; i++) {
    if (sandbox->seat.output[i] >= 0) close(sandbox->seat.output[i]);
    sandbox->seat.output[i] = -1;
  }
  sandbox->seat.ready = false;
  if (is_waited_for(sandbox) && !S.seats_at_ns) S.seats_at_ns = S.now_ns + AGAIN_AFTER_NS;
}

bool seat_is_free(struct sandbox *sandbox) {
  char byte;
  if (!sandbox->seat.ready) return false;
  if (!sandbox->keep) return true;
  if (!sandbox->opened) return false;
  if (recv(sandbox->seat.watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0) return true;
  seat_lost(sandbox); /* it has ended, and we have not looked since */
  return false;
}

void seat_next(struct sandbox *sandbox) {
  int job[2];
  sandbox->seat.ready = false;
  sandbox->seat.output[0] = sandbox->seat.output[1] = -1;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, job) < 0) {
    seat_lost(sandbox);
    return;
  }
  if (sandbox->kind->plan.landlock.log) audit_know(job[0]);
  struct slot_request request = {.command = SLOT_FORK, .job = ++sandbox->next_number};
  sandbox->seat.number = sandbox->next_number;
  bool sent = channel_send(sandbox->control.fd, &request, sizeof request, &job[1], 1);
  close(job[1]);
  if (sent && watch_add(&sandbox->seat.watch, WATCH_SEAT, job[0], EPOLLIN, sandbox)) return;
  close(job[0]);
  seat_lost(sandbox);
}

void seat_want(struct sandbox *sandbox) {
  if (can_have(sandbox)) seat_next(sandbox);
}

static void give_up(struct sandbox *sandbox) {
  struct err error = fail(ERR_RESOURCE, EAGAIN, "no process for a command", NULL);
  sandbox->seat.tries = 0;
  while (sandbox->pending) {
    struct exec *exec = sandbox->pending;
    sandbox->pending = exec->next;
    exec_fail(exec, error);
  }
  sandbox->pending_tail = &sandbox->pending;
  if (sandbox->agent && sandbox->agent->watch.fd < 0) agent_fail(sandbox->agent, error);
}

void seats_tick(void) {
  if (!S.seats_at_ns || S.now_ns < S.seats_at_ns) return;
  S.seats_at_ns = 0;
  for (struct sandbox *sandbox = S.sandboxes; sandbox; sandbox = sandbox->all_next) {
    if (!is_waited_for(sandbox) || !can_have(sandbox)) continue;
    if (sandbox->execs) sandbox->seat.tries = 0;
    if (sandbox->seat.tries++ < TRIES_MAX) seat_next(sandbox);
    else give_up(sandbox);
  }
}
