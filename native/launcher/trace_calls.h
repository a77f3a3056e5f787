/* The calls that a trace is told of, and the filter for them. */
#ifndef CAISSON_TRACE_CALLS_H
#define CAISSON_TRACE_CALLS_H

#include <stdint.h>

#include "err.h"

enum trace_kind {
  TRACE_NONE,
  TRACE_PATH,
  TRACE_TWO_PATHS,
  TRACE_CONNECT,
  TRACE_BIND,
  TRACE_LISTEN,
  TRACE_SENDTO,
  TRACE_SENDMSG,
  TRACE_SENDMMSG,
  TRACE_SOCKET,
  TRACE_CLONE,
  TRACE_FORK,
};

/* How `flags` are known: no flags, an argument, a constant, or the first word of a struct open_how. */
enum trace_flags { FLAGS_NONE, FLAGS_ARGUMENT, FLAGS_CREAT, FLAGS_HOW };

struct trace_call {
  int number;
  enum trace_kind kind;
  const char *op;
  /* Indices of arguments; a directory of -1 is the working directory. */
  int8_t directory, path, second_directory, second_path;
  enum trace_flags flags;
  int8_t flags_at;
  /* Of `flags_at`: bits with which the call does not follow a last link. */
  uint32_t no_follow;
};

/* The row of a call, or NULL where it is none of ours. */
const struct trace_call *trace_call_of(int number);

/* no_new_privs, then the filter. `*listener` is its descriptor. */
struct err trace_calls_install(const char *listed, int *listener);

/* AUDIT_ARCH_* of this build. */
extern const uint32_t trace_arch;

#endif
