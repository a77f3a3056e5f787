/* The result of every step: what failed, with which errno, on what. */
#ifndef CAISSON_ERR_H
#define CAISSON_ERR_H

#include <stdbool.h>

/* Classes of protocol/PROTOCOL.md, frame ERROR. */
enum err_class {
  ERR_NONE = 0,
  ERR_MESSAGE = 1,
  ERR_PLAN = 2,
  ERR_JOB = 3,
  ERR_UNSUPPORTED = 4,
  ERR_RESOURCE = 5,
  ERR_SYSTEM = 6,
  ERR_COMMAND = 7,
  ERR_UNKNOWN_ID = 8,
};

/* `step` is a string literal; `what` may point into the message that was read, or be NULL. */
struct err {
  enum err_class class;
  int errnum;
  const char *step;
  const char *what;
};

#define OK ((struct err){ERR_NONE, 0, 0, 0})

static inline bool failed(struct err e) { return e.class != ERR_NONE; }

static inline struct err fail(enum err_class class, int errnum, const char *step, const char *what) {
  return (struct err){class, errnum, step, what};
}

#define TRY(expression)                       \
  do {                                        \
    struct err try_err_ = (expression);       \
    if (failed(try_err_)) return try_err_;    \
  } while (0)

#endif
