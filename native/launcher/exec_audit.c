/* Landlock's refusals of running commands, as the audit log of the host tells them (landlock_audit.h): read as they come, and
   no more of them than our time allows. Only plans that ask for it make us listen, and only while one of their commands runs. */
#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "state.h"

/* So many records are read at once, and then none for this long: whoever floods the log takes a tenth of our time. What the
   kernel cannot keep for us meanwhile is told as dropped. */
#define AUDIT_BURST 256
#define AUDIT_PAUSE_NS 5000000u
/* The kernel hands records on from a thread of its own. What is not there by then is not in the result. */
#define AUDIT_SETTLE_NS 20000000u

static struct watch audit = {.fd = -1};
static struct landlock_reader reader;
static uint64_t again_ns;

void audit_know(int seat) {
  int on = 1;
  setsockopt(seat, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
}

static struct landlock_log *log_of(uint64_t domain, pid_t pid) {
  for (struct exec *exec = S.active; exec; exec = exec->active_next) {
    struct landlock_log *log = exec->landlock;
    if (log && (log->domain == domain || (pid && log->domain == 0 && log->pid == pid))) return log;
  }
  return NULL;
}

void exec_audit_begin(struct exec *exec) {
  if (!exec->sandbox->kind->plan.landlock.log || exec->sandbox->seat.pid <= 0) return;
  exec->landlock = calloc(1, sizeof *exec->landlock);
  if (!exec->landlock) return;
  exec->landlock->pid = exec->sandbox->seat.pid;
  if (audit.fd >= 0) return;
  int fd = landlock_audit_open();
  if (fd >= 0 && watch_add(&audit, WATCH_AUDIT, fd, EPOLLIN, NULL)) return;
  if (fd >= 0) close(fd);
  free(exec->landlock);
  exec->landlock = NULL;
}

void exec_audit_end(struct exec *exec) {
  if (!exec->landlock) return;
  free(exec->landlock);
  exec->landlock = NULL;
  for (struct exec *other = S.active; other; other = other->active_next)
    if (other->landlock) return;
  /* Nobody's: what the host logs from now on is not for us to be woken by, or to keep in the kernel's memory. */
  watch_close(&audit);
  again_ns = 0;
  memset(&reader, 0, sizeof reader);
}

static void note_loss(void) {
  for (struct exec *exec = S.active; exec; exec = exec->active_next)
    if (exec->landlock) exec->landlock->dropped++;
}

static bool take_one(void) {
  static char message[16 * 1024]; /* the kernel's largest record is 8,970 bytes */
  struct sockaddr_nl sender = {0};
  socklen_t size = sizeof sender;
  ssize_t got = recvfrom(audit.fd, message, sizeof message, 0, (struct sockaddr *)&sender, &size);
  if (got < 0 && errno == ENOBUFS) note_loss();
  if (got < 0) return errno == ENOBUFS || errno == EINTR;
  if (size == sizeof sender) landlock_audit_take(&reader, sender.nl_pid, message, (size_t)got, log_of);
  return true;
}

void audit_event(void) {
  for (int taken = 0; taken < AUDIT_BURST; taken++)
    if (!take_one()) return;
  watch_change(&audit, 0);
  again_ns = S.now_ns + AUDIT_PAUSE_NS;
}

uint64_t audit_tick(void) {
  if (again_ns && S.now_ns >= again_ns) {
    again_ns = 0;
    watch_change(&audit, EPOLLIN);
  }
  return again_ns;
}

bool exec_audit_settled(struct exec *exec) {
  if (!exec->landlock || S.client_gone) return true;
  if (!exec->settle_at_ns) exec->settle_at_ns = S.now_ns + AUDIT_SETTLE_NS;
  return S.now_ns >= exec->settle_at_ns;
}

void exec_audit_fields(struct out *out, const struct exec *exec) {
  if (exec->landlock) landlock_audit_fields(out, exec->landlock);
}
