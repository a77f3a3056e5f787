/* What goes into an exec and comes out of it: its input, its two outputs, or the terminal that is all of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "state.h"

#define STREAM_CREDIT (256 * 1024)
#define CAPTURE_DEFAULT (1024 * 1024)
#define BACKLOG_MAX (4u * 1024 * 1024)

static uint8_t chunk[64 * 1024];

struct err exec_input_open(struct exec *exec, const struct job *job, int *guest_end) {
  *guest_end = -1;
  if (job->stdin_mode == STDIO_NULL || job->pty) return OK;
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
  if (job->stdin_mode == STDIN_INLINE) {
    exec_input(exec, job->input);
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
  if (capture->limit > RESULT_OUTPUT_MAX) capture->limit = RESULT_OUTPUT_MAX;
  capture->credit = STREAM_CREDIT;
  if (mode != STDIO_NULL && watch_add(&capture->watch, which == 0 ? WATCH_STDOUT : WATCH_STDERR, fd, EPOLLIN, exec)) return true;
  close(fd);
  return mode == STDIO_NULL;
}

struct err exec_output_open(struct exec *exec, const struct job *job, const int reading[2]) {
  if (job->pty) {
    close(reading[0]);
    close(reading[1]);
    exec->out[0].mode = STDIO_STREAM;
    exec->out[0].credit = STREAM_CREDIT;
    return OK;
  }
  bool first = open_output(exec, 0, reading[0], job->stdout_mode), second = open_output(exec, 1, reading[1], job->stderr_mode);
  return first && second ? OK : fail(ERR_RESOURCE, errno, "watch output", NULL);
}

void exec_window(struct exec *exec, const struct winsize_request *size) {
  struct winsize window = {.ws_row = (unsigned short)size->rows, .ws_col = (unsigned short)size->columns};
  exec->window = *size;
  if (exec->pty && exec->out[0].watch.fd >= 0) ioctl(exec->out[0].watch.fd, TIOCSWINSZ, &window);
}

bool exec_terminal_open(struct exec *exec, int master) {
  fcntl(master, F_SETFL, O_NONBLOCK);
  int writing = fcntl(master, F_DUPFD_CLOEXEC, 3);
  exec->input = (struct watch){.kind = WATCH_STDIN, .fd = writing, .owner = exec};
  if (writing < 0 || !watch_add(&exec->out[0].watch, WATCH_STDOUT, master, EPOLLIN, exec)) {
    close(master);
    return false;
  }
  if (exec->window.rows) exec_window(exec, &exec->window);
  if (exec->input_length > exec->input_done) exec_input_event(exec);
  return true;
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
    if (capture->mode == STDIO_STREAM && !S.client_gone) {
      bool no_room = client_backlog() > BACKLOG_MAX;
      if (capture->credit <= 0 || no_room) {
        S.held_back = S.held_back || no_room;
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

bool exec_output_drain(struct exec *exec) {
  bool enough = exec->sandbox->keep || exec->pty;
  bool first = drain(exec, 0, enough), second = drain(exec, 1, enough);
  return first && second;
}

void exec_output_event(struct exec *exec, int which) {
  drain(exec, which, false);
  if (exec->ended) exec_finish(exec);
}

void exec_credit(struct exec *exec, const struct credit *credit) {
  struct capture *capture = &exec->out[credit->stream - 1];
  capture->credit += credit->bytes;
  if (capture->watch.fd >= 0 && capture->credit > 0) watch_change(&capture->watch, EPOLLIN);
  if (exec->ended) exec_finish(exec);
}

void execs_resume(void) {
  if (!S.client_gone && (!S.held_back || client_backlog() > BACKLOG_MAX / 2)) return;
  S.held_back = false;
  for (struct exec *exec = S.active; exec; exec = exec->active_next)
    for (int i = 0; i < 2; i++)
      if (exec->out[i].watch.fd >= 0 && (exec->out[i].credit > 0 || S.client_gone)) watch_change(&exec->out[i].watch, EPOLLIN);
}

void exec_streams_close(struct exec *exec) {
  for (int i = 0; i < 2; i++) {
    watch_close(&exec->out[i].watch);
    free(exec->out[i].bytes);
  }
  watch_close(&exec->input);
  free(exec->input_bytes);
}
