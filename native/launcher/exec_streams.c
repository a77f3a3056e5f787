/* What goes into an exec and comes out of it: its input, its two outputs, or the terminal that is all of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "state.h"

#define INPUT_AHEAD_MAX ((size_t)256 * 1024)
#define CAPTURE_DEFAULT (1024 * 1024)
#define CREDIT_MAX ((int64_t)1 << 62)
#define BACKLOG_MAX (4u * 1024 * 1024)

static uint8_t chunk[64 * 1024];

/* False: there is no memory for it. */
static bool take_input(struct exec *exec, struct span bytes) {
  size_t kept = exec->input_length - exec->input_done;
  if (bytes.length == 0) return true;
  /* A client that is always a little ahead never sees the last of it written. */
  if (exec->input_done > 0) memmove(exec->input_bytes, exec->input_bytes + exec->input_done, kept);
  exec->input_done = 0;
  exec->input_length = kept;
  if (kept + bytes.length > exec->input_room) {
    uint8_t *grown = realloc(exec->input_bytes, kept + bytes.length);
    if (!grown) return false;
    exec->input_bytes = grown;
    exec->input_room = kept + bytes.length;
  }
  memcpy(exec->input_bytes + kept, bytes.data, bytes.length);
  exec->input_length += bytes.length;
  return true;
}

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
    exec->input_done = exec->input_length = 0; /* the job's alone, whatever else was sent */
    if (!take_input(exec, job->input)) {
      close(ends[0]);
      return fail(ERR_RESOURCE, ENOMEM, "input", NULL);
    }
    exec->input_ends = true;
    exec_input_event(exec);
  }
  return OK; /* a stream goes in once the command runs: until then it may have to be given to another process */
}

static bool open_output(struct exec *exec, int which, int fd, enum stdio_mode mode) {
  struct capture *capture = &exec->out[which];
  capture->mode = mode;
  capture->limit = exec->limits.output_bytes ? (size_t)exec->limits.output_bytes : CAPTURE_DEFAULT;
  if (capture->limit > RESULT_OUTPUT_MAX) capture->limit = RESULT_OUTPUT_MAX;
  if (mode != STDIO_NULL && watch_add(&capture->watch, which == 0 ? WATCH_STDOUT : WATCH_STDERR, fd, EPOLLIN, exec)) return true;
  close(fd);
  return mode == STDIO_NULL;
}

struct err exec_output_open(struct exec *exec, const struct job *job, const int reading[2]) {
  if (job->pty) {
    close(reading[0]);
    close(reading[1]);
    exec->out[0].mode = STDIO_STREAM;
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
  return true;
}

/* False: there is no room for it; who reads makes some. */
static bool write_input(struct exec *exec, const void *bytes, size_t length, size_t *written) {
  ssize_t n;
  do n = write(exec->input.fd, bytes, length);
  while (n < 0 && errno == EINTR);
  *written = n > 0 ? (size_t)n : 0;
  if (n < 0 && errno == EAGAIN) {
    if (exec->input.events == 0) watch_add(&exec->input, WATCH_STDIN, exec->input.fd, EPOLLOUT, exec);
    return false;
  }
  if (n < 0) watch_close(&exec->input); /* nobody reads it any more */
  return true;
}

/* Input: written at once where the pipe has room, kept where not; the client is told what was taken. */
void exec_input_event(struct exec *exec) {
  size_t before = exec->input_done, written;
  while (exec->input_done < exec->input_length && exec->input.fd >= 0) {
    if (!write_input(exec, exec->input_bytes + exec->input_done, exec->input_length - exec->input_done, &written)) break;
    exec->input_done += written;
  }
  /* What comes then is taken and dropped. */
  if (exec->input.fd < 0 && exec->exec_seen) exec->input_done = exec->input_length;
  if (exec->streaming && exec->input_done > before) {
    struct out body = {0};
    out_u32(&body, 1, (uint32_t)(exec->input_done - before));
    client_send(FRAME_STDIN_CREDIT, exec->id, body.data, body.length);
    out_free(&body);
  }
  if (exec->input_done < exec->input_length) return;
  exec->input_done = exec->input_length = 0;
  /* A terminal's end-of-file is a character. */
  if (exec->input_ends && exec->pty && exec->input.fd >= 0 && !write_input(exec, "\004", 1, &written)) return;
  if (exec->input_ends) {
    watch_close(&exec->input);
  } else if (exec->input.fd >= 0 && exec->input.events) {
    epoll_ctl(S.epoll, EPOLL_CTL_DEL, exec->input.fd, NULL);
    exec->input.events = 0;
  }
}

void exec_input(struct exec *exec, struct span bytes) {
  if (exec->input_ends) return;
  exec->input_ends = bytes.length == 0;
  if (exec->input_length - exec->input_done + bytes.length > INPUT_AHEAD_MAX || !take_input(exec, bytes)) {
    exec_kill(exec, CAUSE_KILLED);
    return;
  }
  if (exec->exec_seen) exec_input_event(exec);
}

static void over_limit(struct exec *exec, struct capture *capture) {
  if (!exec->limits.output_bytes || capture->total <= exec->limits.output_bytes) return;
  if (capture->mode == STDIO_CAPTURE || exec->limits.kill_on_output) exec->limits_hit |= LIMIT_OUTPUT;
  if (exec->limits.kill_on_output && !exec->ended) exec_kill(exec, CAUSE_OUTPUT);
}

/* What is in an output when its exec ends is all that is its own: another process may hold the writing end, and write on. A
   terminal tells of less than it holds (n_tty(4) is fed later), and holds no more than that. */
static void set_bounds(struct exec *exec) {
  for (int i = 0; i < 2; i++) {
    int there = 0;
    if (exec->out[i].watch.fd < 0) continue;
    if (!exec->pty && ioctl(exec->out[i].watch.fd, FIONREAD, &there) < 0) there = 0;
    exec->out[i].left = exec->pty ? sizeof chunk : (size_t)there;
  }
  exec->bounded = true;
}

/* True when nothing more will come. */
static bool drain(struct exec *exec, int which) {
  struct capture *capture = &exec->out[which];
  /* What ended it has ended its reader's right to hold it up, too: it may have this much more unasked, and the rest goes. */
  bool at_once = exec->ended && exec->cause != CAUSE_SELF;
  int64_t least = at_once ? -(int64_t)STREAM_CREDIT : 0;
  for (int rounds = 0; capture->watch.fd >= 0; rounds++) {
    size_t room = sizeof chunk;
    bool drop = false;
    if (exec->bounded && room > capture->left) room = capture->left;
    if (capture->mode == STDIO_STREAM && !S.client_gone) {
      bool no_room = client_backlog() > BACKLOG_MAX;
      drop = capture->credit <= least || no_room;
      if (drop && !at_once && room > 0) {
        S.held_back = S.held_back || no_room;
        watch_change(&capture->watch, 0);
        return false;
      }
      if (!drop && (int64_t)room > capture->credit - least) room = (size_t)(capture->credit - least);
    }
    ssize_t got = room > 0 ? read(capture->watch.fd, chunk, room) : 0;
    if (got > 0) {
      if (exec->pty) watch_change(&capture->watch, EPOLLIN);
      if (exec->bounded) capture->left -= (size_t)got;
      if (capture->mode == STDIO_STREAM) {
        capture->total += (uint64_t)got;
        capture->credit -= got;
        if (!drop) client_send(which == 0 ? FRAME_STDOUT : FRAME_STDERR, exec->id, chunk, (size_t)got);
      } else {
        capture_take(capture, chunk, (size_t)got);
      }
      over_limit(exec, capture);
      if (rounds == 16 && !exec->ended) return false; /* others have their turn */
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN && !exec->bounded) return false;
    if (got < 0 && errno == EIO && exec->pty && !exec->bounded) {
      /* Nobody in there has the terminal open just now: it may be opened again, and to close our end would be a SIGHUP to a
         guest that is about to exit. Told of the next change alone, since the hang-up is told for as long as it lasts. */
      watch_change(&capture->watch, EPOLLIN | EPOLLET);
      return false;
    }
    watch_close(&capture->watch);
  }
  return true;
}

bool exec_output_drain(struct exec *exec) {
  if (!exec->bounded) set_bounds(exec);
  bool first = drain(exec, 0), second = drain(exec, 1);
  return first && second;
}

void exec_output_event(struct exec *exec, int which) {
  drain(exec, which);
  if (exec->ended) exec_finish(exec);
}

void exec_credit(struct exec *exec, const struct credit *credit) {
  struct capture *capture = &exec->out[credit->stream - 1];
  capture->credit += credit->bytes;
  if (capture->credit > CREDIT_MAX) capture->credit = CREDIT_MAX;
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
