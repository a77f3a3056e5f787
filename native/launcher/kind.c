/* Kinds: plans that the client announced, each with its template and the sandboxes kept ready for it. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "state.h"
#include "sys.h"

static struct job_report told;

/* The template is built by a child, whose mount namespace outlives it through the descriptor. */
static struct err make_template(struct kind *kind) {
  int report[2], gate[2];
  if (pipe2(report, O_CLOEXEC) < 0) return fail(ERR_RESOURCE, errno, "pipe", NULL);
  if (pipe2(gate, O_CLOEXEC) < 0) {
    close(report[0]);
    close(report[1]);
    return fail(ERR_RESOURCE, errno, "pipe", NULL);
  }
  struct sys_clone_args args = {.flags = CLONE_NEWNS, .exit_signal = SIGCHLD};
  pid_t pid = sys_clone3(&args);
  if (pid == 0) {
    close(gate[1]);
    struct err result = mount_template(&S.host, &kind->plan);
    struct job_report message = {.class = result.class, .errnum = result.errnum};
    if (result.step) snprintf(message.step, sizeof message.step, "%s", result.step);
    if (result.what) snprintf(message.what, sizeof message.what, "%s", result.what);
    char byte;
    if (write(report[1], &message, sizeof message) == (ssize_t)sizeof message) (void)!read(gate[0], &byte, 1);
    _exit(0);
  }
  int error = errno;
  close(report[1]);
  close(gate[0]);
  struct err result = pid < 0 ? fail(ERR_SYSTEM, error, "clone template", NULL) : OK;
  if (!failed(result)) {
    if (read(report[0], &told, sizeof told) != (ssize_t)sizeof told) result = fail(ERR_SYSTEM, ECHILD, "build template", NULL);
    else if (told.class) result = launch_error_of(&told);
  }
  if (!failed(result)) {
    char path[64];
    snprintf(path, sizeof path, "%d/ns/mnt", (int)pid);
    kind->template = openat(S.host.proc, path, O_RDONLY | O_CLOEXEC);
    if (kind->template < 0) result = fail(ERR_SYSTEM, errno, "keep template", NULL);
  }
  close(gate[1]);
  close(report[0]);
  if (pid > 0)
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
  return result;
}

static void kind_free(struct kind *kind) {
  if (kind->template >= 0) close(kind->template);
  if (kind->memory >= 0) close(kind->memory);
  while (kind->net_count > 0) close(kind->nets[--kind->net_count]);
  free(kind->bytes);
  free(kind);
}

struct err kind_add(uint32_t id, const struct plan_request *request) {
  struct kind *kind = calloc(1, sizeof *kind);
  if (!kind) return fail(ERR_RESOURCE, ENOMEM, "keep plan", NULL);
  kind->template = kind->memory = -1;
  kind->bytes = malloc(request->plan.length ? request->plan.length : 1);
  struct err result = kind->bytes ? OK : fail(ERR_RESOURCE, ENOMEM, "keep plan", NULL);
  if (!failed(result)) {
    memcpy(kind->bytes, request->plan.data, request->plan.length);
    kind->length = request->plan.length;
    struct span plan = {kind->bytes, kind->length};
    result = S.host_view ? plan_parse_host(plan, &kind->plan) : plan_parse(plan, &kind->plan, kind->filter);
  }
  if (!failed(result)) result = launch_seal_plan((struct span){kind->bytes, kind->length}, &kind->memory);
  if (!failed(result) && S.host_view) kind->template = fcntl(S.host.mount_ns, F_DUPFD_CLOEXEC, 3);
  else if (!failed(result)) result = make_template(kind);
  if (failed(result)) {
    /* Its strings may point into what is freed now. */
    static char what[256];
    snprintf(what, sizeof what, "%s", result.what ? result.what : "");
    result.what = what;
    kind_free(kind);
    return result;
  }
  kind->id = id;
  kind->wanted = request->slots;
  kind->recycle_net = request->recycle_net && (kind->plan.namespaces & CLONE_NEWNET);
  kind->next = S.kinds;
  S.kinds = kind;
  cells_spare(kind->plan.cgroup.present, kind->plan.cgroup.present && !S.tree.v2_limits ? 4 : 1);
  refill_soon();
  return OK;
}

struct kind *kind_find(uint32_t id) {
  struct kind *kind = S.kinds;
  while (kind && (kind->id != id || kind->forgotten)) kind = kind->next;
  return kind;
}

void kind_release(struct kind *kind) {
  if (!kind->forgotten || kind->users > 0) return;
  for (struct kind **link = &S.kinds; *link; link = &(*link)->next)
    if (*link == kind) {
      *link = kind->next;
      break;
    }
  kind_free(kind);
}

void kind_forget(struct kind *kind) {
  kind->forgotten = true;
  kind->wanted = 0;
  kind->users++; /* it must not go while its slots are dismissed */
  while (kind->ready) {
    struct sandbox *sandbox = kind->ready;
    kind->ready = sandbox->next;
    kind->ready_count--;
    sandbox_dismiss(sandbox);
  }
  kind->users--;
  kind_release(kind);
}

/* One slot at a time, so that a request that comes in meanwhile waits for one at most. */
void kinds_refill(void) {
  for (struct kind *kind = S.kinds; kind; kind = kind->next) {
    if (kind->ready_count + kind->making >= kind->wanted) continue;
    struct sandbox *sandbox;
    struct err result = sandbox_make(kind, &sandbox);
    if (failed(result)) {
      kind->wanted = kind->ready_count; /* without slots it still runs, and then says why */
      continue;
    }
    S.refill_at_ns = S.now_ns + 200000;
    return;
  }
  S.refill_at_ns = 0;
}
