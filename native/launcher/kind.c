/* Kinds: plans that the client announced, each with its template and the sandboxes kept ready for it. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "channel.h"
#include "handover.h"
#include "state.h"
#include "sys.h"

struct builder {
  const struct plan *plan;
  int channel; /* to us, for the descriptor of its mount namespace */
  struct err result;
};

/* Whoever kills every child that builds is told that there is no template. */
#define BUILDS_MAX 16

static int build_template(void *argument) {
  struct builder *builder = argument;
  builder->result = mount_template(&S.host, builder->plan);
  if (failed(builder->result)) return 0;
  char path[64];
  snprintf(path, sizeof path, "%d/ns/mnt", (int)getpid());
  int fd = openat(S.host.proc, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || !channel_send(builder->channel, "", 1, &fd, 1))
    builder->result = fail(ERR_SYSTEM, errno, "keep template", NULL);
  return 0;
}

/* The template is built by a child in a mount namespace of its own, which outlives it through the descriptor. It shares our
   memory, and we sleep until it is done, as after vfork(2). */
static struct err build(struct kind *kind, bool *killed) {
  static uint8_t stack[256 * 1024] __attribute__((aligned(16)));
  int ends[2], status = 0;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return fail(ERR_RESOURCE, errno, "socketpair", NULL);
  struct builder builder = {&kind->plan, ends[1], fail(ERR_SYSTEM, ECHILD, "build template", NULL)};
  int pid = clone(build_template, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_NEWNS | SIGCHLD, &builder);
  struct err result = pid < 0 ? fail(ERR_SYSTEM, errno, "clone template", NULL) : OK;
  if (pid > 0)
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  *killed = WIFSIGNALED(status);
  close(ends[1]);
  if (!failed(result)) result = builder.result;
  char byte;
  size_t count;
  if (!failed(result) && channel_receive(ends[0], &byte, 1, &kind->template, 1, &count) != 1)
    result = fail(ERR_SYSTEM, EPIPE, "keep template", NULL);
  close(ends[0]);
  return result;
}

static struct err make_template(struct kind *kind) {
  bool killed = false;
  struct err result = build(kind, &killed);
  for (int tries = 1; failed(result) && killed && tries < BUILDS_MAX; tries++) result = build(kind, &killed);
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
  if (!failed(result) && kind->plan.network.kind && !handover_is_open())
    result = fail(ERR_UNSUPPORTED, ENOTCONN, "network", "nobody to hand its sockets to");
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
  kind->recycle_net = request->recycle_net && (kind->plan.namespaces & CLONE_NEWNET) && !kind->plan.network.kind;
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
