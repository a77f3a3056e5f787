#include "notify.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "sys.h"

#define RESULT_TAG 23

/* musl's ioctl takes an int, which the numbers of reading commands do not fit. */
static long command(int listener, unsigned long number, const void *argument) {
  return syscall(SYS_ioctl, listener, number, argument);
}

static const struct notified *rule_of(const struct plan *plan, uint32_t number) {
  for (size_t i = 0; i < plan->notified_count; i++)
    if (plan->notified[i].number == number) return &plan->notified[i];
  return NULL;
}

void notify_look_up(int proc, pid_t thread, char program[16], pid_t *pid) {
  char text[512];
  program[0] = 0;
  *pid = thread;
  if (thread <= 0) return;
  snprintf(text, sizeof text, "%d/status", (int)thread);
  int fd = openat(proc, text, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  if (length <= 6) return;
  text[length] = 0;
  size_t name = strcspn(text + 6, "\n"); /* "Name:\t", where a newline in it is escaped */
  snprintf(program, 16, "%.*s", (int)(name < 15 ? name : 15), text + 6);
  const char *tgid = strstr(text + 6 + name, "\nTgid:");
  if (tgid) *pid = (pid_t)strtol(tgid + 6, NULL, 10);
}

static struct notify_record *record_of(struct notify_log *log, int listener, int proc, const struct seccomp_notif *call) {
  uint32_t number = (uint32_t)call->data.nr;
  pid_t thread = (pid_t)call->pid;
  /* Cheap for a flood: the thread of before is not looked up again. */
  for (size_t i = 0; i < log->count; i++)
    if (log->records[i].number == number && log->records[i].thread == thread) return &log->records[i];
  char program[16];
  pid_t pid;
  notify_look_up(proc, thread, program, &pid);
  /* The thread may have ended, and its number been given away, while it was looked up. */
  if (command(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &call->id) < 0) program[0] = 0;
  for (size_t i = 0; i < log->count; i++) {
    struct notify_record *record = &log->records[i];
    if (record->number != number || strcmp(record->program, program) != 0) continue;
    record->thread = thread;
    return record;
  }
  if (log->count == NOTIFY_RECORDS_MAX) return NULL;
  struct notify_record *record = &log->records[log->count++];
  *record = (struct notify_record){.number = number, .pid = pid, .thread = thread};
  for (int i = 0; i < 6; i++) record->args[i] = call->data.args[i];
  memcpy(record->program, program, sizeof program);
  return record;
}

enum notify_state notify_take(int listener, const struct plan *plan, int proc, struct notify_log *log,
                              const struct observer *observer) {
  /* Without a call that waits the ioctl would. */
  struct pollfd waiting = {.fd = listener, .events = POLLIN};
  if (poll(&waiting, 1, 0) <= 0) return NOTIFY_IDLE;
  if (!(waiting.revents & POLLIN)) return waiting.revents & (POLLHUP | POLLERR | POLLNVAL) ? NOTIFY_GONE : NOTIFY_IDLE;
  struct seccomp_notif call = {0}; /* the kernel refuses one that is not cleared */
  if (command(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) return errno == ENOENT || errno == EINTR ? NOTIFY_RETRY : NOTIFY_GONE;
  const struct notified *rule = rule_of(plan, (uint32_t)call.data.nr);
  if (!rule && observe_wants(plan, (uint32_t)call.data.nr)) {
    observe_call(observer, listener, &call);
    return NOTIFY_OBSERVED;
  }
  struct notify_record *record = log ? record_of(log, listener, proc, &call) : NULL;
  if (record) record->count++;
  else if (log) log->others++;
  if (rule && rule->ends && !(rule->spares && (uint32_t)call.data.args[0] == rule->spared)) {
    if (record) record->ended = true;
    return NOTIFY_ENDS;
  }
  struct seccomp_notif_resp answer = {.id = call.id, .error = rule ? -rule->errnum : -EPERM};
  /* ENOENT: killed or interrupted meanwhile. */
  command(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  return NOTIFY_ANSWERED;
}

void notify_fields(struct out *out, const struct notify_log *log) {
  for (size_t i = 0; i < log->count; i++) {
    const struct notify_record *record = &log->records[i];
    size_t mark = out_begin(out, RESULT_TAG);
    out_u32(out, 1, record->number);
    out_u64(out, 2, record->count);
    if (record->pid > 0) out_i32(out, 3, record->pid);
    out_bytes(out, 4, record->program, strnlen(record->program, sizeof record->program));
    for (uint16_t arg = 0; arg < 6; arg++) out_u64(out, (uint16_t)(5 + arg), record->args[arg]);
    if (record->ended) out_u32(out, 11, 1);
    out_end(out, mark);
  }
  if (!log->others) return;
  size_t mark = out_begin(out, RESULT_TAG);
  out_u64(out, 2, log->others);
  out_end(out, mark);
}

static const char *name_of(const struct plan *plan, uint32_t number) {
  const struct notified *rule = rule_of(plan, number);
  return rule ? rule->name : "a system call";
}

void notify_say(const struct plan *plan, const struct notify_log *log) {
  for (size_t i = 0; i < log->count; i++)
    if (log->records[i].ended)
      fprintf(stderr, "caisson: ended: %s is refused, and this policy ends a run for it; onViolation: record lets it go on\n",
              name_of(plan, log->records[i].number));
  for (size_t i = 0; i < log->count; i++) {
    const struct notify_record *record = &log->records[i];
    char program[sizeof record->program];
    snprintf(program, sizeof program, "%s", record->program);
    /* The guest's own to choose, and this may be a terminal. */
    for (char *at = program; *at; at++)
      if (*at < ' ' || *at > '~') *at = '?';
    fprintf(stderr, "caisson: refused: %s (%s, pid %d)", name_of(plan, record->number), program, (int)record->pid);
    if (record->count > 1) fprintf(stderr, ", %llu times", (unsigned long long)record->count);
    fputc('\n', stderr);
  }
}
