/* Checks that count themselves. A test program calls CHECK and ends with `return harness_end("name")`. */
#ifndef CAISSON_TEST_HARNESS_H
#define CAISSON_TEST_HARNESS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int harness_passed, harness_failed, harness_skipped;

/* A test that aborts shall have said what failed before. */
__attribute__((constructor)) static void harness_begin(void) { setvbuf(stdout, NULL, _IOLBF, 0); }

static inline bool harness_check(bool holds, const char *file, int line, const char *format, ...) {
  if (holds) {
    harness_passed++;
    return true;
  }
  harness_failed++;
  printf("not ok - %s:%d: ", file, line);
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  printf("\n");
  return false;
}

#define CHECK(holds) harness_check((holds), __FILE__, __LINE__, "%s", #holds)
#define CHECK_THAT(holds, ...) harness_check((holds), __FILE__, __LINE__, __VA_ARGS__)

static inline void harness_skip(const char *what, const char *reason) {
  harness_skipped++;
  printf("skipped - %s: %s\n", what, reason);
}

static inline int harness_end(const char *name) {
  printf("%s: %d passed, %d failed, %d skipped\n", name, harness_passed, harness_failed, harness_skipped);
  return harness_failed == 0 && harness_passed > 0 ? 0 : 1;
}

#endif
