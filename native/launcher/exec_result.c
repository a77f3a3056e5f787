/* What is said of an exec that ended: what ended it, what it used, what it wrote. */
#include <sys/wait.h>

#include "state.h"

static bool ended_by(const struct slot_report *report, int signal) {
  return WIFSIGNALED(report->status) && WTERMSIG(report->status) == signal;
}

void exec_account(struct exec *exec, const struct slot_report *report) {
  exec->report = *report;
  if (exec->sandbox->cell->grouped) {
    cgroup_cell_read(&exec->sandbox->cell->cgroup, &exec->usage);
    /* An init that is killed waits for nobody: what ran in it, its group alone has counted. */
    if (exec->cause && !exec->sandbox->keep && exec->usage.cpu_us > report->user_us + report->system_us)
      exec->report.user_us = exec->usage.cpu_us - report->system_us;
    if (exec->usage.out_of_memory) {
      exec->limits_hit |= LIMIT_MEMORY;
      if (exec->cause == CAUSE_SELF && ended_by(report, SIGKILL)) exec->cause = CAUSE_MEMORY;
    }
    if (exec->usage.processes_hit) exec->limits_hit |= LIMIT_PROCESSES;
  }
  if (exec->cause == CAUSE_MEMORY) exec->limits_hit |= LIMIT_MEMORY;
  if (ended_by(report, SIGXFSZ)) exec->limits_hit |= LIMIT_FILE;
  if (ended_by(report, SIGXCPU)) {
    exec->limits_hit |= LIMIT_CPU;
    if (exec->cause == CAUSE_SELF) exec->cause = CAUSE_CPU;
  }
}

void usage_fields(struct out *out, const struct cgroup_usage *group, const struct slot_report *report) {
  out_u64(out, 4, report->user_us);
  out_u64(out, 5, report->system_us);
  out_u64(out, 6, group->memory_peak_valid ? group->memory_peak : report->max_rss_bytes);
  out_u32(out, 7, group->memory_peak_valid ? 1 : 2);
  if (!group->io_valid) return;
  out_u64(out, 24, group->read_bytes);
  out_u64(out, 25, group->written_bytes);
}

/* What one stream does not need is the other's; what is cut for want of room is told as a limit that was hit. */
static void finish_output(struct exec *exec) {
  for (int i = 0; i < 2; i++) capture_finish(&exec->out[i]);
  const size_t half = RESULT_OUTPUT_MAX / 2, lengths[2] = {exec->out[0].length, exec->out[1].length};
  for (int i = 0; i < 2; i++) {
    size_t other = lengths[1 - i], most = other < half ? RESULT_OUTPUT_MAX - other : half;
    if (capture_shrink(&exec->out[i], most)) exec->limits_hit |= LIMIT_OUTPUT;
  }
}

void exec_send_result(struct exec *exec) {
  static struct out body;
  struct sandbox *sandbox = exec->sandbox;
  const struct slot_report *report = &exec->report;
  uint64_t now = clock_ns();
  body.length = 0;
  finish_output(exec);
  out_i32(&body, 1, report->status);
  out_u32(&body, 2, exec->cause);
  out_u32(&body, 3, exec->limits_hit);
  usage_fields(&body, &exec->usage, report);
  if (!exec->started_ns || exec->started_ns > exec->ended_ns) exec->started_ns = exec->ended_ns;
  out_u64(&body, 9, exec->started_ns - exec->received_ns);
  out_u64(&body, 10, exec->ended_ns - exec->started_ns);
  out_u64(&body, 11, now - exec->ended_ns);
  for (uint16_t i = 0; i < 2; i++) {
    struct capture *capture = &exec->out[i];
    if (capture->mode == STDIO_CAPTURE) {
      out_bytes(&body, (uint16_t)(12 + i), capture->bytes, capture->length);
      if (capture->head) out_u64(&body, (uint16_t)(16 + i), capture->head);
    }
    out_u64(&body, (uint16_t)(14 + i), capture->total);
  }
  out_u32(&body, 18, sandbox->from_slot);
  out_u32(&body, 20, report->left);
  traffic_fields(&body, sandbox);
  if (exec->refused) notify_fields(&body, exec->refused);
  exec_audit_fields(&body, exec);
  if (exec->observed) observe_fields(&body, exec->observed);
  if (body.failed) {
    S.client_gone = true;
    return;
  }
  client_send(FRAME_RESULT, exec->id, body.data, body.length);
}
