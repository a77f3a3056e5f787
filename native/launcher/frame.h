/* Frames on the socket between a client and the launcher: u32 length, u16 type, u16 zero, u32 id, body. */
#ifndef CAISSON_FRAME_H
#define CAISSON_FRAME_H

#include "wire.h"

#define PROTOCOL_VERSION 1u
#define FRAME_HEADER 12u
#define FRAME_MAX (64u * 1024u * 1024u)

enum frame_type {
  FRAME_HELLO = 1, FRAME_PLAN = 2, FRAME_OPEN = 3, FRAME_EXEC = 4, FRAME_STDIN = 5, FRAME_CREDIT = 6,
  FRAME_SIGNAL = 7, FRAME_WINSIZE = 8, FRAME_KILL = 9, FRAME_CLOSE = 10, FRAME_FILES = 11, FRAME_PROBE = 12,
  FRAME_FREEZE = 13, FRAME_USAGE = 14,
  FRAME_READY = 65, FRAME_OPENED = 66, FRAME_STARTED = 67, FRAME_STDOUT = 68, FRAME_STDERR = 69,
  FRAME_RESULT = 70, FRAME_CLOSED = 71, FRAME_ERROR = 72, FRAME_FILES_REPLY = 73, FRAME_FACTS = 74,
  FRAME_STDIN_CREDIT = 75, FRAME_USAGE_REPLY = 76,
  FRAME_STATS = 96, FRAME_STATS_REPLY = 97,
  FRAME_DIAL = 80, FRAME_DIALED = 81,
  FRAME_DENY = 90,
};

struct frame {
  uint16_t type;
  uint32_t id;
  struct span body;
};

enum frame_status { FRAME_WHOLE, FRAME_PARTIAL, FRAME_BROKEN };

/* Looks at the front of `bytes`. FRAME_WHOLE: *out is the frame, *taken its size. FRAME_PARTIAL: *taken is how many
   bytes in all are known to be needed (at least FRAME_HEADER). FRAME_BROKEN: the connection cannot be trusted. */
enum frame_status frame_parse(struct span bytes, struct frame *out, size_t *taken);

/* Bodies of the frames a client sends. */
struct hello { uint32_t version; };
struct plan_request { struct span plan; uint32_t slots; bool recycle_net; };
struct open_request { uint32_t plan_id; struct span job; };
struct exec_request { uint32_t plan_id; uint32_t sandbox_id; struct span job; }; /* exactly one id is non-zero */
struct credit { uint32_t stream; uint32_t bytes; };
struct winsize_request { uint32_t rows, columns; };
struct dial_request {
  uint32_t request, port;
  struct span address; /* 16 bytes: of a datagram socket. Absent: a TCP connection to loopback */
};
struct freeze_request { uint32_t freeze, of; }; /* `of` 0: what the frame's own id names */

struct err frame_hello(struct span body, struct hello *out);
struct err frame_plan(struct span body, struct plan_request *out);
struct err frame_open(struct span body, struct open_request *out);
struct err frame_exec(struct span body, struct exec_request *out);
struct err frame_credit(struct span body, struct credit *out);
struct err frame_signal(struct span body, int32_t *signal);
struct err frame_winsize(struct span body, struct winsize_request *out);
struct err frame_dial(struct span body, struct dial_request *out);
struct err frame_freeze(struct span body, struct freeze_request *out);
struct err frame_usage(struct span body, uint32_t *of);
/* KILL, CLOSE, PROBE: no body. */
struct err frame_empty(struct span body);

#endif
