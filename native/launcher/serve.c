/* Over 300 lines for the frames: one function for each kind, and the loop that they come through. */
#include "serve.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "channel.h"
#include "handover.h"
#include "probe.h"
#include "state.h"
#include "sys.h"

struct serve S;

uint64_t clock_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool watch_add(struct watch *watch, enum watch_kind kind, int fd, uint32_t events, void *owner) {
  *watch = (struct watch){kind, fd, events, owner};
  struct epoll_event event = {.events = events, .data.ptr = watch};
  if (epoll_ctl(S.epoll, EPOLL_CTL_ADD, fd, &event) == 0) return true;
  watch->fd = -1;
  return false;
}

void watch_change(struct watch *watch, uint32_t events) {
  if (watch->fd < 0 || watch->events == events) return;
  watch->events = events;
  struct epoll_event event = {.events = events, .data.ptr = watch};
  epoll_ctl(S.epoll, EPOLL_CTL_MOD, watch->fd, &event);
}

/* Events of one epoll_wait; what is closed while they are worked through must not be touched through them. */
static struct epoll_event events[64];
static int event_count;

void watch_close(struct watch *watch) {
  if (watch->fd < 0) return;
  /* Explicitly: another process may hold a copy of the open file, and then closing alone does not end the watch. */
  epoll_ctl(S.epoll, EPOLL_CTL_DEL, watch->fd, NULL);
  close(watch->fd);
  watch->fd = -1;
  for (int i = 0; i < event_count; i++)
    if (events[i].data.ptr == watch) events[i].data.ptr = NULL;
}

void watch_move(struct watch *from, struct watch *to, enum watch_kind kind, void *owner) {
  *to = (struct watch){kind, from->fd, from->events, owner};
  struct epoll_event event = {.events = to->events, .data.ptr = to};
  epoll_ctl(S.epoll, EPOLL_CTL_MOD, to->fd, &event);
  from->fd = -1;
  for (int i = 0; i < event_count; i++)
    if (events[i].data.ptr == from) events[i].data.ptr = to;
}

#define REFILL_AFTER_NS 3000000u

void refill_soon(void) { S.refill_at_ns = S.now_ns + REFILL_AFTER_NS; }

/* The probe must see the host as the caller does, before the launcher makes itself a namespace: forked first, asked later. */
static struct {
  int ask, answer;
  pid_t pid;
} prober = {-1, -1, 0};

static struct err prober_start(void) {
  int ask[2], answer[2];
  if (pipe2(ask, O_CLOEXEC) < 0 || pipe2(answer, O_CLOEXEC) < 0) return fail(ERR_RESOURCE, errno, "pipe", NULL);
  prober.pid = fork();
  if (prober.pid < 0) return fail(ERR_RESOURCE, errno, "fork probe", NULL);
  if (prober.pid == 0) {
    char byte;
    close(ask[1]);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (read(ask[0], &byte, 1) != 1) _exit(0);
    struct out facts = {0};
    if (failed(probe_facts(&facts))) _exit(1);
    (void)!write(answer[1], facts.data, facts.length);
    _exit(0);
  }
  close(ask[0]);
  close(answer[1]);
  prober.ask = ask[1];
  prober.answer = answer[0];
  return OK;
}

/* Its answers are waited for where it is asked; here its end is heard of. */
static struct err mother_watch(void) {
  if (S.epoll <= 0) return OK;
  if (watch_add(&S.mother_end, WATCH_MOTHER, S.mother, EPOLLRDHUP, NULL)) return OK;
  struct err result = fail(ERR_RESOURCE, errno, "epoll", NULL);
  close(S.mother);
  S.mother = -1;
  return result;
}

struct err mother_start(void) {
  int ends[2];
  if (S.mother_pid > 0) {
    watch_close(&S.mother_end);
    waitpid(S.mother_pid, NULL, __WALL);
    S.mother_pid = 0;
    S.mother = -1;
  }
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return fail(ERR_RESOURCE, errno, "socketpair", NULL);
  S.mother_pid = fork();
  if (S.mother_pid < 0) {
    struct err result = fail(ERR_RESOURCE, errno, "fork", NULL);
    close(ends[0]);
    close(ends[1]);
    return result;
  }
  if (S.mother_pid == 0) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    nursery_mother(&S.host, ends[1]);
  }
  close(ends[1]);
  S.mother = ends[0];
  return mother_watch();
}

static void probe(uint32_t id) {
  static uint8_t facts[64 * 1024];
  size_t length = 0;
  if (prober.ask < 0) {
    client_error(id, fail(ERR_UNSUPPORTED, EALREADY, "the host is probed once", NULL));
    return;
  }
  (void)!write(prober.ask, "?", 1);
  close(prober.ask);
  for (ssize_t got; (got = read(prober.answer, facts + length, sizeof facts - length)) != 0;) {
    if (got < 0 && errno != EINTR) break;
    if (got > 0) length += (size_t)got;
  }
  close(prober.answer);
  waitpid(prober.pid, NULL, 0);
  prober.ask = prober.answer = -1;
  prober.pid = 0;
  if (length == 0) client_error(id, fail(ERR_SYSTEM, EIO, "probe", NULL));
  else client_send(FRAME_FACTS, id, facts, length);
}

static bool id_in_use(uint32_t id) { return id == 0 || kind_find(id) || sandbox_find(id) || exec_find(id); }

static struct err on_exec(uint32_t id, struct span body) {
  struct exec_request request;
  TRY(frame_exec(body, &request));
  struct sandbox *sandbox;
  if (request.plan_id) {
    struct kind *kind = kind_find(request.plan_id);
    if (!kind) return fail(ERR_UNKNOWN_ID, ENOENT, "exec", "plan");
    TRY(sandbox_take(kind, &sandbox));
    sandbox_own_network(sandbox, id);
  } else {
    sandbox = sandbox_find(request.sandbox_id);
    if (!sandbox || sandbox->cause || sandbox->state == SANDBOX_ENDING) return fail(ERR_UNKNOWN_ID, ENOENT, "exec", "sandbox");
  }
  struct err result = exec_begin(id, sandbox, request.job);
  if (failed(result) && request.plan_id) sandbox_dismiss(sandbox);
  return result;
}

static struct err on_open(uint32_t id, struct span body) {
  struct open_request request;
  TRY(frame_open(body, &request));
  struct kind *kind = kind_find(request.plan_id);
  if (!kind) return fail(ERR_UNKNOWN_ID, ENOENT, "open", "plan");
  return sandbox_open(id, kind, request.job);
}

static struct err on_plan(uint32_t id, struct span body) {
  struct plan_request request;
  struct kind *kind = kind_find(id);
  TRY(frame_plan(body, &request));
  if (kind) { /* the same again: another number of slots */
    if (kind->length != request.plan.length || memcmp(kind->bytes, request.plan.data, kind->length) != 0)
      return fail(ERR_MESSAGE, EEXIST, "plan", "id in use");
    kind->wanted = request.slots;
    refill_soon();
  } else {
    if (id_in_use(id)) return fail(ERR_MESSAGE, EEXIST, "plan", "id in use");
    TRY(kind_add(id, &request));
  }
  client_send(FRAME_READY, id, NULL, 0);
  return OK;
}

static struct err on_close(uint32_t id) {
  struct kind *kind = kind_find(id);
  struct sandbox *sandbox = sandbox_find(id);
  if (kind) {
    kind_forget(kind);
    client_send(FRAME_CLOSED, id, NULL, 0);
  } else if (sandbox) {
    sandbox_kill(sandbox, CAUSE_KILLED);
  } else {
    return fail(ERR_UNKNOWN_ID, ENOENT, "close", NULL);
  }
  return OK;
}

/* Frames about something that may have ended while they travelled: then there is nothing to do, and nothing to say. */
static struct err on_running(const struct frame *frame) {
  struct exec *exec = exec_find(frame->id);
  struct credit credit;
  struct winsize_request size;
  struct dial_request dial;
  int32_t number;
  switch (frame->type) {
    case FRAME_STDIN:
      if (exec) exec_input(exec, frame->body);
      return OK;
    case FRAME_CREDIT:
      TRY(frame_credit(frame->body, &credit));
      if (exec) exec_credit(exec, &credit);
      return OK;
    case FRAME_WINSIZE:
      TRY(frame_winsize(frame->body, &size));
      if (exec) exec_window(exec, &size);
      return OK;
    case FRAME_SIGNAL:
      TRY(frame_signal(frame->body, &number));
      if (exec) {
        struct slot_request request = {.command = SLOT_SIGNAL, .job = exec->number, .signal = number};
        if (exec->sandbox->control.fd >= 0) channel_send(exec->sandbox->control.fd, &request, sizeof request, NULL, 0);
      }
      return OK;
    case FRAME_DIAL:
      TRY(frame_dial(frame->body, &dial));
      dial_ask(frame->id, &dial);
      return OK;
    case FRAME_DENY:
      if (exec) exec_kill(exec, CAUSE_VIOLATION);
      return OK;
    default: /* KILL */
      if (exec) exec_kill(exec, CAUSE_KILLED);
      else if (sandbox_find(frame->id)) sandbox_kill(sandbox_find(frame->id), CAUSE_KILLED);
      return OK;
  }
}

/* By the sandbox's own id; or as a request of its own about whatever `of` names, since an ERROR under an exec's id would be
   its end. */
static struct err on_sandbox(const struct frame *frame) {
  struct freeze_request freeze = {0};
  uint32_t of = 0;
  if (frame->type == FRAME_FREEZE) TRY(frame_freeze(frame->body, &freeze));
  if (frame->type == FRAME_USAGE) TRY(frame_usage(frame->body, &of));
  if (freeze.of) of = freeze.of;
  if (of && id_in_use(frame->id)) return fail(ERR_MESSAGE, EEXIST, "id in use", NULL);
  struct sandbox *sandbox = of ? sandbox_of(of) : sandbox_find(frame->id);
  if (!sandbox) return fail(ERR_UNKNOWN_ID, ENOENT, "sandbox", NULL);
  if (frame->type == FRAME_FILES) return agent_ask(sandbox, frame->body);
  if (frame->type == FRAME_USAGE) {
    usage_send(frame->id, sandbox);
    return OK;
  }
  TRY(sandbox_freeze(sandbox, freeze.freeze == 1));
  if (of) client_send(FRAME_READY, frame->id, NULL, 0);
  return OK;
}

static struct err on_hello(struct span body) {
  struct hello hello;
  TRY(frame_hello(body, &hello));
  if (hello.version != PROTOCOL_VERSION) {
    S.stopping = true;
    return fail(ERR_MESSAGE, EPROTONOSUPPORT, "protocol version", NULL);
  }
  struct out answer = {0};
  out_u32(&answer, 1, PROTOCOL_VERSION);
  out_str(&answer, 2, CAISSON_BUILD);
  client_send(FRAME_HELLO, 0, answer.data, answer.length);
  out_free(&answer);
  S.hello_seen = true;
  return OK;
}

static void on_frame(const struct frame *frame) {
  struct err result;
  if (!S.hello_seen && frame->type != FRAME_HELLO) {
    S.stopping = true;
    client_error(frame->id, fail(ERR_MESSAGE, EPROTO, "first frame", NULL));
    return;
  }
  switch (frame->type) {
    case FRAME_HELLO:
      result = on_hello(frame->body);
      break;
    case FRAME_PLAN:
      result = on_plan(frame->id, frame->body);
      break;
    case FRAME_OPEN:
    case FRAME_EXEC:
      if (id_in_use(frame->id)) result = fail(ERR_MESSAGE, EEXIST, "id in use", NULL);
      else result = frame->type == FRAME_OPEN ? on_open(frame->id, frame->body) : on_exec(frame->id, frame->body);
      break;
    case FRAME_STDIN:
    case FRAME_CREDIT:
    case FRAME_SIGNAL:
    case FRAME_WINSIZE:
    case FRAME_KILL:
    case FRAME_DENY:
    case FRAME_DIAL:
      result = on_running(frame);
      break;
    case FRAME_CLOSE:
      result = on_close(frame->id);
      break;
    case FRAME_FILES:
    case FRAME_FREEZE:
    case FRAME_USAGE:
      result = on_sandbox(frame);
      break;
    case FRAME_PROBE:
      probe(frame->id);
      return;
    case FRAME_STATS:
      result = frame_empty(frame->body);
      if (!failed(result)) stats_send(frame->id);
      break;
    default:
      result = fail(ERR_MESSAGE, EBADMSG, "frame type", NULL);
      S.stopping = true;
  }
  if (failed(result)) client_error(frame->id, result);
}

static void on_client(uint32_t what) {
  if (what & EPOLLOUT) client_flush();
  if (!(what & (EPOLLIN | EPOLLHUP | EPOLLERR)) || !client_read()) return;
  size_t done = 0;
  while (!S.stopping) {
    struct frame frame;
    size_t taken;
    enum frame_status status = frame_parse((struct span){S.in + done, S.in_length - done}, &frame, &taken);
    if (status == FRAME_PARTIAL) break;
    if (status == FRAME_BROKEN) {
      client_error(0, fail(ERR_MESSAGE, EBADMSG, "frame", NULL));
      S.stopping = true;
      break;
    }
    on_frame(&frame);
    done += taken;
  }
  memmove(S.in, S.in + done, S.in_length - done);
  S.in_length -= done;
}

static void on_oom(struct cell *cell) {
  uint64_t count;
  if (read(cell->oom.fd, &count, sizeof count) != (ssize_t)sizeof count) return;
  if (cell->sandbox) sandbox_kill(cell->sandbox, CAUSE_MEMORY);
}

static void dispatch(struct watch *watch, uint32_t what) {
  switch (watch->kind) {
    case WATCH_CLIENT:
      on_client(what);
      return;
    case WATCH_SIGNALS:
      S.stopping = true;
      return;
    case WATCH_NURSERY:
      nursery_answer(watch->owner);
      return;
    case WATCH_CONTROL:
      sandbox_control_event(watch->owner);
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

static bool is_known_child(int pid) {
  if (pid == S.mother_pid || pid == prober.pid || pid == S.common.pid) return true;
  for (unsigned i = 0; i < S.cell_count; i++)
    if (S.cells[i]->own.pid == pid) return true;
  for (const struct sandbox *sandbox = S.sandboxes; sandbox; sandbox = sandbox->all_next)
    if (sandbox->pid == pid) return true;
  return false;
}

/* What a nursery had made when it was killed, and had not told of: it has ended by itself, and nobody else waits for it. */
static void orphans_reap(void) {
  S.orphans_at_ns = S.now_ns + 20000000u;
  for (const struct sandbox *sandbox = S.sandboxes; sandbox; sandbox = sandbox->all_next)
    if (sandbox->asked) return; /* it may be the one that is looked at */
  char path[64], text[16384];
  snprintf(path, sizeof path, "%d/task/%d/children", (int)getpid(), (int)getpid());
  int fd = openat(S.host.proc, path, O_RDONLY | O_CLOEXEC);
  ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  text[length < 0 ? 0 : length] = 0;
  bool left = false;
  char *end;
  for (char *at = text; *at; at = end) {
    int pid = (int)strtol(at, &end, 10);
    if (end == at || *end == 0) break;
    if (!is_known_child(pid) && waitpid(pid, NULL, WNOHANG | __WALL) == 0) left = true;
  }
  if (!left) S.orphans_at_ns = 0;
}

static void loop(void) {
  while (!S.client_gone && !S.stopping) {
    S.now_ns = clock_ns();
    uint64_t next = execs_tick();
    if (S.refill_at_ns && S.now_ns >= S.refill_at_ns) kinds_refill();
    if (S.refill_at_ns && (next == 0 || S.refill_at_ns < next)) next = S.refill_at_ns;
    if (S.orphans_at_ns && S.now_ns >= S.orphans_at_ns) orphans_reap();
    if (S.orphans_at_ns && (next == 0 || S.orphans_at_ns < next)) next = S.orphans_at_ns;
    struct timespec wait = {0};
    if (next > S.now_ns) {
      wait.tv_sec = (time_t)((next - S.now_ns) / 1000000000u);
      wait.tv_nsec = (long)((next - S.now_ns) % 1000000000u);
    }
    event_count = (int)syscall(SYS_epoll_pwait2, S.epoll, events, sizeof events / sizeof *events, next ? &wait : NULL, NULL, 0);
    S.now_ns = clock_ns();
    for (int i = 0; i < event_count; i++) {
      struct watch *watch = events[i].data.ptr;
      if (watch) dispatch(watch, events[i].events);
    }
    event_count = 0;
  }
}

static void take_everything_down(void) {
  S.client_gone = true;
  for (struct sandbox *sandbox = S.sandboxes; sandbox; sandbox = sandbox->all_next) sandbox_kill(sandbox, CAUSE_KILLED);
  /* Nothing is left only when the kernel has said so for each. */
  for (uint64_t end = clock_ns() + 10000000000u; S.sandboxes && clock_ns() < end;) {
    /* An exec may have ended, and wait for its last audit records. */
    S.now_ns = clock_ns();
    execs_tick();
    event_count = epoll_wait(S.epoll, events, sizeof events / sizeof *events, 100);
    for (int i = 0; i < event_count; i++) {
      struct watch *watch = events[i].data.ptr;
      if (watch && watch->kind != WATCH_CLIENT && watch->kind != WATCH_SIGNALS) dispatch(watch, events[i].events);
    }
    event_count = 0;
  }
  cells_close();
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
  if (prober.ask >= 0) close(prober.ask);
  take_everything_down();
  return OK;
}

struct err serve_host_view(int fd) {
  S.host_view = true;
  return serve(fd);
}
