/* Connections into a sandbox: the client asks, the sandbox's init connects, since it stands in the network namespace, and
   the socket goes to the client. Nothing here waits: an answer is matched by its number. */
#include <errno.h>
#include <unistd.h>

#include "channel.h"
#include "handover.h"
#include "state.h"
#include "sys.h"

/* Unanswered for one sandbox. Far below what fills the socket to its init, which may stand still (FREEZE). */
#define DIALS_MAX 64

static void answer(uint32_t id, uint32_t request, int error) {
  struct out body = {0};
  out_u32(&body, 1, request);
  out_i32(&body, 2, error);
  client_send(FRAME_DIALED, id, body.data, body.length);
  out_free(&body);
}

/* A kept sandbox is dialed by its own id, one that has a single job by that job's. */
static struct sandbox *find(uint32_t id) {
  struct exec *exec = exec_find(id);
  return exec && !exec->sandbox->keep ? exec->sandbox : sandbox_find(id);
}

static int ask(struct sandbox *sandbox, uint32_t id, const struct dial_request *dial) {
  if (!sandbox || sandbox->cause || sandbox->state == SANDBOX_ENDING || sandbox->control.fd < 0) return ENOENT;
  if (S.host_view || !(sandbox->kind->plan.namespaces & CLONE_NEWNET) || !handover_is_open()) return ENOTSUP;
  if (sandbox->dials >= DIALS_MAX) return EAGAIN;
  struct slot_request request = {.command = SLOT_DIAL, .job = dial->request, .signal = (int32_t)dial->port};
  if (!channel_send(sandbox->control.fd, &request, sizeof request, NULL, 0)) return errno;
  sandbox->dial_owner = id;
  sandbox->dials++;
  return 0;
}

void dial_ask(uint32_t id, const struct dial_request *dial) {
  int error = ask(find(id), id, dial);
  if (error) answer(id, dial->request, error);
}

void dial_answer(struct sandbox *sandbox, const struct slot_report *report, int fd) {
  if (sandbox->dials > 0) sandbox->dials--;
  if (fd < 0) answer(sandbox->dial_owner, report->job, report->status ? report->status : EIO);
  else handover_send_dial(sandbox->dial_owner, report->job, fd);
}
