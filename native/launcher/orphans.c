/* Children that nobody has told of: who made them was killed first. They end by themselves at once, their sockets being closed, and
   nobody else waits for them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "state.h"

#define FIRST_LOOK_NS 5000000u
#define NEXT_LOOK_NS 20000000u
#define AWAIT_MS 1000

void orphans_expect(void) { S.orphans_at_ns = S.now_ns + FIRST_LOOK_NS; }

static bool is_known_child(int pid) {
  if (pid == S.mother_pid || prober_is(pid) || pid == S.common.pid) return true;
  for (unsigned i = 0; i < S.cell_count; i++)
    if (S.cells[i]->own.pid == pid) return true;
  for (const struct sandbox *sandbox = S.sandboxes; sandbox; sandbox = sandbox->all_next)
    if (sandbox->pid == pid) return true;
  return false;
}

void orphans_reap(void) {
  S.orphans_at_ns = S.now_ns + NEXT_LOOK_NS;
  for (const struct sandbox *sandbox = S.sandboxes; sandbox; sandbox = sandbox->all_next)
    if (sandbox->asked) return; /* it may be the one that is looked at */
  char path[64], text[16384];
  snprintf(path, sizeof path, "%d/task/%d/children", (int)getpid(), (int)getpid());
  int fd = openat(S.host.proc, path, O_RDONLY | O_CLOEXEC);
  bool left = fd < 0 && errno == EMFILE;
  ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  text[length < 0 ? 0 : length] = 0;
  char *end;
  for (char *at = text; *at; at = end) {
    int pid = (int)strtol(at, &end, 10);
    if (end == at || *end == 0) break;
    if (!is_known_child(pid) && waitpid(pid, NULL, WNOHANG | __WALL) == 0) left = true;
  }
  if (!left) S.orphans_at_ns = 0;
}

void orphans_await(void) {
  struct timespec pause = {.tv_nsec = 1000000};
  for (int waited = 0; waited < AWAIT_MS;) {
    pid_t pid = waitpid(-1, NULL, WNOHANG | __WALL);
    if (pid < 0 && errno != EINTR) return;
    if (pid != 0) continue;
    nanosleep(&pause, NULL);
    waited++;
  }
}
