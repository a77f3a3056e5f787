#include "idmap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sys.h"

static struct err write_file(int procfd, pid_t pid, const char *name, const char *text, size_t length) {
  char path[64];
  snprintf(path, sizeof path, "%d/%s", (int)pid, name);
  int fd = openat(procfd, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return fail(ERR_SYSTEM, errno, "open id map", NULL);
  ssize_t written = write(fd, text, length);
  int error = errno;
  close(fd);
  if (written != (ssize_t)length) return fail(ERR_SYSTEM, error, "write id map", NULL);
  return OK;
}

struct err idmap_write(int procfd, pid_t pid, uid_t inside_uid, uid_t outside_uid, gid_t inside_gid, gid_t outside_gid) {
  char line[64];
  TRY(write_file(procfd, pid, "setgroups", "deny", 4));
  int length = snprintf(line, sizeof line, "%u %u 1\n", inside_gid, outside_gid);
  TRY(write_file(procfd, pid, "gid_map", line, (size_t)length));
  length = snprintf(line, sizeof line, "%u %u 1\n", inside_uid, outside_uid);
  return write_file(procfd, pid, "uid_map", line, (size_t)length);
}

struct entry {
  uid_t owner_uid, guest_uid;
  gid_t owner_gid, guest_gid;
  int fd;
  unsigned long used;
};

#define CACHE_SIZE 512
static struct entry cache[CACHE_SIZE];
static size_t cached;
static unsigned long clock_tick;

static int sleep_until_closed(void *reading_end) {
  char byte;
  (void)!read(*(int *)reading_end, &byte, 1);
  return 0;
}

static struct err make_namespace(int procfd, const struct entry *wanted, int *out) {
  int gate[2];
  if (pipe2(gate, O_CLOEXEC) < 0) return fail(ERR_RESOURCE, errno, "pipe", NULL);
  static uint8_t stack[4096] __attribute__((aligned(16)));
  /* It only exists and sleeps: nothing of ours is copied for it. One at a time, since the stack is static. */
  pid_t pid = clone(sleep_until_closed, stack + sizeof stack, CLONE_NEWUSER | CLONE_VM | SIGCHLD, &gate[0]);
  if (pid < 0) {
    int error = errno;
    close(gate[0]);
    close(gate[1]);
    return fail(ERR_SYSTEM, error, "clone for id map", NULL);
  }
  close(gate[0]);
  struct err result =
      idmap_write(procfd, pid, wanted->owner_uid, wanted->guest_uid, wanted->owner_gid, wanted->guest_gid);
  if (!failed(result)) {
    char path[64];
    snprintf(path, sizeof path, "%d/ns/user", (int)pid);
    *out = openat(procfd, path, O_RDONLY | O_CLOEXEC);
    if (*out < 0) result = fail(ERR_SYSTEM, errno, "open user namespace", NULL);
  }
  kill(pid, SIGKILL); /* our child, not reaped yet: the number is still its own */
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
  close(gate[1]);
  return result;
}

struct err idmap_namespace(int procfd, uid_t owner_uid, gid_t owner_gid, uid_t guest_uid, gid_t guest_gid, int *out) {
  struct entry *oldest = &cache[0];
  for (size_t i = 0; i < cached; i++) {
    struct entry *e = &cache[i];
    if (e->owner_uid == owner_uid && e->owner_gid == owner_gid && e->guest_uid == guest_uid &&
        e->guest_gid == guest_gid) {
      e->used = ++clock_tick;
      *out = e->fd;
      return OK;
    }
    if (e->used < oldest->used) oldest = e;
  }
  struct entry fresh = {owner_uid, guest_uid, owner_gid, guest_gid, -1, 0};
  TRY(make_namespace(procfd, &fresh, &fresh.fd));
  fresh.used = ++clock_tick;
  if (cached < CACHE_SIZE) {
    cache[cached++] = fresh;
  } else {
    close(oldest->fd);
    *oldest = fresh;
  }
  *out = fresh.fd;
  return OK;
}
