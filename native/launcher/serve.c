/* The loop: what happens is given to whom it is about, until the client is gone and everything has been taken down. */
#include "serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "handover.h"
#include "state.h"
#include "sys.h"

struct serve S;

#define REFILL_AFTER_NS 3000000u

void refill_soon(void) { S.refill_at_ns = S.now_ns + REFILL_AFTER_NS; }

static void on_oom(struct cell *cell) {
  uint64_t count;
  if (read(cell->oom.fd, &count, sizeof count) != (ssize_t)sizeof count) return;
  if (cell->sandbox) sandbox_kill(cell->sandbox, CAUSE_MEMORY);
}

static void dispatch(struct watch *watch, uint32_t what) {
  switch (watch->kind) {
    case WATCH_CLIENT:
      requests_read(what);
      return;
    case WATCH_SIGNALS:
      S.stopping = true;
      return;
    case WATCH_NURSERY:
      nursery_answer(watch->owner);
      return;
    case WATCH_CONTROL:
      sandbox_control_event(watch->owner, what);
      return;
    case WATCH_PIDFD:
      sandbox_reap(watch->owner);
      return;
    case WATCH_OOM:
      on_oom(watch->owner);
      return;
    case WATCH_SEAT:
      sandbox_seat_event(watch->owner);
      return;
    case WATCH_JOB:
      exec_job_event(watch->owner);
      return;
    case WATCH_STDOUT:
      exec_output_event(watch->owner, 0);
      return;
    case WATCH_STDERR:
      exec_output_event(watch->owner, 1);
      return;
    case WATCH_STDIN:
      exec_input_event(watch->owner);
      return;
    case WATCH_NOTIFY:
      exec_notify_event(watch->owner);
      return;
    case WATCH_MOTHER:
      mother_start(); /* where that fails, whoever orders a nursery is told */
      return;
    case WATCH_HANDOVER:
      handover_event();
      return;
    case WATCH_AUDIT:
      audit_event();
      return;
    case WATCH_AGENT:
      agent_event(watch->owner);
      return;
  }
}

static void loop(void) {
  while (!S.client_gone && !S.stopping) {
    S.now_ns = clock_ns();
    uint64_t next = execs_tick();
    seats_tick();
    if (S.seats_at_ns && (next == 0 || S.seats_at_ns < next)) next = S.seats_at_ns;
    if (S.refill_at_ns && S.now_ns >= S.refill_at_ns) kinds_refill();
    if (S.refill_at_ns && (next == 0 || S.refill_at_ns < next)) next = S.refill_at_ns;
    if (S.orphans_at_ns && S.now_ns >= S.orphans_at_ns) orphans_reap();
    if (S.orphans_at_ns && (next == 0 || S.orphans_at_ns < next)) next = S.orphans_at_ns;
    struct timespec wait = {0};
    if (next > S.now_ns) {
      wait.tv_sec = (time_t)((next - S.now_ns) / 1000000000u);
      wait.tv_nsec = (long)((next - S.now_ns) % 1000000000u);
    }
    watch_wait(next ? &wait : NULL, dispatch);
  }
}

/* Nobody asks for anything any more. */
static void dispatch_end(struct watch *watch, uint32_t what) {
  if (watch->kind != WATCH_CLIENT && watch->kind != WATCH_SIGNALS) dispatch(watch, what);
}

static void take_everything_down(void) {
  S.client_gone = true;
  for (struct sandbox *sandbox = S.sandboxes; sandbox; sandbox = sandbox->all_next) sandbox_kill(sandbox, CAUSE_KILLED);
  execs_resume();
  /* Nothing is left only when the kernel has said so for each. */
  for (uint64_t end = clock_ns() + 10000000000u; S.sandboxes && clock_ns() < end;) {
    /* An exec may have ended, and wait for its last audit records. */
    S.now_ns = clock_ns();
    execs_tick();
    watch_wait(&(struct timespec){.tv_nsec = 100000000}, dispatch_end);
  }
  cells_close();
  orphans_await();
}

struct err serve(int fd) {
  int type;
  socklen_t size = sizeof type;
  struct stat st;
  S.device = fstat(fd, &st) == 0 && S_ISCHR(st.st_mode);
  if (S.device) fcntl(fd, F_SETFL, O_NONBLOCK);
  else if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM)
    return fail(ERR_MESSAGE, errno ? errno : EINVAL, "descriptor 3 is not a stream socket", NULL);
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGINT, SIG_IGN); /* a terminal's Ctrl-C is the client's to interpret */
  signal(SIGQUIT, SIG_IGN);
  TRY(prober_start());
  TRY(S.host_view ? host_open(&S.host) : launch_prepare(&S.host));
  TRY(mother_start());
  S.epoll = epoll_create1(EPOLL_CLOEXEC);
  if (S.epoll < 0) return fail(ERR_RESOURCE, errno, "epoll", NULL);
  S.common.watch.fd = S.mother_end.fd = -1;
  TRY(mother_watch());
  if (!S.host_view) handover_open();
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGHUP);
  sigprocmask(SIG_BLOCK, &ends, NULL);
  int signals = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
  if (!watch_add(&S.signals, WATCH_SIGNALS, signals, EPOLLIN, NULL) ||
      !watch_add(&S.client, WATCH_CLIENT, fd, EPOLLIN, NULL))
    return fail(ERR_RESOURCE, errno, "epoll", NULL);
  loop();
  client_flush();
  prober_dismiss();
  take_everything_down();
  return OK;
}

struct err serve_host_view(int fd) {
  S.host_view = true;
  return serve(fd);
}
