/* Becomes a program under a Landlock ruleset, written as a plan has it.

   landlock-probe ABI HANDLED_FS HANDLED_NET SCOPED [-p ACCESS PATH]… [-b ACCESS PORT]… -- PROGRAM ARG …

   Ends with 125 and "STEP ERRNO" on stderr where the kernel refuses the ruleset. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ruleset { uint64_t fs, net, scoped; };
struct __attribute__((packed)) path_rule { uint64_t access; int32_t parent; };
struct port_rule { uint64_t access, port; };

enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446, RULE_PATH = 1, RULE_PORT = 2 };

static _Noreturn void die(const char *step) {
  fprintf(stderr, "%s %d\n", step, errno);
  exit(125);
}

static uint64_t number(const char *text) { return strtoull(text, NULL, 0); }

int main(int argc, char **argv) {
  if (argc < 7) return 125;
  struct ruleset attr = {number(argv[2]), number(argv[3]), number(argv[4])};
  uint64_t abi = number(argv[1]);
  size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
  int ruleset = (int)syscall(CREATE_RULESET, &attr, size, 0);
  if (ruleset < 0) die("create");
  int at = 5;
  for (; at + 2 < argc && strcmp(argv[at], "--") != 0; at += 3) {
    if (strcmp(argv[at], "-p") == 0) {
      struct path_rule rule = {number(argv[at + 1]), open(argv[at + 2], O_PATH | O_CLOEXEC)};
      if (rule.parent < 0) die("open");
      if (syscall(ADD_RULE, ruleset, RULE_PATH, &rule, 0) < 0) die("path");
      close(rule.parent);
    } else {
      struct port_rule rule = {number(argv[at + 1]), number(argv[at + 2])};
      if (syscall(ADD_RULE, ruleset, RULE_PORT, &rule, 0) < 0) die("port");
    }
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) die("no_new_privs");
  if (syscall(RESTRICT_SELF, ruleset, 0) < 0) die("restrict");
  execvp(argv[at + 1], argv + at + 1);
  die("exec");
}
