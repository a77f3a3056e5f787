/* The process that nurseries are ordered of, seen from the launcher. */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "state.h"

/* Its answers are waited for where it is asked; here its end is heard of. */
struct err mother_watch(void) {
  if (S.epoll <= 0) return OK;
  if (watch_add(&S.mother_end, WATCH_MOTHER, S.mother, EPOLLRDHUP, NULL)) return OK;
  struct err result = fail(ERR_RESOURCE, errno, "epoll", NULL);
  close(S.mother);
  S.mother = -1;
  return result;
}

struct err mother_start(void) {
  int ends[2];
  if (S.mother_pid > 0) {
    watch_close(&S.mother_end);
    waitpid(S.mother_pid, NULL, __WALL);
    S.mother_pid = 0;
    S.mother = -1;
    orphans_expect();
  }
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return fail(ERR_RESOURCE, errno, "socketpair", NULL);
  S.mother_pid = fork();
  if (S.mother_pid < 0) {
    struct err result = fail(ERR_RESOURCE, errno, "fork", NULL);
    close(ends[0]);
    close(ends[1]);
    return result;
  }
  if (S.mother_pid == 0) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    nursery_mother(&S.host, ends[1]);
  }
  close(ends[1]);
  S.mother = ends[0];
  return mother_watch();
}
