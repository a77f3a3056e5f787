/* Starts commands on request and times them from fork to reaped, output read to its end: what a tool costs a caller that is
   not Node. Requests on stdin, one after another:
     u32 argc, u32 envc, u32 bytes, then `bytes` of NUL-terminated strings: directory, argv…, env…
   Answer on stdout: u64 nanoseconds, i32 wait status, u32 length, then so many bytes of the command's stdout and stderr.
   A file named on the command line is open as descriptor 3 in every command, at its beginning (bwrap --seccomp 3). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX 65536
#define STRINGS_MAX 512
static char text[TEXT_MAX], output[TEXT_MAX];
static char *argv_[STRINGS_MAX], *envp_[STRINGS_MAX];

static void read_all(void *into, size_t length) {
  for (char *at = into; length > 0;) {
    ssize_t got = read(0, at, length);
    if (got <= 0) _exit(got < 0);
    at += got, length -= (size_t)got;
  }
}

static void write_all(const void *from, size_t length) {
  for (const char *at = from; length > 0;) {
    ssize_t put = write(1, at, length);
    if (put <= 0) _exit(1);
    at += put, length -= (size_t)put;
  }
}

static char *take(char *at, char **list, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    list[i] = at;
    while (*at++) {}
  }
  list[count] = NULL;
  return at;
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc > 1 && open(argv[1], O_RDONLY) != 3) return 2;
  for (;;) {
    uint32_t head[3];
    read_all(head, sizeof head);
    if (head[0] >= STRINGS_MAX || head[1] >= STRINGS_MAX || head[2] > TEXT_MAX) return 2;
    read_all(text, head[2]);
    char *directory[2];
    take(take(take(text, directory, 1), argv_, head[0]), envp_, head[1]);
    if (argc > 1) lseek(3, 0, SEEK_SET);

    uint64_t start = now();
    int out[2];
    if (pipe2(out, O_CLOEXEC)) return 1;
    pid_t child = vfork();
    if (child == 0) {
      int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
      if (chdir(directory[0]) || dup2(null, 0) < 0 || dup2(out[1], 1) < 0 || dup2(out[1], 2) < 0) _exit(126);
      execve(argv_[0], argv_, envp_);
      _exit(127);
    }
    close(out[1]);
    size_t kept = 0;
    for (ssize_t got; (got = read(out[0], output + kept, sizeof output - kept)) > 0 && kept < sizeof output;) kept += (size_t)got;
    close(out[0]);
    int32_t status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    uint64_t taken = now() - start;

    uint32_t length = (uint32_t)kept;
    write_all(&taken, sizeof taken);
    write_all(&status, sizeof status);
    write_all(&length, sizeof length);
    write_all(output, kept);
  }
}
