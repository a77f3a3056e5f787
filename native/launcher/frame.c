#include "frame.h"

#include <errno.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define SLOTS_MAX 4096u

static uint32_t get_u32(const uint8_t *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static bool type_is_known(uint16_t type) {
  return (type >= FRAME_HELLO && type <= FRAME_USAGE) || (type >= FRAME_READY && type <= FRAME_USAGE_REPLY) ||
         type == FRAME_DENY || type == FRAME_DIAL || type == FRAME_DIALED || type == FRAME_STATS || type == FRAME_STATS_REPLY;
}

/* Frames about the connection itself, which may carry the id 0. */
static bool type_needs_no_id(uint16_t type) {
  return type == FRAME_HELLO || type == FRAME_PROBE || type == FRAME_FACTS || type == FRAME_ERROR;
}

enum frame_status frame_parse(struct span bytes, struct frame *out, size_t *taken) {
  *taken = FRAME_HEADER;
  if (bytes.length < 4) return FRAME_PARTIAL;
  uint32_t length = get_u32(bytes.data);
  if (length < FRAME_HEADER - 4 || length > FRAME_MAX) return FRAME_BROKEN;
  if (bytes.length < FRAME_HEADER) return FRAME_PARTIAL;
  uint16_t type = (uint16_t)(bytes.data[4] | bytes.data[5] << 8);
  uint32_t id = get_u32(bytes.data + 8);
  if (!type_is_known(type) || bytes.data[6] != 0 || bytes.data[7] != 0) return FRAME_BROKEN;
  if (id == 0 && !type_needs_no_id(type)) return FRAME_BROKEN;
  *taken = 4 + (size_t)length;
  if (bytes.length < *taken) return FRAME_PARTIAL;
  *out = (struct frame){type, id, {bytes.data + FRAME_HEADER, *taken - FRAME_HEADER}};
  return FRAME_WHOLE;
}

static struct err refuse(const char *step, const char *what) { return fail(ERR_MESSAGE, EBADMSG, step, what); }

struct err frame_hello(struct span body, struct hello *out) {
  *out = (struct hello){0};
  const char *build;
  struct wire_slot slots[] = {{1, WIRE_U32, true, &out->version}, {2, WIRE_STR, false, &build}};
  uint32_t seen;
  return wire_record(body, slots, COUNT(slots), &seen);
}

struct err frame_plan(struct span body, struct plan_request *out) {
  *out = (struct plan_request){0};
  uint32_t recycle = 0;
  struct wire_slot slots[] = {
      {1, WIRE_BYTES, true, &out->plan}, {2, WIRE_U32, false, &out->slots}, {3, WIRE_U32, false, &recycle}};
  uint32_t seen;
  TRY(wire_record(body, slots, COUNT(slots), &seen));
  if (out->slots > SLOTS_MAX) return refuse("frame_plan", "too many slots");
  if (recycle > 1) return refuse("frame_plan", "recycle is 0 or 1");
  out->recycle_net = recycle == 1;
  return OK;
}

struct err frame_open(struct span body, struct open_request *out) {
  *out = (struct open_request){0};
  struct wire_slot slots[] = {{1, WIRE_U32, true, &out->plan_id}, {2, WIRE_BYTES, true, &out->job}};
  uint32_t seen;
  TRY(wire_record(body, slots, COUNT(slots), &seen));
  if (out->plan_id == 0) return refuse("frame_open", "plan id 0");
  return OK;
}

struct err frame_exec(struct span body, struct exec_request *out) {
  *out = (struct exec_request){0};
  struct wire_slot slots[] = {{1, WIRE_U32, false, &out->plan_id},
                              {2, WIRE_U32, false, &out->sandbox_id},
                              {3, WIRE_BYTES, true, &out->job}};
  uint32_t seen;
  TRY(wire_record(body, slots, COUNT(slots), &seen));
  bool plan = seen & 1u << 1, sandbox = seen & 1u << 2;
  if (plan == sandbox) return refuse("frame_exec", "exactly one of plan id and sandbox id");
  if (out->plan_id == 0 && out->sandbox_id == 0) return refuse("frame_exec", "id 0");
  return OK;
}

struct err frame_credit(struct span body, struct credit *out) {
  *out = (struct credit){0};
  struct wire_slot slots[] = {{1, WIRE_U32, true, &out->stream}, {2, WIRE_U32, true, &out->bytes}};
  uint32_t seen;
  TRY(wire_record(body, slots, COUNT(slots), &seen));
  if (out->stream != 1 && out->stream != 2) return refuse("frame_credit", "stream is 1 or 2");
  return OK;
}

struct err frame_signal(struct span body, int32_t *signal) {
  *signal = 0;
  struct wire_slot slots[] = {{1, WIRE_I32, true, signal}};
  uint32_t seen;
  TRY(wire_record(body, slots, COUNT(slots), &seen));
  if (*signal < 1 || *signal > 64) return refuse("frame_signal", "signal is 1 to 64");
  return OK;
}

struct err frame_winsize(struct span body, struct winsize_request *out) {
  *out = (struct winsize_request){0};
  struct wire_slot slots[] = {{1, WIRE_U32, true, &out->rows}, {2, WIRE_U32, true, &out->columns}};
  uint32_t seen;
  TRY(wire_record(body, slots, COUNT(slots), &seen));
  if (out->rows < 1 || out->rows > 65535 || out->columns < 1 || out->columns > 65535)
    return refuse("frame_winsize", "rows and columns are 1 to 65535");
  return OK;
}

struct err frame_dial(struct span body, struct dial_request *out) {
  *out = (struct dial_request){0};
  struct wire_slot slots[] = {{1, WIRE_U32, true, &out->request}, {2, WIRE_U32, true, &out->port}, {3, WIRE_BYTES, false, &out->address}};
  uint32_t seen;
  TRY(wire_record(body, slots, COUNT(slots), &seen));
  if (out->address.data && out->address.length != 16) return refuse("frame_dial", "an address has 16 bytes");
  if (out->port < 1 || out->port > 65535) return refuse("frame_dial", "port is 1 to 65535");
  return OK;
}

struct err frame_freeze(struct span body, struct freeze_request *out) {
  *out = (struct freeze_request){0};
  struct wire_slot slots[] = {{1, WIRE_U32, true, &out->freeze}, {2, WIRE_U32, false, &out->of}};
  uint32_t seen;
  TRY(wire_record(body, slots, COUNT(slots), &seen));
  if (out->freeze > 1) return refuse("frame_freeze", "freeze is 0 or 1");
  return OK;
}

struct err frame_usage(struct span body, uint32_t *of) {
  *of = 0;
  struct wire_slot slots[] = {{1, WIRE_U32, false, of}};
  uint32_t seen;
  return wire_record(body, slots, COUNT(slots), &seen);
}

struct err frame_empty(struct span body) {
  return body.length == 0 ? OK : refuse("frame_empty", "a body where none belongs");
}
