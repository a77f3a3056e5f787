/* Asks the kernel what a seccomp filter does with system calls.

   probe FILTER NUMBER[:ARG,…] …     each call in a child of its own under the filter in the file FILTER ("-": the filter
                                     that already stands); missing arguments are -1. Prints a line for each:
                                     "NUMBER ERRNO" (0: it returned), "NUMBER signal N" or "NUMBER exit N".
   probe FILTER -i NUMBER[:ARG,…] …  the same without children, for filters that refuse them: for refused calls alone.
   probe FILTER -x PROGRAM ARG …     becomes PROGRAM under the filter. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define INSTRUCTIONS_MAX 4096
/* For those that wait for ever: they came through. */
#define MICROSECONDS_PER_CALL 250000

struct probe { long number; long args[6]; };

static _Noreturn void die(const char *what) {
  perror(what);
  exit(125);
}

/* Inline, so that nothing lies on the stack that a child of vfork could overwrite. */
static inline __attribute__((always_inline)) long raw(const struct probe *call) {
#if defined __x86_64__
  register long r10 __asm__("r10") = call->args[3];
  register long r8 __asm__("r8") = call->args[4];
  register long r9 __asm__("r9") = call->args[5];
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(call->number), "D"(call->args[0]), "S"(call->args[1]), "d"(call->args[2]), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#elif defined __aarch64__
  register long x8 __asm__("x8") = call->number;
  register long x0 __asm__("x0") = call->args[0];
  register long x1 __asm__("x1") = call->args[1];
  register long x2 __asm__("x2") = call->args[2];
  register long x3 __asm__("x3") = call->args[3];
  register long x4 __asm__("x4") = call->args[4];
  register long x5 __asm__("x5") = call->args[5];
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
#else
#error "no other architecture has a table"
#endif
}

static bool makes_process(long number) {
#ifdef SYS_fork
  if (number == SYS_fork || number == SYS_vfork) return true;
#endif
  return number == SYS_clone || number == SYS_clone3;
}

static struct probe parse(const char *text) {
  struct probe call;
  char *end;
  call.number = strtol(text, &end, 0);
  for (int index = 0; index < 6; index++) {
    call.args[index] = -1;
    if (*end == ':' || *end == ',') call.args[index] = (long)strtoull(end + 1, &end, 0);
  }
  if (*end != '\0') {
    errno = EINVAL;
    die(text);
  }
  return call;
}

static struct sock_fprog filter_read(const char *path) {
  static struct sock_filter program[INSTRUCTIONS_MAX];
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) die(path);
  ssize_t got = read(file, program, sizeof program);
  if (got <= 0 || (size_t)got % sizeof *program != 0) die(path);
  close(file);
  return (struct sock_fprog){.len = (unsigned short)((size_t)got / sizeof *program), .filter = program};
}

static void filter_load(const struct sock_fprog *program) {
  if (program->len == 0) return;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) die("no_new_privs");
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program) < 0) die("seccomp");
}

static _Noreturn void child(const struct probe *call, const struct sock_fprog *program, int report) {
  setsid(); /* so that vhangup and signals to the group reach nobody else */
  struct itimerval limit = {.it_value.tv_usec = MICROSECONDS_PER_CALL};
  setitimer(ITIMER_REAL, &limit, NULL);
  filter_load(program);
  struct probe mine = *call;
  long result = raw(&mine);
  if (result == 0 && makes_process(mine.number)) {
    struct probe leave = {SYS_exit_group, {0}};
    raw(&leave);
  }
  int error = result < 0 && result >= -4095 ? (int)-result : 0;
  /* close_range may have taken the descriptor: then the exit code tells that the call came through. */
  _exit(write(report, &error, sizeof error) == (ssize_t)sizeof error ? 0 : 1);
}

static void probe_forked(const struct probe *call, const struct sock_fprog *program) {
  int report[2];
  if (pipe2(report, O_CLOEXEC) < 0) die("pipe");
  pid_t pid = fork();
  if (pid < 0) die("fork");
  if (pid == 0) {
    close(report[0]);
    child(call, program, report[1]);
  }
  close(report[1]);
  int error, status;
  /* Waited for first: an orphan of the call may hold the pipe open. */
  if (waitpid(pid, &status, 0) < 0) die("waitpid");
  fcntl(report[0], F_SETFL, O_NONBLOCK);
  bool told = read(report[0], &error, sizeof error) == (ssize_t)sizeof error;
  close(report[0]);
  if (told)
    printf("%ld %d\n", call->number, error);
  else if (WIFSIGNALED(status))
    printf("%ld signal %d\n", call->number, WTERMSIG(status));
  else
    printf("%ld exit %d\n", call->number, WEXITSTATUS(status));
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fputs("usage: probe FILTER [-i] NUMBER[:ARG,...] ... | probe FILTER -x PROGRAM ARG ...\n", stderr);
    return 125;
  }
  setvbuf(stdout, NULL, _IOFBF, 1 << 16);
  struct sock_fprog program = {0};
  if (strcmp(argv[1], "-") != 0) program = filter_read(argv[1]);
  if (strcmp(argv[2], "-x") == 0) {
    filter_load(&program);
    execvp(argv[3], argv + 3);
    die(argv[3]);
  }
  bool inside = strcmp(argv[2], "-i") == 0;
  if (inside) filter_load(&program);
  for (int index = inside ? 3 : 2; index < argc; index++) {
    struct probe call = parse(argv[index]);
    if (inside)
      printf("%ld %ld\n", call.number, -raw(&call));
    else {
      fflush(stdout); /* a child must not inherit lines not yet written */
      probe_forked(&call, &program);
    }
  }
  return fflush(stdout) == 0 ? 0 : 125;
}
