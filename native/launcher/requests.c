/* What the client asks for: one function for each kind of frame. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "channel.h"
#include "state.h"

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
      if (exec) exec_signal(exec, number);
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
      prober_answer(frame->id);
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

void requests_read(uint32_t what) {
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
