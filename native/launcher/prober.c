/* The process that tells what the host can. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"
#include "state.h"

/* The probe must see the host as the caller does, before the launcher makes itself a namespace: forked first, asked later. */
static struct {
  int ask, answer;
  pid_t pid;
} prober = {-1, -1, 0};

struct err prober_start(void) {
  int ask[2], answer[2];
  if (pipe2(ask, O_CLOEXEC) < 0 || pipe2(answer, O_CLOEXEC) < 0) return fail(ERR_RESOURCE, errno, "pipe", NULL);
  prober.pid = fork();
  if (prober.pid < 0) return fail(ERR_RESOURCE, errno, "fork probe", NULL);
  if (prober.pid == 0) {
    char byte;
    close(ask[1]);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (read(ask[0], &byte, 1) != 1) _exit(0);
    struct out facts = {0};
    if (failed(probe_facts(&facts))) _exit(1);
    (void)!write(answer[1], facts.data, facts.length);
    _exit(0);
  }
  close(ask[0]);
  close(answer[1]);
  prober.ask = ask[1];
  prober.answer = answer[0];
  return OK;
}

void prober_answer(uint32_t id) {
  static uint8_t facts[64 * 1024];
  size_t length = 0;
  if (prober.ask < 0) {
    client_error(id, fail(ERR_UNSUPPORTED, EALREADY, "the host is probed once", NULL));
    return;
  }
  (void)!write(prober.ask, "?", 1);
  close(prober.ask);
  for (ssize_t got; (got = read(prober.answer, facts + length, sizeof facts - length)) != 0;) {
    if (got < 0 && errno != EINTR) break;
    if (got > 0) length += (size_t)got;
  }
  close(prober.answer);
  waitpid(prober.pid, NULL, 0);
  prober.ask = prober.answer = -1;
  prober.pid = 0;
  if (length == 0) client_error(id, fail(ERR_SYSTEM, EIO, "probe", NULL));
  else client_send(FRAME_FACTS, id, facts, length);
}

bool prober_is(pid_t pid) { return pid == prober.pid; }

void prober_dismiss(void) {
  if (prober.ask < 0) return;
  kill(prober.pid, SIGKILL); /* our child, and nobody has waited for it; it has not been asked, and has done nothing yet */
  while (waitpid(prober.pid, NULL, 0) < 0 && errno == EINTR) continue;
  close(prober.ask);
  close(prober.answer);
  prober.ask = prober.answer = -1;
  prober.pid = 0;
}
