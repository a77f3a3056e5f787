/* One command in a sandbox: its job sent, its streams carried, its limits watched, its result reported. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "channel.h"
#include "child.h"
#include "state.h"
#include "sys.h"

#define STREAM_CREDIT (256 * 1024)
#define CAPTURE_DEFAULT (1024 * 1024)
#define BACKLOG_MAX (4u * 1024 * 1024)
/* So many notified calls of one exec are answered at once, and then none for this long, times the execs that wait so: a flood
   of them, from however many sandboxes, takes a tenth of our time. */
#define NOTIFY_BURST 32
#define NOTIFY_PAUSE_NS 2000000u

static struct job job;
static struct job_report told;
static uint8_t chunk[64 * 1024];

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
  for (int i = 0; i < 2; i++) {
    watch_close(&exec->out[i].watch);
    free(exec->out[i].bytes);
  }
  watch_close(&exec->input);
  watch_close(&exec->job_socket);
  watch_close(&exec->notify);
  if (exec->notify_again_ns) S.paused--;
  free(exec->refused);
  free(exec->input_bytes);
  free(exec->job);
  free(exec);
}

static void done_with_sandbox(struct sandbox *sandbox) {
  if (sandbox->reaped) sandbox_settle(sandbox);
  else if (!sandbox->keep) sandbox_dismiss(sandbox);
}

static void send_result(struct exec *exec) {
  static struct out body;
  struct sandbox *sandbox = exec->sandbox;
  const struct slot_report *report = &exec->report;
  uint64_t now = clock_ns();
  body.length = 0;
  out_i32(&body, 1, report->status);
  out_u32(&body, 2, exec->cause);
  out_u32(&body, 3, exec->limits_hit);
  usage_fields(&body, &exec->usage, report);
  if (!exec->started_ns || exec->started_ns > exec->ended_ns) exec->started_ns = exec->ended_ns;
  out_u64(&body, 9, exec->started_ns - exec->received_ns);
  out_u64(&body, 10, exec->ended_ns - exec->started_ns);
  out_u64(&body, 11, now - exec->ended_ns);
  for (uint16_t i = 0; i < 2; i++) {
    struct capture *capture = &exec->out[i];
    if (capture->mode == STDIO_CAPTURE) {
      capture_finish(capture);
      out_bytes(&body, (uint16_t)(12 + i), capture->bytes, capture->length);
      if (capture->head) out_u64(&body, (uint16_t)(16 + i), capture->head);
    }
    out_u64(&body, (uint16_t)(14 + i), capture->total);
  }
  out_u32(&body, 18, sandbox->from_slot);
  out_u32(&body, 20, report->left);
  traffic_fields(&body, sandbox);
  if (exec->refused) notify_fields(&body, exec->refused);
  if (body.failed) {
    S.client_gone = true;
    return;
  }
  client_send(FRAME_RESULT, exec->id, body.data, body.length);
}

void exec_fail(struct exec *exec, struct err error) {
  struct sandbox *sandbox = exec->sandbox;
  /* What was ended before it could start was ended all the same: that is no failure of ours. */
  if (exec->cause) {
    exec->ended_ns = clock_ns();
    exec->report.status = SIGKILL;
    send_result(exec);
  } else {
    client_error(exec->id, error);
  }
  unlink_from_sandbox(exec);
  exec_free(exec);
  if (sandbox->reaped || sandbox->keep) sandbox_settle(sandbox);
  else if (sandbox->state == SANDBOX_BUSY && sandbox->control.fd >= 0) sandbox_dismiss(sandbox);
}

static struct err open_input(struct exec *exec, int *guest_end) {
  *guest_end = -1;
  if (job.stdin_mode == STDIO_NULL || job.pty) return OK;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return fail(ERR_RESOURCE, errno, "pipe", NULL);
  /* /dev/stdin opens the pipe anew, which its owner may. */
  if (S.host.privileged)
    (void)!fchown(ends[0], launch_guest_uid(&S.host, exec->sandbox->cell->number),
                  launch_guest_gid(&S.host, exec->sandbox->cell->number));
  *guest_end = ends[0];
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  exec->input.fd = ends[1];
  exec->input.owner = exec;
  exec->input.kind = WATCH_STDIN;
  exec->input.events = 0;
  if (job.stdin_mode == STDIN_INLINE) {
    exec_input(exec, job.input);
    exec->input_ends = true;
  }
  /* What came before there was a pipe. */
  exec_input_event(exec);
  return OK;
}

static bool open_output(struct exec *exec, int which, int fd, enum stdio_mode mode) {
  struct capture *capture = &exec->out[which];
  capture->mode = mode;
  capture->limit = exec->limits.output_bytes ? (size_t)exec->limits.output_bytes : CAPTURE_DEFAULT;
  capture->credit = STREAM_CREDIT;
  if (mode == STDIO_NULL) {
    close(fd);
    return true;
  }
  return watch_add(&capture->watch, which == 0 ? WATCH_STDOUT : WATCH_STDERR, fd, EPOLLIN, exec);
}

/* `job` holds what was parsed from `bytes`. */
static struct err exec_start(struct exec *exec, struct span bytes) {
  struct sandbox *sandbox = exec->sandbox;
  struct cell *cell = sandbox->cell;
  exec->limits = limits_merge(&sandbox->kind->plan.limits, &job.limits);
  exec->number = sandbox->seat.number;
  exec->pty = job.pty;
  exec->streaming = job.pty || job.stdout_mode == STDIO_STREAM || job.stderr_mode == STDIO_STREAM || job.stdin_mode == STDIO_STREAM;
  if (cell->grouped && !sandbox->keep) {
    struct cgroup_plan merged = cgroup_merge(&sandbox->kind->plan.cgroup, &job.cgroup);
    TRY(cgroup_cell_apply(&S.tree, &cell->cgroup, &merged, S.tree.v2_limits ? 1 : 2));
  }
  struct job_mounts mounts;
  TRY(launch_clone_mounts(&S.host, &job, launch_guest_uid(&S.host, cell->number), launch_guest_gid(&S.host, cell->number),
                          &mounts));
  int guest_input;
  struct err result = open_input(exec, &guest_input);
  if (failed(result)) {
    launch_close_mounts(&mounts);
    return result;
  }
  result = launch_send_job(sandbox->seat.watch.fd, sandbox->keep ? JOB_EXEC_AMONG_OTHERS : JOB_EXEC, false, bytes, &mounts, guest_input);
  if (guest_input >= 0) close(guest_input);
  if (failed(result)) return result;

  /* The seat is taken: its socket is now this exec's. The listener that comes first is no reason to wake: it is read with
     the end-of-file, and until then there is no guest. */
  if (sandbox->kind->plan.notified_count > 0 && !job.pty) sandbox->seat.watch.events = EPOLLRDHUP;
  watch_move(&sandbox->seat.watch, &exec->job_socket, WATCH_JOB, exec);
  sandbox->seat.ready = false;
  int output[2] = {sandbox->seat.output[0], sandbox->seat.output[1]};
  sandbox->seat.output[0] = sandbox->seat.output[1] = -1;
  if (job.pty) {
    close(output[0]);
    close(output[1]);
    exec->out[0].mode = STDIO_STREAM;
    exec->out[0].credit = STREAM_CREDIT;
  } else if (!open_output(exec, 0, output[0], job.stdout_mode) || !open_output(exec, 1, output[1], job.stderr_mode)) {
    return fail(ERR_RESOURCE, errno, "watch output", NULL);
  }
  exec->next = sandbox->execs;
  sandbox->execs = exec;
  if (exec->limits.wall_ms) exec->wall_deadline_ns = exec->received_ns + exec->limits.wall_ms * 1000000;
  if (exec->limits.cpu_ms && (cell->grouped || S.host_view)) exec->cpu_check_ns = S.now_ns + 1000000;
  if (sandbox->keep) sandbox_next_seat(sandbox);
  return OK;
}

struct err exec_begin(uint32_t id, struct sandbox *sandbox, struct span bytes) {
  struct exec *exec = calloc(1, sizeof *exec);
  if (!exec) return fail(ERR_RESOURCE, ENOMEM, "exec", NULL);
  exec->id = id;
  exec->sandbox = sandbox;
  exec->received_ns = S.now_ns;
  exec->out[0].watch.fd = exec->out[1].watch.fd = exec->input.fd = exec->job_socket.fd = exec->notify.fd = -1;
  exec->active_next = S.active;
  exec->active_link = &S.active;
  if (S.active) S.active->active_link = &exec->active_next;
  S.active = exec;
  struct err result = job_parse(bytes, &job);
  if (!failed(result)) result = job_fits(&sandbox->kind->plan, &job);
  if (!failed(result) && job.argc == 0) result = fail(ERR_JOB, EINVAL, "no command", NULL);
  if (!failed(result) && (job.stdin_mode == STDIO_INHERIT || job.stdout_mode == STDIO_INHERIT || job.stderr_mode == STDIO_INHERIT))
    result = fail(ERR_JOB, EINVAL, "stdio can be inherited by run alone", NULL);
  if (!failed(result) && sandbox->seat.ready && (!sandbox->keep || sandbox->opened)) {
    result = exec_start(exec, bytes);
  } else if (!failed(result)) {
    exec->job = malloc(bytes.length);
    exec->job_length = bytes.length;
    if (!exec->job) result = fail(ERR_RESOURCE, ENOMEM, "exec", NULL);
    else memcpy(exec->job, bytes.data, bytes.length);
    exec->next = NULL;
    *sandbox->pending_tail = exec;
    sandbox->pending_tail = &exec->next;
    return result;
  }
  if (failed(result)) {
    exec_fail(exec, result);
    return OK;
  }
  return OK;
}

void exec_seated(struct sandbox *sandbox) {
  if (!sandbox->seat.ready) return;
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
  if (failed(result)) exec_fail(exec, result);
}

static bool at_end(int socket) {
  char byte;
  return recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

bool exec_job_event(struct exec *exec) {
  int fd = -1;
  size_t count;
  if (!channel_receive_all(exec->job_socket.fd, &told, sizeof told, &fd, 1, &count)) {
    /* End-of-file is execve's success: the descriptor was close-on-exec. Or the job died; then init says so. */
    watch_close(&exec->job_socket);
    exec->exec_seen = true;
    exec->started_ns = clock_ns();
    if (exec->streaming) {
      struct out body = {0};
      out_i32(&body, 1, exec->sandbox->pid);
      client_send(FRAME_STARTED, exec->id, body.data, body.length);
      out_free(&body);
    }
    return true;
  }
  if (told.event == JOB_PTY && count == 1) {
    fcntl(fd, F_SETFL, O_NONBLOCK);
    int writing = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    exec->input = (struct watch){.kind = WATCH_STDIN, .fd = writing, .owner = exec};
    watch_add(&exec->out[0].watch, WATCH_STDOUT, fd, EPOLLIN, exec);
    if (exec->input_length > exec->input_done) exec_input_event(exec);
    return true;
  }
  if (told.event == JOB_LISTENER && count == 1) {
    if (!watch_add(&exec->notify, WATCH_NOTIFY, fd, EPOLLIN, exec)) close(fd); /* its calls end in ENOSYS then */
    return at_end(exec->job_socket.fd) ? exec_job_event(exec) : true;
  }
  if (count) close(fd);
  if (told.event != JOB_FAILED) return true;
  exec_fail(exec, launch_error_of(&told));
  return false;
}

/* Input: written at once where the pipe has room, kept where not; the client is told what was taken. */
void exec_input_event(struct exec *exec) {
  size_t before = exec->input_done;
  while (exec->input_done < exec->input_length && exec->input.fd >= 0) {
    ssize_t n = write(exec->input.fd, exec->input_bytes + exec->input_done, exec->input_length - exec->input_done);
    if (n > 0) {
      exec->input_done += (size_t)n;
    } else if (errno == EAGAIN) {
      if (exec->input.events == 0) watch_add(&exec->input, WATCH_STDIN, exec->input.fd, EPOLLOUT, exec);
      break;
    } else if (errno != EINTR) {
      /* Nobody reads any more: what comes is taken and dropped, as a shell's pipe would. */
      exec->input_done = exec->input_length;
      watch_close(&exec->input);
    }
  }
  if (exec->streaming && exec->input_done > before) {
    struct out body = {0};
    out_u32(&body, 1, (uint32_t)(exec->input_done - before));
    client_send(FRAME_STDIN_CREDIT, exec->id, body.data, body.length);
    out_free(&body);
  }
  if (exec->input_done < exec->input_length) return;
  exec->input_done = exec->input_length = 0;
  if (exec->input_ends) watch_close(&exec->input);
  else if (exec->input.fd >= 0 && exec->input.events) {
    epoll_ctl(S.epoll, EPOLL_CTL_DEL, exec->input.fd, NULL);
    exec->input.events = 0;
  }
}

void exec_input(struct exec *exec, struct span bytes) {
  if (bytes.length == 0) {
    exec->input_ends = true;
    if (exec->pty && exec->input.fd >= 0) (void)!write(exec->input.fd, "\004", 1); /* a terminal's end-of-file */
    else if (exec->input_done == exec->input_length) watch_close(&exec->input);
    return;
  }
  if (exec->input_length + bytes.length > exec->input_room) {
    size_t room = exec->input_length + bytes.length;
    uint8_t *grown = realloc(exec->input_bytes, room);
    if (!grown) {
      exec_kill(exec, CAUSE_KILLED);
      return;
    }
    exec->input_bytes = grown;
    exec->input_room = room;
  }
  memcpy(exec->input_bytes + exec->input_length, bytes.data, bytes.length);
  exec->input_length += bytes.length;
  if (exec->input.fd >= 0 || exec->exec_seen) exec_input_event(exec);
}

static void over_limit(struct exec *exec, struct capture *capture) {
  if (!exec->limits.output_bytes || capture->total <= exec->limits.output_bytes) return;
  if (capture->mode == STDIO_CAPTURE || exec->limits.kill_on_output) exec->limits_hit |= LIMIT_OUTPUT;
  if (exec->limits.kill_on_output && !exec->ended) exec_kill(exec, CAUSE_OUTPUT);
}

/* True when nothing more will come, or nothing more is there and `all_there_is` is enough. */
static bool drain(struct exec *exec, int which, bool all_there_is) {
  struct capture *capture = &exec->out[which];
  for (int rounds = 0; capture->watch.fd >= 0; rounds++) {
    size_t room = sizeof chunk;
    if (capture->mode == STDIO_STREAM) {
      if (capture->credit <= 0 || client_backlog() > BACKLOG_MAX) {
        watch_change(&capture->watch, 0);
        return false;
      }
      if ((int64_t)room > capture->credit) room = (size_t)capture->credit;
    }
    ssize_t got = read(capture->watch.fd, chunk, room);
    if (got > 0) {
      if (capture->mode == STDIO_STREAM) {
        capture->total += (uint64_t)got;
        capture->credit -= got;
        client_send(which == 0 ? FRAME_STDOUT : FRAME_STDERR, exec->id, chunk, (size_t)got);
      } else {
        capture_take(capture, chunk, (size_t)got);
      }
      over_limit(exec, capture);
      if (rounds == 16 && !exec->ended) return false; /* others have their turn */
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN && !all_there_is) return false;
    watch_close(&capture->watch);
  }
  return true;
}

void usage_fields(struct out *out, const struct cgroup_usage *group, const struct slot_report *report) {
  const struct cgroup_usage usage = *group;
  out_u64(out, 4, report->user_us);
  out_u64(out, 5, report->system_us);
  out_u64(out, 6, usage.memory_peak_valid ? usage.memory_peak : report->max_rss_bytes);
  out_u32(out, 7, usage.memory_peak_valid ? 1 : 2);
  if (!usage.io_valid) return;
  out_u64(out, 24, usage.read_bytes);
  out_u64(out, 25, usage.written_bytes);
}

static void try_to_finish(struct exec *exec) {
  bool enough = exec->sandbox->keep || exec->pty;
  bool first = drain(exec, 0, enough), second = drain(exec, 1, enough);
  if (!first || !second) return; /* until the client has made room */
  struct sandbox *sandbox = exec->sandbox;
  send_result(exec);
  unlink_from_sandbox(exec);
  exec_free(exec);
  done_with_sandbox(sandbox);
}

void exec_ended(struct exec *exec, const struct slot_report *report) {
  if (exec->ended) return;
  exec->ended = true;
  exec->ended_ns = clock_ns();
  exec->report = *report;
  exec->wall_deadline_ns = exec->cpu_check_ns = 0;
  struct cell *cell = exec->sandbox->cell;
  if (cell->grouped) {
    cgroup_cell_read(&cell->cgroup, &exec->usage);
    /* An init that is killed waits for nobody: what ran in it, its group alone has counted. */
    if (exec->cause && !exec->sandbox->keep && exec->usage.cpu_us > report->user_us + report->system_us)
      exec->report.user_us = exec->usage.cpu_us - report->system_us;
    if (exec->usage.out_of_memory) {
      exec->limits_hit |= LIMIT_MEMORY;
      if (exec->cause == CAUSE_SELF && WIFSIGNALED(report->status) && WTERMSIG(report->status) == SIGKILL) exec->cause = CAUSE_MEMORY;
    }
    if (exec->usage.processes_hit) exec->limits_hit |= LIMIT_PROCESSES;
  }
  if (exec->cause == CAUSE_MEMORY) exec->limits_hit |= LIMIT_MEMORY;
  if (WIFSIGNALED(report->status) && WTERMSIG(report->status) == SIGXFSZ) exec->limits_hit |= LIMIT_FILE;
  if (WIFSIGNALED(report->status) && WTERMSIG(report->status) == SIGXCPU) {
    exec->limits_hit |= LIMIT_CPU;
    if (exec->cause == CAUSE_SELF) exec->cause = CAUSE_CPU;
  }
  watch_close(&exec->input);
  if (exec->job_socket.fd >= 0) {
    /* Its last word may be why it could not start. */
    if (!exec_job_event(exec)) return;
  }
  try_to_finish(exec);
}

void exec_output_event(struct exec *exec, int which) {
  drain(exec, which, false);
  if (exec->ended) try_to_finish(exec);
}

static void notify_pause(struct exec *exec) {
  watch_change(&exec->notify, 0);
  if (!exec->notify_again_ns) S.paused++;
  exec->notify_again_ns = S.now_ns + NOTIFY_PAUSE_NS * S.paused;
}

static void notify_resume(struct exec *exec) {
  exec->notify_again_ns = 0;
  S.paused--;
  watch_change(&exec->notify, EPOLLIN);
}

void exec_notify_event(struct exec *exec) {
  if (!exec->refused) exec->refused = calloc(1, sizeof *exec->refused);
  for (int taken = 0; taken < NOTIFY_BURST && exec->notify.fd >= 0; taken++) {
    switch (notify_take(exec->notify.fd, &exec->sandbox->kind->plan, S.host.proc, exec->refused)) {
      case NOTIFY_IDLE:
        return;
      case NOTIFY_ANSWERED:
      case NOTIFY_RETRY:
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
  notify_pause(exec);
}

void exec_credit(struct exec *exec, const struct credit *credit) {
  struct capture *capture = &exec->out[credit->stream - 1];
  capture->credit += credit->bytes;
  if (capture->watch.fd >= 0 && capture->credit > 0) watch_change(&capture->watch, EPOLLIN);
  if (exec->ended) try_to_finish(exec);
}

void exec_window(struct exec *exec, const struct winsize_request *size) {
  struct winsize window = {.ws_row = (unsigned short)size->rows, .ws_col = (unsigned short)size->columns};
  if (exec->pty && exec->out[0].watch.fd >= 0) ioctl(exec->out[0].watch.fd, TIOCSWINSZ, &window);
}

void exec_kill(struct exec *exec, enum cause cause) {
  if (!exec->cause) exec->cause = cause;
  if (!exec->sandbox->keep) {
    sandbox_kill(exec->sandbox, cause);
    return;
  }
  struct slot_request request = {.command = SLOT_SIGNAL, .job = exec->number, .signal = SIGKILL};
  channel_send(exec->sandbox->control.fd, &request, sizeof request, NULL, 0);
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
      exec_kill(exec, CAUSE_WALL);
    }
    if (exec->cpu_check_ns && S.now_ns >= exec->cpu_check_ns) {
      const struct sandbox *sandbox = exec->sandbox;
      uint64_t limit = exec->limits.cpu_ms * 1000, used = sandbox->cell->grouped ? cgroup_cell_cpu_us(&sandbox->cell->cgroup)
                                                                                  : child_cpu_us(S.host.proc, sandbox->pid);
      if (used >= limit) {
        exec->cpu_check_ns = 0;
        exec->limits_hit |= LIMIT_CPU;
        exec_kill(exec, CAUSE_CPU);
      } else {
        /* No sooner than if every core were burning for it. */
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        uint64_t wait = (limit - used) * 1000 / (uint64_t)(cores > 0 ? cores : 1);
        exec->cpu_check_ns = S.now_ns + (wait < 1000000 ? 1000000 : wait);
      }
    }
    if (exec->notify_again_ns && S.now_ns >= exec->notify_again_ns) notify_resume(exec);
    next = sooner(next, sooner(exec->wall_deadline_ns, sooner(exec->cpu_check_ns, exec->notify_again_ns)));
  }
  return next;
}
