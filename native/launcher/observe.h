/* An observer of file accesses that are refused, for plans that ask for one: calls on files by name come here on their way
   (seccomp_unotify(2)) and always go on. What cannot succeed is recorded: a path that the sandbox does not show and the host
   has, a place that is read-only inside, a file whose permissions say no.

   It decides nothing, and so may look at what a pointer leads to: a guest that changes a path in between deceives the record,
   and gains nothing by it. What the record says is what the observer expects, not what the kernel then answered. */
#ifndef CAISSON_OBSERVE_H
#define CAISSON_OBSERVE_H

#include <linux/seccomp.h>

#include "mount.h"

#define OBSERVE_RECORDS_MAX 256
#define OBSERVE_TEXT_MAX (64 * 1024)

enum observe_access { OBSERVE_READ = 1, OBSERVE_WRITE = 2, OBSERVE_EXECUTE = 4, OBSERVE_CHANGE = 8 };

struct observe_log {
  size_t count, used;
  uint64_t dropped; /* refusals beyond the room */
  uint64_t resolve; /* how paths are looked up: RESOLVE_* of openat2(2) */
  struct observe_record {
    uint32_t number, access, at, length;
    int32_t errnum;
    pid_t pid;
    uint64_t count;
    char program[16];
  } records[OBSERVE_RECORDS_MAX];
  char text[OBSERVE_TEXT_MAX];
};

/* Who observes whom. */
struct observer {
  const struct host *host;
  uid_t uid; /* of the guest, on the host */
  gid_t gid;
  struct observe_log *log;
};

/* A log to begin with, NULL without memory. Where a file system of the host may make who looks wait (a network's, a program's,
   one that is mounted on demand), the guest would choose how long: then only what the kernel knows already is looked at. */
struct observe_log *observe_begin(const struct host *host);

/* Whether the plan has this call observed. */
bool observe_wants(const struct plan *plan, uint32_t number);

/* Looks at a call that waits at `listener`, records it where it cannot succeed, and lets it go on in any case. `observer`
   may be NULL: then nobody looks. */
void observe_call(const struct observer *observer, int listener, const struct seccomp_notif *call);

/* RESULT's tags 28 and 29 (protocol/PROTOCOL.md). */
void observe_fields(struct out *out, const struct observe_log *log);

#endif
