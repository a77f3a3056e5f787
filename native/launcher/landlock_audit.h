/* Landlock's refusals out of the kernel's audit log (linux/audit.h, AUDIT_LANDLOCK_ACCESS and _DOMAIN of Linux 6.15), as its
   multicast group tells them to whoever has CAP_AUDIT_READ. Listening changes nothing of the log; it is never switched on.
   The records are the kernel's own text: here they are only given to the command whose domain they name. */
#ifndef CAISSON_LANDLOCK_AUDIT_H
#define CAISSON_LANDLOCK_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire.h"

#define LANDLOCK_LINES_MAX 128
#define LANDLOCK_TEXT_MAX (48 * 1024)
#define LANDLOCK_LINE_MAX 6144 /* a path of PATH_MAX bytes in hexadecimal does not fit, and is told as dropped */

/* What was refused to one command. Equal refusals are one line. */
struct landlock_log {
  pid_t pid;           /* of the process that restricted itself, in our pid namespace */
  uint64_t domain;     /* 0: not known yet */
  uint64_t dropped;    /* refusals beyond the room, and records that the kernel could not keep for us, at least */
  size_t count, used;
  struct landlock_line {
    uint32_t at, length;           /* what stands behind the stamp of the first */
    uint32_t call_at, call_length; /* the system call's record of the first; length 0: none came */
    uint64_t serial, count;
  } lines[LANDLOCK_LINES_MAX];
  char text[LANDLOCK_TEXT_MAX];
};

/* The log of a domain; with a domain that nobody has yet, of the process that made it. NULL: not one of ours. */
typedef struct landlock_log *(*landlock_find)(uint64_t domain, pid_t pid);

/* A refusal comes before the record that says whose domain it was; that one comes once for each domain. */
#define LANDLOCK_PENDING_MAX 32
#define LANDLOCK_RECENT_MAX 32
struct landlock_reader {
  size_t next, newest;
  struct landlock_recent {
    uint64_t serial, domain; /* domain 0: free */
  } recent[LANDLOCK_RECENT_MAX];
  struct landlock_pending {
    uint64_t domain, serial;
    size_t length; /* 0: free */
    char text[LANDLOCK_LINE_MAX];
  } pending[LANDLOCK_PENDING_MAX];
};

/* A socket in the log's multicast group, that does not wait; -1 with errno. Asking for nothing else, and changing nothing. */
int landlock_audit_open(void);

/* One message as it came from the port `sender`: the kernel's is 0, and no other is heard. */
void landlock_audit_take(struct landlock_reader *reader, uint32_t sender, const void *message, size_t length, landlock_find find);

/* RESULT's tags 26 and 27 (protocol/PROTOCOL.md). */
void landlock_audit_fields(struct out *out, const struct landlock_log *log);

#endif
