/* The life of one sandbox: announced by its first seat, given jobs, ended, reaped. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "channel.h"
#include "state.h"
#include "sys.h"

static struct job_report told;

static void seat_ready(struct sandbox *sandbox);

/* Ends init and all that is in there with it. Without a pid namespace that is init's own last work, when its control socket
   ends; a guest may have stopped it. */
static void end_init(struct sandbox *sandbox) {
  if (S.host_view) watch_close(&sandbox->control);
  if (sandbox->pidfd.fd >= 0) sys_pidfd_kill(sandbox->pidfd.fd, S.host_view ? SIGCONT : SIGKILL);
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

void sandbox_born(struct sandbox *sandbox, pid_t pid, int pidfd) {
  sandbox->pid = pid;
  watch_add(&sandbox->pidfd, WATCH_PIDFD, pidfd, EPOLLIN, sandbox);
  sandbox_keep_net(sandbox);
  if (sandbox->cause || sandbox->state == SANDBOX_ENDING || sandbox->seat.watch.fd < 0) end_init(sandbox);
  else if (sandbox->made) seat_ready(sandbox);
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
  sandbox_drop_network(sandbox);
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
  /* Whoever is told must not dismiss it: it is ended below. */
  if (sandbox->state == SANDBOX_BUSY) sandbox->state = SANDBOX_ENDING;
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
  if (sandbox->cause || sandbox->state == SANDBOX_ENDING) return;
  sandbox->seat.ready = true;
  if (sandbox->state == SANDBOX_MAKING && sandbox->kind->forgotten) {
    sandbox->kind->making--;
    sandbox_dismiss(sandbox);
    return;
  }
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

void sandbox_seat_event(struct sandbox *sandbox) {
  int fds[NETWORK_PARTS];
  size_t count;
  if (!channel_receive_all_from(sandbox->seat.watch.fd, &told, sizeof told, fds, NETWORK_PARTS, &count, &sandbox->seat.pid)) {
    bool lost = errno == EBADMSG;
    if (sandbox->opened) {
      seat_lost(sandbox);
      return;
    }
    watch_close(&sandbox->seat.watch);
    if (lost) sandbox_failed(sandbox, fail(ERR_RESOURCE, EMFILE, "take a sandbox's descriptors", NULL));
    else if (sandbox->made) sandbox_failed(sandbox, fail(ERR_SYSTEM, ECHILD, "sandbox ended before its job", NULL));
    else if (sandbox->pidfd.fd >= 0) end_init(sandbox); /* sandbox_reap says what then */
    return;
  }
  size_t first = sandbox->kind->plan.network.kind == NETWORK_PACKETS ? NETWORK_FILTER : 0;
  if (told.event == JOB_NETWORK && count == NETWORK_PARTS - first && sandbox->kind->plan.network.kind && sandbox->network[NETWORK_FILTER] < 0) {
    memcpy(sandbox->network + first, fds, count * sizeof *fds);
    sandbox_network_made(sandbox);
    return;
  }
  if (told.event == JOB_READY && count == 2) {
    sandbox->made = true;
    sandbox->seat.tries = 0;
    sandbox_keep_net(sandbox);
    sandbox_give_network(sandbox);
    sandbox->seat.output[0] = fds[0];
    sandbox->seat.output[1] = fds[1];
    /* The nursery's answer was sent before this, and may be read after it: until then nobody could end what would run. */
    if (sandbox->pid) seat_ready(sandbox);
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
  if (sandbox->opened) {
    seat_lost(sandbox);
    return;
  }
  watch_close(&sandbox->seat.watch);
  sandbox_failed(sandbox, launch_error_of(&told));
}

void sandbox_control_event(struct sandbox *sandbox, uint32_t what) {
  if (what & EPOLLOUT) sandbox_send_signals(sandbox);
  if (!(what & ~(uint32_t)EPOLLOUT)) return;
  struct slot_report report = {0};
  int fd = -1;
  size_t fd_count;
  ssize_t got = channel_receive(sandbox->control.fd, &report, sizeof report, &fd, 1, &fd_count);
  if (got < 0 && errno == EBADMSG && report.event == SLOT_DIALED) {
    report.status = EMFILE;
    dial_answer(sandbox, &report, -1);
    return;
  }
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
      seat_want(sandbox); /* there is room for one now */
      exec_ended(exec, &report);
      return;
    }
}

void sandbox_kill(struct sandbox *sandbox, enum cause cause) {
  if (!sandbox->cause) sandbox->cause = cause;
  for (struct exec *exec = sandbox->execs; exec; exec = exec->next) exec_mark(exec, cause);
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
  int waited = sys_waitid(SYS_P_PIDFD, sandbox->pidfd.fd, &info, WEXITED | WNOHANG, &usage);
  if (waited < 0 ? errno != ECHILD : info.si_pid == 0) return;
  struct slot_report report = {
      .event = SLOT_ENDED, .status = SIGKILL, .left = 0,
      .user_us = (uint64_t)usage.ru_utime.tv_sec * 1000000 + (uint64_t)usage.ru_utime.tv_usec,
      .system_us = (uint64_t)usage.ru_stime.tv_sec * 1000000 + (uint64_t)usage.ru_stime.tv_usec,
      .max_rss_bytes = (uint64_t)usage.ru_maxrss * 1024,
  };
  /* What ended before it was killed is told as it ended. */
  char byte;
  while (sandbox->control.fd >= 0 && recv(sandbox->control.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
    sandbox_control_event(sandbox, EPOLLIN);
  watch_close(&sandbox->control);
  /* Only now: what stands still dies without a thaw (v2 freezer), and runs no further before it does. */
  if (sandbox->cell->cgroup.frozen) cgroup_cell_freeze(&sandbox->cell->cgroup, false);
  /* A guest that sees the host may have ended its supervisor, whose work the group does then. */
  if (S.host_view && sandbox->cell->grouped && info.si_code != CLD_EXITED)
    cgroup_cell_kill(&sandbox->cell->cgroup);
  /* Its last words, if it ended before its job, say why. */
  struct err why = last_words(sandbox);
  if (!failed(why) && sandbox_may_be_anew(sandbox)) {
    why = sandbox_make_anew(sandbox);
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
