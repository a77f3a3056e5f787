/* One command in a sandbox: its job sent, its limits watched, and what ends it. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "child.h"
#include "state.h"

static struct job job;
static struct job_report told;

struct exec *exec_find(uint32_t id) {
  struct exec *exec = S.active;
  while (exec && exec->id != id) exec = exec->active_next;
  return exec;
}

static void unlink_from_sandbox(struct exec *exec) {
  for (struct exec **link = &exec->sandbox->execs; *link; link = &(*link)->next)
    if (*link == exec) {
      *link = exec->next;
      break;
    }
}

static void exec_free(struct exec *exec) {
  *exec->active_link = exec->active_next;
  if (exec->active_next) exec->active_next->active_link = exec->active_link;
  exec_streams_close(exec);
  exec_notify_close(exec);
  watch_close(&exec->job_socket);
  exec_audit_end(exec);
  free(exec->job);
  free(exec);
}

void exec_fail(struct exec *exec, struct err error) {
  struct sandbox *sandbox = exec->sandbox;
  /* What was ended before it could start was ended all the same: that is no failure of ours. */
  if (exec->cause) {
    exec->ended_ns = clock_ns();
    exec->report.status = SIGKILL;
    exec_send_result(exec);
  } else {
    client_error(exec->id, error);
  }
  unlink_from_sandbox(exec);
  exec_free(exec);
  if (sandbox->reaped || sandbox->keep) sandbox_settle(sandbox);
  else if (sandbox->state == SANDBOX_BUSY && sandbox->control.fd >= 0) sandbox_dismiss(sandbox);
}

/* `job` holds what was parsed from `bytes`. */
static struct err exec_start(struct exec *exec, struct span bytes) {
  struct sandbox *sandbox = exec->sandbox;
  exec->number = sandbox->seat.number;
  exec_audit_begin(exec);
  exec->pty = job.pty;
  exec->streaming = job.pty || job.stdout_mode == STDIO_STREAM || job.stderr_mode == STDIO_STREAM || job.stdin_mode == STDIO_STREAM;
  if (!sandbox->keep) TRY(sandbox_limit(sandbox, &job));
  struct job_mounts mounts;
  TRY(sandbox_clone_mounts(sandbox, &job, &mounts));
  int guest_input;
  struct err result = exec_input_open(exec, &job, &guest_input);
  if (failed(result)) {
    launch_close_mounts(&mounts);
    return result;
  }
  result = launch_send_job(sandbox->seat.watch.fd, sandbox->keep ? JOB_EXEC_AMONG_OTHERS : JOB_EXEC, false, bytes, &mounts, guest_input);
  if (guest_input >= 0) close(guest_input);
  if (failed(result)) return result;

  /* The seat is taken: its socket is now this exec's. The listener that comes first is no reason to wake: it is read with
     the end-of-file, and until then there is no guest. But an observer sees the job's own execve. */
  if (sandbox->kind->plan.notified_count > 0 && sandbox->kind->plan.observed_count == 0 && !job.pty) sandbox->seat.watch.events = EPOLLRDHUP;
  watch_move(&sandbox->seat.watch, &exec->job_socket, WATCH_JOB, exec);
  sandbox->seat.ready = false;
  result = exec_output_open(exec, &job, sandbox->seat.output);
  sandbox->seat.output[0] = sandbox->seat.output[1] = -1;
  exec->next = sandbox->execs;
  sandbox->execs = exec;
  if (sandbox->keep) seat_next(sandbox);
  if (failed(result)) {
    if (sandbox->keep) exec_signal(exec, SIGKILL);
    return result;
  }
  if (exec->limits.cpu_ms && (sandbox->cell->grouped || S.host_view)) exec->cpu_check_ns = S.now_ns + 1000000;
  if (exec->signals_due) sandbox_send_signals(sandbox);
  return OK;
}

/* The process that waited for it ended, and the kernel says that it had not read its job: a message to it failed (EPIPE), or
   lay unread when its socket was closed (ECONNRESET, unix_release_sock). Nobody else has that socket, so nothing of the command
   has run. One that had read its job may have begun the command, and is never asked again. */
static bool try_again(struct exec *exec) {
  struct sandbox *sandbox = exec->sandbox;
  if (!sandbox->keep || !exec->job || exec->tried || sandbox->cause || sandbox->control.fd < 0) return false;
  exec->tried = true;
  unlink_from_sandbox(exec);
  watch_close(&exec->job_socket);
  watch_close(&exec->input);
  for (int i = 0; i < 2; i++) watch_close(&exec->out[i].watch);
  exec_audit_end(exec);
  exec->cpu_check_ns = 0;
  exec->next = sandbox->pending;
  if (!sandbox->pending) sandbox->pending_tail = &exec->next;
  sandbox->pending = exec;
  seat_want(sandbox);
  return true;
}

/* Where it could not be handed over. */
static bool try_start_again(struct exec *exec, struct err error) {
  if (error.errnum != EPIPE || !exec->sandbox->keep) return false;
  seat_lost(exec->sandbox);
  return try_again(exec);
}

struct err exec_begin(uint32_t id, struct sandbox *sandbox, struct span bytes) {
  struct exec *exec = calloc(1, sizeof *exec);
  if (!exec) return fail(ERR_RESOURCE, ENOMEM, "exec", NULL);
  exec->id = id;
  exec->sandbox = sandbox;
  exec->received_ns = S.now_ns;
  exec->out[0].watch.fd = exec->out[1].watch.fd = exec->input.fd = exec->job_socket.fd = exec->notify.fd = -1;
  exec->out[0].credit = exec->out[1].credit = STREAM_CREDIT;
  exec->active_next = S.active;
  exec->active_link = &S.active;
  if (S.active) S.active->active_link = &exec->active_next;
  S.active = exec;
  struct err result = job_parse(bytes, &job);
  if (!failed(result)) result = job_fits(&sandbox->kind->plan, &job);
  if (!failed(result) && job.argc == 0) result = fail(ERR_JOB, EINVAL, "no command", NULL);
  if (!failed(result) && (job.stdin_mode == STDIO_INHERIT || job.stdout_mode == STDIO_INHERIT || job.stderr_mode == STDIO_INHERIT))
    result = fail(ERR_JOB, EINVAL, "stdio can be inherited by run alone", NULL);
  if (!failed(result)) {
    exec->limits = limits_merge(&sandbox->kind->plan.limits, &job.limits);
    /* What waits for its turn does not wait for longer either. */
    if (exec->limits.wall_ms) exec->wall_deadline_ns = exec->received_ns + exec->limits.wall_ms * 1000000;
  }
  bool starts = !failed(result) && seat_is_free(sandbox);
  if (!failed(result) && (!starts || sandbox->keep)) {
    exec->job = malloc(bytes.length);
    exec->job_length = bytes.length;
    if (!exec->job) result = fail(ERR_RESOURCE, ENOMEM, "exec", NULL);
    else memcpy(exec->job, bytes.data, bytes.length);
  }
  if (!failed(result) && starts) {
    result = exec_start(exec, bytes);
    if (failed(result) && try_start_again(exec, result)) return OK;
  } else if (!failed(result)) {
    exec->next = NULL;
    *sandbox->pending_tail = exec;
    sandbox->pending_tail = &exec->next;
    seat_want(sandbox);
  }
  if (failed(result)) exec_fail(exec, result);
  return OK;
}

void exec_seated(struct sandbox *sandbox) {
  bool more = true;
  /* One that cannot start leaves its seat to the next one. */
  while (more && seat_is_free(sandbox)) {
    struct exec *exec = sandbox->pending;
    if (!exec) {
      if (sandbox->agent) agent_event(sandbox->agent);
      return;
    }
    sandbox->pending = exec->next;
    if (!sandbox->pending) sandbox->pending_tail = &sandbox->pending;
    exec->next = NULL;
    struct span bytes = {exec->job, exec->job_length};
    struct err result = job_parse(bytes, &job);
    if (!failed(result)) result = exec_start(exec, bytes);
    more = sandbox->keep && failed(result);
    if (failed(result) && !try_start_again(exec, result)) exec_fail(exec, result);
  }
}

/* 0 at its end, below 0 where nothing is there yet. */
static ssize_t look_at(int socket) {
  char byte;
  return recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
}

/* What a signal of its client has ended has ended, however far it had come. */
static bool may_be_unread(const struct exec *exec) { return exec->sandbox->keep && !exec->signalled; }

static void on_unread(struct exec *exec) {
  struct sandbox *sandbox = exec->sandbox;
  if (try_again(exec)) exec_seated(sandbox);
  else exec_fail(exec, fail(ERR_SYSTEM, ECHILD, "process ended before its command", NULL));
}

/* Without room for its descriptors it would run unheard. */
static bool lose(struct exec *exec) {
  if (exec->sandbox->keep && !exec->ended) exec_signal(exec, SIGKILL);
  exec_fail(exec, fail(ERR_RESOURCE, EMFILE, "take a command's descriptors", NULL));
  return false;
}

bool exec_job_event(struct exec *exec) {
  int fd = -1;
  size_t count;
  if (!channel_receive_all(exec->job_socket.fd, &told, sizeof told, &fd, 1, &count)) {
    if (errno == EBADMSG) return lose(exec);
    if (errno == ECONNRESET && may_be_unread(exec)) {
      on_unread(exec);
      return false;
    }
    /* End-of-file is execve's success: the descriptor was close-on-exec. Or the job died; then init says so. */
    watch_close(&exec->job_socket);
    exec->exec_seen = true;
    free(exec->job);
    exec->job = NULL;
    exec->started_ns = clock_ns();
    if (exec->streaming) {
      struct out body = {0};
      out_i32(&body, 1, exec->sandbox->pid);
      client_send(FRAME_STARTED, exec->id, body.data, body.length);
      out_free(&body);
    }
    exec_input_event(exec);
    return true;
  }
  if (told.event == JOB_PTY && count == 1) {
    return exec_terminal_open(exec, fd) || lose(exec);
  }
  if (told.event == JOB_LISTENER && count == 1) {
    if (!watch_add(&exec->notify, WATCH_NOTIFY, fd, EPOLLIN, exec)) close(fd); /* its calls end in ENOSYS then */
    return look_at(exec->job_socket.fd) == 0 ? exec_job_event(exec) : true;
  }
  if (count) close(fd);
  if (told.event != JOB_FAILED) return true;
  exec_fail(exec, launch_error_of(&told));
  return false;
}

void exec_finish(struct exec *exec) {
  if (!exec_output_drain(exec)) return; /* until the client has made room */
  if (!exec_audit_settled(exec)) return;
  struct sandbox *sandbox = exec->sandbox;
  exec_send_result(exec);
  unlink_from_sandbox(exec);
  exec_free(exec);
  if (sandbox->reaped) sandbox_settle(sandbox);
  else if (!sandbox->keep) sandbox_dismiss(sandbox);
}

void exec_ended(struct exec *exec, const struct slot_report *report) {
  if (exec->ended) return;
  if (exec->job_socket.fd >= 0 && may_be_unread(exec) && look_at(exec->job_socket.fd) < 0 && errno == ECONNRESET) {
    on_unread(exec);
    return;
  }
  exec->ended = true;
  exec->ended_ns = clock_ns();
  exec->wall_deadline_ns = exec->cpu_check_ns = 0;
  exec_account(exec, report);
  watch_close(&exec->input);
  /* Its last word may be why it could not start. */
  while (exec->job_socket.fd >= 0 && look_at(exec->job_socket.fd) >= 0)
    if (!exec_job_event(exec)) return;
  exec_finish(exec);
}

/* Each once, however often it was asked for, as pending signals are (signal(7)). They take a quarter of the socket's room at
   most (unix_writable): what else is sent to init is bounded, so an init that stands still holds nobody up. */
void sandbox_send_signals(struct sandbox *sandbox) {
  if (sandbox->control.fd < 0) return;
  for (struct exec *exec = sandbox->execs; exec; exec = exec->next)
    for (int number = 1; exec->signals_due && number <= 64; number++) {
      uint64_t bit = (uint64_t)1 << (number - 1);
      if (!(exec->signals_due & bit)) continue;
      struct pollfd room = {.fd = sandbox->control.fd, .events = POLLOUT};
      if (poll(&room, 1, 0) <= 0 || !(room.revents & POLLOUT)) {
        watch_change(&sandbox->control, EPOLLIN | EPOLLOUT);
        return;
      }
      exec->signals_due &= ~bit;
      struct slot_request request = {.command = SLOT_SIGNAL, .job = exec->number, .signal = number};
      channel_send(sandbox->control.fd, &request, sizeof request, NULL, 0);
    }
  watch_change(&sandbox->control, EPOLLIN);
}

void exec_signal(struct exec *exec, int number) {
  if (number < 1 || number > 64) return;
  exec->signalled = true;
  exec->signals_due |= (uint64_t)1 << (number - 1);
  sandbox_send_signals(exec->sandbox);
}

/* True: it waited for a seat, and waits no more. */
static bool leave_queue(struct exec *exec) {
  for (struct exec **link = &exec->sandbox->pending; *link; link = &(*link)->next)
    if (*link == exec) {
      *link = exec->next;
      if (exec->sandbox->pending_tail == &exec->next) exec->sandbox->pending_tail = link;
      return true;
    }
  return false;
}

void exec_mark(struct exec *exec, enum cause cause) {
  if (!exec->cause) exec->cause = cause;
  /* Its result waits for its reader no more; told later, since whoever marks it may be going through a list of them. */
  if (exec->ended && !exec->settle_at_ns) exec->settle_at_ns = S.now_ns;
}

bool exec_kill(struct exec *exec, enum cause cause) {
  exec_mark(exec, cause);
  if (exec->sandbox->keep && leave_queue(exec)) {
    exec_fail(exec, OK);
    return false;
  }
  if (exec->sandbox->keep) exec_signal(exec, SIGKILL);
  else sandbox_kill(exec->sandbox, cause);
  return true;
}

static uint64_t sooner(uint64_t a, uint64_t b) { return a == 0 || (b != 0 && b < a) ? b : a; }

/* Ends what is past its limits. Returns when to look again, 0 for never. */
uint64_t execs_tick(void) {
  uint64_t next = 0;
  for (struct exec *exec = S.active, *after; exec; exec = after) {
    after = exec->active_next;
    if (exec->wall_deadline_ns && S.now_ns >= exec->wall_deadline_ns) {
      exec->wall_deadline_ns = 0;
      exec->limits_hit |= LIMIT_WALL;
      if (!exec_kill(exec, CAUSE_WALL)) continue;
    }
    if (exec->cpu_check_ns && S.now_ns >= exec->cpu_check_ns) {
      const struct sandbox *sandbox = exec->sandbox;
      uint64_t limit = exec->limits.cpu_ms * 1000, used = sandbox->cell->grouped ? cgroup_cell_cpu_us(&sandbox->cell->cgroup)
                                                                                  : child_cpu_us(S.host.proc, sandbox->pid);
      if (used >= limit) {
        exec->cpu_check_ns = 0;
        exec->limits_hit |= LIMIT_CPU;
        if (!exec_kill(exec, CAUSE_CPU)) continue;
      } else {
        /* No sooner than if every core were burning for it. */
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        uint64_t wait = (limit - used) * 1000 / (uint64_t)(cores > 0 ? cores : 1);
        exec->cpu_check_ns = S.now_ns + (wait < 1000000 ? 1000000 : wait);
      }
    }
    if (exec->notify_again_ns && S.now_ns >= exec->notify_again_ns) exec_notify_resume(exec);
    next = sooner(next, sooner(exec->wall_deadline_ns, sooner(exec->cpu_check_ns, exec->notify_again_ns)));
    if (exec->settle_at_ns && S.now_ns >= exec->settle_at_ns) exec_finish(exec);
    else next = sooner(next, exec->settle_at_ns);
  }
  return sooner(next, audit_tick());
}
