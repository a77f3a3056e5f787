/* Frames cut out of a stream, and the bodies that a client sends. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../frame.h"
#include "golden.h"
#include "harness.h"

static struct frame frame_of(struct out *bytes, const char *name) {
  *bytes = golden_named(name);
  struct frame frame = {0};
  size_t taken;
  CHECK(frame_parse(span_of(bytes), &frame, &taken) == FRAME_WHOLE);
  return frame;
}

static void every_prefix_is_partial(void) {
  for (size_t i = 0; i < golden_count; i++) {
    if (goldens[i].kind != GOLDEN_FRAME) continue;
    struct out bytes = golden_bytes(&goldens[i]);
    size_t wrong = 0, taken;
    struct frame frame;
    for (size_t length = 0; length < bytes.length; length++) {
      /* A buffer of exactly that size, so that ASan sees a read past it. */
      uint8_t *copy = malloc(length == 0 ? 1 : length);
      memcpy(copy, bytes.data, length);
      enum frame_status status = frame_parse((struct span){copy, length}, &frame, &taken);
      if (status != FRAME_PARTIAL || taken != (length < FRAME_HEADER ? FRAME_HEADER : bytes.length)) wrong++;
      free(copy);
    }
    CHECK_THAT(wrong == 0, "%s: %zu prefixes", goldens[i].name, wrong);
    out_raw(&bytes, "more", 4);
    CHECK(frame_parse(span_of(&bytes), &frame, &taken) == FRAME_WHOLE && taken == bytes.length - 4);
    out_free(&bytes);
  }
}

static void broken_headers_are_broken(void) {
  static const char *const cases[] = {
      "\7\0\0\0\1\0\0\0\0\0\0\0",             /* length below 8 */
      "\1\0\0\4\1\0\0\0\0\0\0\0",             /* above 64 MiB */
      "\xff\xff\xff\xff\1\0\0\0\0\0\0\0",
      "\x8\0\0\0\0\0\0\0\1\0\0\0",            /* type 0 */
      "\x8\0\0\0\xf\0\0\0\1\0\0\0",           /* type 15 */
      "\x8\0\0\0\x40\0\0\0\1\0\0\0",          /* type 64 */
      "\x8\0\0\0\x4d\0\0\0\1\0\0\0",          /* type 77 */
      "\x8\0\0\0\2\1\0\0\1\0\0\0",            /* type 258 */
      "\x8\0\0\0\2\0\1\0\1\0\0\0",            /* the zero is not zero */
      "\x8\0\0\0\2\0\0\1\1\0\0\0",
      "\x8\0\0\0\2\0\0\0\0\0\0\0",            /* id 0 where there must be one */
  };
  struct frame frame;
  size_t taken;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    CHECK_THAT(frame_parse((struct span){(const uint8_t *)cases[i], 12}, &frame, &taken) == FRAME_BROKEN, "case %zu", i);
  CHECK(frame_parse((struct span){(const uint8_t *)cases[0], 4}, &frame, &taken) == FRAME_BROKEN);
}

static void bodies_say_what_was_meant(void) {
  struct out bytes;
  struct frame frame = frame_of(&bytes, "frame-hello-reply");
  struct hello hello;
  CHECK(!failed(frame_hello(frame.body, &hello)) && hello.version == 1);
  out_free(&bytes);
  frame = frame_of(&bytes, "frame-plan");
  struct plan_request plan;
  CHECK(!failed(frame_plan(frame.body, &plan)) && plan.slots == 8 && plan.recycle_net && memcmp(plan.plan.data, "CAISPLAN", 8) == 0);
  out_free(&bytes);
  frame = frame_of(&bytes, "frame-open");
  struct open_request open;
  CHECK(!failed(frame_open(frame.body, &open)) && open.plan_id == 1 && open.job.length > 0);
  out_free(&bytes);
  frame = frame_of(&bytes, "frame-exec-plan");
  struct exec_request exec;
  CHECK(!failed(frame_exec(frame.body, &exec)) && exec.plan_id == 1 && exec.sandbox_id == 0);
  out_free(&bytes);
  frame = frame_of(&bytes, "frame-exec-sandbox");
  CHECK(!failed(frame_exec(frame.body, &exec)) && exec.plan_id == 0 && exec.sandbox_id == 2 && exec.job.length > 0);
  out_free(&bytes);
  frame = frame_of(&bytes, "frame-credit");
  struct credit credit;
  CHECK(!failed(frame_credit(frame.body, &credit)) && credit.stream == 2 && credit.bytes == 65536);
  out_free(&bytes);
  frame = frame_of(&bytes, "frame-signal");
  int32_t signal;
  CHECK(!failed(frame_signal(frame.body, &signal)) && signal == 15);
  out_free(&bytes);
  frame = frame_of(&bytes, "frame-winsize");
  struct winsize_request size;
  CHECK(!failed(frame_winsize(frame.body, &size)) && size.rows == 50 && size.columns == 132);
  out_free(&bytes);
  frame = frame_of(&bytes, "frame-dial");
  struct dial_request dial;
  CHECK(!failed(frame_dial(frame.body, &dial)) && dial.request == 5 && dial.port == 8080 && !dial.address.data);
  out_free(&bytes);
  frame = frame_of(&bytes, "frame-dial-datagram");
  CHECK(!failed(frame_dial(frame.body, &dial)) && dial.request == 6 && dial.port == 123 && dial.address.length == 16);
  CHECK(dial.address.data[11] == 0xff && dial.address.data[12] == 198 && dial.address.data[15] == 7);
  out_free(&bytes);
  frame = frame_of(&bytes, "frame-freeze");
  struct freeze_request freeze;
  CHECK(!failed(frame_freeze(frame.body, &freeze)) && freeze.freeze == 1 && freeze.of == 0);
  out_free(&bytes);
  frame = frame_of(&bytes, "frame-freeze-exec");
  CHECK(frame.id == 9 && !failed(frame_freeze(frame.body, &freeze)) && freeze.freeze == 0 && freeze.of == 3);
  uint32_t of;
  out_free(&bytes);
  frame = frame_of(&bytes, "frame-usage");
  CHECK(!failed(frame_usage(frame.body, &of)) && of == 0);
  out_free(&bytes);
  frame = frame_of(&bytes, "frame-usage-exec");
  CHECK(frame.id == 9 && !failed(frame_usage(frame.body, &of)) && of == 3);
  CHECK(failed(frame_empty(frame.body)));
  out_free(&bytes);
  frame = frame_of(&bytes, "frame-kill");
  CHECK(!failed(frame_empty(frame.body)));
  out_free(&bytes);
}

/* A record of u32 fields 1, 2, 3; a negative value leaves the field out. */
static struct out numbers(int64_t one, int64_t two, int64_t three) {
  struct out out = {0};
  if (one >= 0) out_u32(&out, 1, (uint32_t)one);
  if (two >= 0) out_u32(&out, 2, (uint32_t)two);
  if (three >= 0) out_u32(&out, 3, (uint32_t)three);
  return out;
}

#define REFUSED(call, record)                                                      \
  do {                                                                             \
    struct out bytes_ = (record);                                                  \
    struct span body = span_of(&bytes_);                                           \
    struct err error_ = (call);                                                    \
    CHECK(error_.class == ERR_MESSAGE && error_.errnum == EBADMSG && error_.step); \
    out_free(&bytes_);                                                             \
  } while (0)

static void bodies_out_of_range_are_refused(void) {
  struct hello hello;
  struct plan_request plan;
  struct open_request open;
  struct exec_request exec;
  struct credit credit;
  struct winsize_request size;
  int32_t signal;
  struct dial_request dial;
  struct freeze_request freeze;
  uint32_t of;
  REFUSED(frame_hello(body, &hello), numbers(-1, -1, -1));
  REFUSED(frame_hello(body, &hello), numbers(1, 1, -1));
  REFUSED(frame_plan(body, &plan), numbers(-1, 1, -1));
  REFUSED(frame_plan(body, &plan), numbers(0, 4097, -1));
  REFUSED(frame_plan(body, &plan), numbers(0, 1, 2));
  REFUSED(frame_open(body, &open), numbers(0, 0, -1));
  REFUSED(frame_open(body, &open), numbers(1, -1, -1));
  REFUSED(frame_exec(body, &exec), numbers(-1, -1, 0));
  REFUSED(frame_exec(body, &exec), numbers(1, 1, 0));
  REFUSED(frame_exec(body, &exec), numbers(0, -1, 0));
  REFUSED(frame_exec(body, &exec), numbers(1, -1, -1));
  REFUSED(frame_credit(body, &credit), numbers(0, 1, -1));
  REFUSED(frame_credit(body, &credit), numbers(3, 1, -1));
  REFUSED(frame_credit(body, &credit), numbers(1, -1, -1));
  REFUSED(frame_signal(body, &signal), numbers(0, -1, -1));
  REFUSED(frame_signal(body, &signal), numbers(65, -1, -1));
  REFUSED(frame_signal(body, &signal), numbers(0xffffffff, -1, -1));
  REFUSED(frame_signal(body, &signal), numbers(-1, -1, -1));
  REFUSED(frame_winsize(body, &size), numbers(0, 1, -1));
  REFUSED(frame_winsize(body, &size), numbers(1, 65536, -1));
  REFUSED(frame_winsize(body, &size), numbers(1, 0, -1));
  REFUSED(frame_winsize(body, &size), numbers(65536, 1, -1));
  REFUSED(frame_winsize(body, &size), numbers(1, -1, -1));
  REFUSED(frame_dial(body, &dial), numbers(1, 0, -1));
  REFUSED(frame_dial(body, &dial), numbers(1, 65536, -1));
  REFUSED(frame_dial(body, &dial), numbers(-1, 80, -1));
  struct out short_address = numbers(6, 123, -1);
  out_bytes(&short_address, 3, "\1\2\3\4", 4);
  REFUSED(frame_dial(body, &dial), short_address);
  REFUSED(frame_freeze(body, &freeze), numbers(2, -1, -1));
  REFUSED(frame_freeze(body, &freeze), numbers(-1, -1, -1));
  REFUSED(frame_freeze(body, &freeze), numbers(-1, 3, -1));
  REFUSED(frame_usage(body, &of), numbers(1, 1, -1));
}

int main(void) {
  every_prefix_is_partial();
  broken_headers_are_broken();
  bodies_say_what_was_meant();
  bodies_out_of_range_are_refused();
  return harness_end("frame");
}
