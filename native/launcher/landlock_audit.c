#include "landlock_audit.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* linux/audit.h of Linux 6.15. */
#define AUDIT_LANDLOCK_ACCESS 1423
#define AUDIT_LANDLOCK_DOMAIN 1424

#define RECEIVE_BYTES (1 << 20)

int landlock_audit_open(void) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_AUDIT);
  if (fd < 0) return -1;
  struct sockaddr_nl group = {.nl_family = AF_NETLINK, .nl_groups = 1u << (AUDIT_NLGRP_READLOG - 1)};
  int room = RECEIVE_BYTES;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  if (bind(fd, (struct sockaddr *)&group, sizeof group) == 0) return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

/* A line of a record: not terminated. */
struct text {
  const char *at;
  size_t length;
};

/* "audit(SECONDS.MILLISECONDS:SERIAL): " is taken off. */
static bool take_stamp(struct text *text, uint64_t *serial) {
  static const char begin[] = "audit(";
  if (text->length < sizeof begin - 1 || memcmp(text->at, begin, sizeof begin - 1) != 0) return false;
  const char *end = memchr(text->at, ')', text->length), *colon = end ? memchr(text->at, ':', (size_t)(end - text->at)) : NULL;
  if (!colon) return false;
  uint64_t value = 0;
  for (const char *at = colon + 1; at < end; at++) {
    if (*at < '0' || *at > '9' || value > UINT64_MAX / 10 - 1) return false;
    value = value * 10 + (uint64_t)(*at - '0');
  }
  size_t done = (size_t)(end - text->at) + 1;
  if (done + 2 > text->length || memcmp(end, "): ", 3) != 0) return false;
  *serial = value;
  text->at += done + 2;
  text->length -= done + 2;
  return true;
}

/* The value of NAME=, which stands at the beginning or behind a space. What a guest chose stands in quotes or in hexadecimal
   (audit_log_untrustedstring), and neither can hold a space. */
static bool value_of(struct text text, const char *name, struct text *value) {
  size_t length = strlen(name);
  for (size_t at = 0; at + length < text.length; at++) {
    if (at == 0 || text.at[at - 1] == ' ') {
      if (text.at[at + length] == '=' && memcmp(text.at + at, name, length) == 0) {
        size_t first = at + length + 1, end = first;
        while (end < text.length && text.at[end] != ' ') end++;
        *value = (struct text){text.at + first, end - first};
        return true;
      }
    }
  }
  return false;
}

static bool number_of(struct text text, const char *name, unsigned base, uint64_t *number) {
  struct text value;
  if (!value_of(text, name, &value) || value.length == 0 || value.length > (base == 16 ? 16 : 19)) return false;
  *number = 0;
  for (size_t i = 0; i < value.length; i++) {
    char c = value.at[i];
    unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
    if (digit >= base) return false;
    *number = *number * base + digit;
  }
  return true;
}

static bool is_word(struct text value, const char *word) {
  return value.length == strlen(word) && memcmp(value.at, word, value.length) == 0;
}

static bool keep(struct landlock_log *log, struct text text, uint32_t *at, uint32_t *length) {
  if (text.length > sizeof log->text - log->used) return false;
  memcpy(log->text + log->used, text.at, text.length);
  *at = (uint32_t)log->used;
  *length = (uint32_t)text.length;
  log->used += text.length;
  return true;
}

static void note(struct landlock_reader *reader, struct landlock_log *log, uint64_t serial, struct text text) {
  for (size_t i = 0; i < log->count; i++) {
    struct landlock_line *line = &log->lines[i];
    if (line->length != text.length || memcmp(log->text + line->at, text.at, text.length) != 0) continue;
    line->count++;
    return;
  }
  struct landlock_line *line = &log->lines[log->count];
  if (log->count == LANDLOCK_LINES_MAX || !keep(log, text, &line->at, &line->length)) {
    log->dropped++;
    return;
  }
  line->serial = serial;
  line->count = 1;
  line->call_length = 0;
  log->count++;
  reader->recent[reader->newest++ % LANDLOCK_RECENT_MAX] = (struct landlock_recent){serial, log->domain};
}

static void take_access(struct landlock_reader *reader, uint64_t serial, struct text text, landlock_find find) {
  uint64_t domain;
  if (!number_of(text, "domain", 16, &domain) || domain == 0) return;
  struct landlock_log *log = find(domain, 0);
  if (log) {
    if (text.length > LANDLOCK_LINE_MAX) log->dropped++;
    else note(reader, log, serial, text);
    return;
  }
  /* The oldest one's domain was never told: it was not ours. */
  struct landlock_pending *pending = &reader->pending[reader->next++ % LANDLOCK_PENDING_MAX];
  *pending = (struct landlock_pending){.domain = domain, .serial = serial};
  if (text.length == 0 || text.length > sizeof pending->text) return;
  memcpy(pending->text, text.at, text.length);
  pending->length = text.length;
}

static void take_domain(struct landlock_reader *reader, struct text text, landlock_find find) {
  uint64_t domain, pid;
  struct text status;
  if (!number_of(text, "domain", 16, &domain) || domain == 0 || !value_of(text, "status", &status)) return;
  if (!is_word(status, "allocated") || !number_of(text, "pid", 10, &pid) || pid == 0 || pid > INT32_MAX) return;
  struct landlock_log *log = find(domain, (pid_t)pid);
  if (log && log->domain == 0) log->domain = domain;
  for (size_t i = 0; i < LANDLOCK_PENDING_MAX; i++) {
    struct landlock_pending *pending = &reader->pending[(reader->next + i) % LANDLOCK_PENDING_MAX];
    if (pending->domain != domain) continue;
    if (log && log->domain == domain && pending->length > 0) note(reader, log, pending->serial, (struct text){pending->text, pending->length});
    else if (log && log->domain == domain) log->dropped++;
    pending->domain = 0;
    pending->length = 0;
  }
}

/* Names no domain: its serial number is that of a refusal just before it. */
static void take_call(struct landlock_reader *reader, uint64_t serial, struct text text, landlock_find find) {
  for (size_t i = 0; i < LANDLOCK_RECENT_MAX; i++) {
    if (reader->recent[i].domain == 0 || reader->recent[i].serial != serial) continue;
    struct landlock_log *log = find(reader->recent[i].domain, 0);
    reader->recent[i].domain = 0;
    for (size_t at = log ? log->count : 0; at > 0; at--) {
      struct landlock_line *line = &log->lines[at - 1];
      if (line->serial == serial && line->call_length == 0 && text.length <= LANDLOCK_LINE_MAX)
        (void)keep(log, text, &line->call_at, &line->call_length);
    }
    return;
  }
}

void landlock_audit_take(struct landlock_reader *reader, uint32_t sender, const void *message, size_t length, landlock_find find) {
  struct nlmsghdr header;
  if (sender != 0 || length < sizeof header) return;
  memcpy(&header, message, sizeof header);
  /* The length that the kernel writes here is without this header in one version and with it in another: the datagram's holds. */
  if (header.nlmsg_type < AUDIT_SYSCALL) return;
  struct text text = {(const char *)message + sizeof header, length - sizeof header};
  text.length = strnlen(text.at, text.length);
  while (text.length > 0 && text.at[text.length - 1] == '\n') text.length--;
  uint64_t serial;
  if (!take_stamp(&text, &serial)) return;
  if (header.nlmsg_type == AUDIT_LANDLOCK_ACCESS) take_access(reader, serial, text, find);
  else if (header.nlmsg_type == AUDIT_LANDLOCK_DOMAIN) take_domain(reader, text, find);
  else if (header.nlmsg_type == AUDIT_SYSCALL) take_call(reader, serial, text, find);
}

void landlock_audit_fields(struct out *out, const struct landlock_log *log) {
  for (size_t i = 0; i < log->count; i++) {
    const struct landlock_line *line = &log->lines[i];
    size_t mark = out_begin(out, 26);
    out_bytes(out, 1, log->text + line->at, line->length);
    if (line->call_length) out_bytes(out, 2, log->text + line->call_at, line->call_length);
    out_u64(out, 3, line->count);
    out_end(out, mark);
  }
  if (log->dropped) out_u64(out, 27, log->dropped);
}
