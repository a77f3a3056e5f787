/* Bytes from a socket: cut into frames, and each body read by its type, as the server does. */
#include "fuzz.h"

static void read_body(const struct frame *frame) {
  struct hello hello;
  struct plan_request plan;
  struct open_request open;
  struct exec_request exec;
  struct credit credit;
  struct winsize_request size;
  int32_t signal;
  struct freeze_request freeze;
  uint32_t of;
  switch (frame->type) {
    case FRAME_HELLO: (void)frame_hello(frame->body, &hello); break;
    case FRAME_PLAN:
      if (!failed(frame_plan(frame->body, &plan))) fuzz_plan(plan.plan);
      break;
    case FRAME_OPEN:
      if (!failed(frame_open(frame->body, &open))) fuzz_job(open.job);
      break;
    case FRAME_EXEC:
      if (failed(frame_exec(frame->body, &exec))) break;
      if ((exec.plan_id == 0) == (exec.sandbox_id == 0)) __builtin_trap();
      fuzz_job(exec.job);
      break;
    case FRAME_CREDIT: (void)frame_credit(frame->body, &credit); break;
    case FRAME_SIGNAL:
      if (!failed(frame_signal(frame->body, &signal)) && (signal < 1 || signal > 64)) __builtin_trap();
      break;
    case FRAME_WINSIZE:
      if (!failed(frame_winsize(frame->body, &size)) && (size.rows - 1 > 65534 || size.columns - 1 > 65534)) __builtin_trap();
      break;
    case FRAME_FREEZE: 
      if (!failed(frame_freeze(frame->body, &freeze)) && freeze.freeze > 1) __builtin_trap();
      break;
    case FRAME_USAGE: (void)frame_usage(frame->body, &of); break;
    default: (void)frame_empty(frame->body); break;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct span rest = {data, size};
  struct frame frame;
  size_t taken;
  while (frame_parse(rest, &frame, &taken) == FRAME_WHOLE) {
    if (taken < FRAME_HEADER || taken > rest.length || frame.body.length != taken - FRAME_HEADER) __builtin_trap();
    read_body(&frame);
    fuzz_rewrite(frame.body);
    rest.data += taken;
    rest.length -= taken;
  }
  return 0;
}
