/* caisson-launcher: carries out plans. It knows no policy. Only this file exits. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "init.h"
#include "launch.h"
#include "layer.h"
#include "probe.h"
#include "run.h"
#include "self.h"
#include "serve.h"
#include "trace.h"
#include "vault.h"

static int complain(struct err e) {
  fprintf(stderr, "caisson-launcher: %s%s%s: %s\n", e.step, e.what ? ": " : "", e.what ? e.what : "", strerror(e.errnum));
  switch (e.class) {
    case ERR_MESSAGE:
      return 76;
    case ERR_PLAN:
    case ERR_JOB:
      return 65;
    case ERR_UNSUPPORTED:
      return 69;
    case ERR_RESOURCE:
      return 75;
    case ERR_COMMAND:
      return e.errnum == ENOENT ? 127 : 126;
    default:
      return 71;
  }
}

static int usage(void) {
  fprintf(stderr,
          "usage: caisson-launcher serve               speak the protocol on descriptor 3\n"
          "       caisson-launcher child               the same, for guests that see the host as their caller does\n"
          "       caisson-launcher init --socket PATH | --port DEVICE | --vsock PORT\n"
          "                                            the same, as PID 1 of a container or microVM\n"
          "       caisson-launcher run PLAN -- ARGV    one command in one sandbox\n"
          "       caisson-launcher probe               this host's facts, as a record\n"
          "       caisson-launcher layer UPPER [AFTER] what an overlay's upper directory holds\n"
          "       caisson-launcher trace --out FD --also N,N -- ARGV\n"
          "                                            a command without any isolation, and what it uses\n"
          "       caisson-launcher vault secret | locked\n"
          "                                            hold values; owner on descriptor 3, reader on descriptor 4\n"
          "       caisson-launcher version\n");
  return 64;
}

static int probe(void) {
  struct out facts = {0};
  struct err result = probe_facts(&facts);
  if (failed(result)) return complain(result);
  return fwrite(facts.data, 1, facts.length, stdout) == facts.length ? 0 : 74;
}

static int init(const char *option, const char *where) {
  static const char *const options[] = {[INIT_SOCKET] = "--socket", [INIT_PORT] = "--port", [INIT_VSOCK] = "--vsock"};
  for (enum init_endpoint i = INIT_SOCKET; i <= INIT_VSOCK; i++)
    if (strcmp(option, options[i]) == 0) {
      struct err result = init_run(i, where);
      return failed(result) ? complain(result) : 0;
    }
  return usage();
}

static int trace(const char *descriptor, const char *also, char **argv) {
  char *end;
  long fd = strtol(descriptor, &end, 10);
  if (*descriptor == '\0' || *end != '\0' || fd < 3 || fd > 1023) return usage();
  struct err result = trace_run((int)fd, also, argv);
  return failed(result) ? complain(result) : 0;
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "";
  launch_remember_arguments(argc, argv);
  if (strcmp(mode, "serve") == 0 && argc == 2) {
    struct err result = self_seal(argv);
    if (!failed(result)) result = serve(3);
    return failed(result) ? complain(result) : 0;
  }
  if (strcmp(mode, "child") == 0 && argc == 2) {
    struct err result = serve_host_view(3);
    return failed(result) ? complain(result) : 0;
  }
  if (strcmp(mode, "init") == 0 && argc == 4) return init(argv[2], argv[3]);
  if (strcmp(mode, "run") == 0 && argc > 4 && strcmp(argv[3], "--") == 0) {
    int code = 0;
    struct err result = self_seal(argv);
    if (!failed(result)) result = run_plan(argv[2], argv + 4, &code);
    return failed(result) ? complain(result) : code;
  }
  if (strcmp(mode, "probe") == 0 && argc == 2) return probe();
  if (strcmp(mode, "layer") == 0 && (argc == 3 || argc == 4)) {
    struct err result = layer_print(argv[2], argv[3]);
    return failed(result) ? complain(result) : 0;
  }
  if (strcmp(mode, "trace") == 0 && argc > 7 && strcmp(argv[2], "--out") == 0 && strcmp(argv[4], "--also") == 0 &&
      strcmp(argv[6], "--") == 0)
    return trace(argv[3], argv[5], argv + 7);
  if (strcmp(mode, "vault") == 0 && argc == 3 && (strcmp(argv[2], "secret") == 0 || strcmp(argv[2], "locked") == 0)) {
    struct err result = vault_run(3, 4, strcmp(argv[2], "locked") == 0);
    return failed(result) ? complain(result) : 0;
  }
  if (strcmp(mode, "version") == 0 && argc == 2) return puts(CAISSON_BUILD) < 0;
  return usage();
}
