/* What is asked of the kernel, call by call. No machine of ours has all of it: here the kernel's answers are made up, and only
   the calls that reach it are looked at. */
#include <stdarg.h>
#include <stdint.h>

static struct call { int option; unsigned long arg[4]; } calls[16];
static unsigned count;
static int refusing; /* option that says no */

#define prctl(...) recorded(__VA_ARGS__)
int recorded(int option, ...);
#include "../side_channels.c"
#undef prctl

#include "../wire.c"
#include "harness.h"

int recorded(int option, ...) {
  struct call *call = &calls[count++ % 16];
  va_list list;
  va_start(list, option);
  call->option = option;
  for (int i = 0; i < 4; i++) call->arg[i] = va_arg(list, unsigned long);
  va_end(list);
  if (option != refusing) return 0;
  errno = EPERM;
  return -1;
}

static bool called(unsigned at, int option, unsigned long first, unsigned long second) {
  return at < count && calls[at].option == option && calls[at].arg[0] == first && calls[at].arg[1] == second;
}

static struct err job(uint32_t asked, bool guest) {
  count = 0;
  return side_channels_job(asked, guest);
}

static void what_is_asked_for(void) {
  CHECK(!failed(job(0, true)) && count == 0);
  CHECK(!failed(job(SIDE_CORE, true)) && count == 0);
  CHECK(!failed(job(SIDE_ALL, true)) && count == 4);
  CHECK(called(0, 53, 0, 8)); /* store bypass, force disabled */
  CHECK(called(1, 53, 1, 8)); /* indirect branches, force disabled */
  CHECK(called(2, 53, 2, 2)); /* L1D flush, enabled */
  CHECK(called(3, 26, 2, 0)); /* the counter, SIGSEGV */
  CHECK(!failed(job(SIDE_INDIRECT_BRANCH, true)) && count == 1 && called(0, 53, 1, 8));
  /* The agent for files is ours, and asks for the time. */
  CHECK(!failed(job(SIDE_TSC | SIDE_STORE_BYPASS, false)) && count == 1 && called(0, 53, 0, 8));
  count = 0;
  CHECK(!failed(side_channels_apart(SIDE_ALL & ~(uint32_t)SIDE_CORE)) && count == 0);
  CHECK(!failed(side_channels_apart(SIDE_CORE)) && count == 1 && called(0, 62, 1, 0));
  CHECK(calls[0].arg[2] == 1); /* the whole thread group */
}

static void what_is_refused_is_no_success(void) {
  static const struct { uint32_t asked; int option; } rows[] = {
      {SIDE_STORE_BYPASS, 53}, {SIDE_INDIRECT_BRANCH, 53}, {SIDE_L1D_FLUSH, 53}, {SIDE_TSC, 26}};
  for (unsigned i = 0; i < 4; i++) {
    refusing = rows[i].option;
    struct err error = job(rows[i].asked, true);
    CHECK(error.class == ERR_UNSUPPORTED && error.errnum == EPERM);
  }
  refusing = 62;
  CHECK(side_channels_apart(SIDE_CORE).class == ERR_UNSUPPORTED);
}

int main(void) {
  what_is_asked_for();
  what_is_refused_is_no_success();
  return harness_end("side_channels");
}
