/* The probe says what is so, also where something is forbidden, and leaves nothing behind. */
#include <dirent.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../cgroup_base.h"
#include "../probe.h"
#include "harness.h"

/* u32 and i32 facts by tag; -1 when absent. */
static int64_t fact(const struct out *out, uint16_t tag) {
  struct span rest = {out->data, out->length};
  struct field field;
  bool bad;
  uint32_t value;
  while (wire_next(&rest, &field, &bad))
    if (field.tag == tag) return wire_u32(field.body, &value) ? (int64_t)value : -2;
  return -1;
}

static struct out probe(void) {
  struct out out = {0};
  CHECK(!failed(probe_facts(&out)));
  return out;
}

static void every_fact_is_there_once(void) {
  struct out out = probe();
  struct span rest = {out.data, out.length};
  struct field field;
  bool bad;
  uint32_t seen = 0;
  while (wire_next(&rest, &field, &bad)) {
    CHECK_THAT(((field.tag >= 1 && field.tag <= 21) || field.tag >= 24) && (field.tag <= 32 || field.tag == 40 || field.tag == 41) && (field.tag >= 32 || !(seen & 1u << field.tag)), "tag %d", field.tag);
    if (field.tag < 32) seen |= 1u << field.tag;
  }
  /* May be absent: 10 base, 15 file system, 19 LSMs, 31 audit. */
  CHECK(!bad && (seen | 1u << 10 | 1u << 15 | 1u << 19 | 1u << 31) == 0xff3ffffe);
  CHECK(fact(&out, 2) == (int64_t)geteuid());
  out_free(&out);
}

static int count_entries(const char *path) {
  DIR *dir = opendir(path);
  int count = 0;
  while (dir != NULL && readdir(dir) != NULL) count++;
  if (dir != NULL) closedir(dir);
  return count;
}

static char *read_mounts(void) {
  FILE *file = fopen("/proc/self/mountinfo", "re");
  char *text = calloc(1, 1 << 20);
  if (fread(text, 1, (1 << 20) - 1, file) == 0) text[0] = 0;
  fclose(file);
  return text;
}

static int left_in(const char *base) {
  char name[64];
  snprintf(name, sizeof name, "caisson-probe-%d", (int)getpid());
  DIR *dir = base[0] == 0 ? NULL : opendir(base);
  int count = 0;
  for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) count += strcmp(entry->d_name, name) == 0;
  if (dir != NULL) closedir(dir);
  return count;
}

static void nothing_is_left(void) {
  char *before = read_mounts();
  int descriptors = count_entries("/proc/self/fd");
  struct out out = probe();
  out_free(&out);
  char *after = read_mounts();
  CHECK(strcmp(before, after) == 0);
  CHECK(count_entries("/proc/self/fd") == descriptors);
  CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
  static struct cgroup_base base;
  CHECK(!failed(cgroup_base_find(&base)));
  int left = left_in(base.v2);
  for (int i = 0; i < CGROUP_V1_COUNT; i++) left += left_in(base.v1[i]);
  CHECK(left == 0);
  free(before);
  free(after);
}

/* Runs the probe in a child that may not use one system call, and returns one fact of it. */
static int64_t fact_without(int call, int error, uint16_t tag) {
  int ends[2];
  if (pipe(ends) != 0) abort();
  pid_t pid = fork();
  if (pid == 0) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) _exit(1);
    struct out out = {0};
    int64_t value = failed(probe_facts(&out)) ? -3 : fact(&out, tag);
    _exit(write(ends[1], &value, sizeof value) != sizeof value);
  }
  int64_t value = -4;
  close(ends[1]);
  if (read(ends[0], &value, sizeof value) != sizeof value) value = -5;
  close(ends[0]);
  waitpid(pid, NULL, 0);
  return value;
}

static void what_is_forbidden_is_told(void) {
  struct out out = probe();
  CHECK(fact_without(SYS_landlock_create_ruleset, ENOSYS, 3) == 0);
  CHECK(fact_without(SYS_unshare, EPERM, 5) == EPERM);
  if (fact(&out, 5) == 0) {
    CHECK(fact_without(SYS_mount, EPERM, 12) == 0);
    if (geteuid() != 0) CHECK(fact_without(SYS_unshare, EACCES, 7) == EACCES);
  } else {
    harness_skip("overlay without mount", "no user namespaces here");
  }
  CHECK(fact_without(SYS_fsopen, ENOSYS, 7) == ENOSYS || fact(&out, 7) != 0);
  CHECK(fact_without(SYS_open_tree, EPERM, 8) == EPERM || fact(&out, 5) != 0);
  CHECK(fact_without(SYS_pidfd_open, ENOSYS, 13) == 0);
  CHECK(fact_without(SYS_close_range, ENOSYS, 16) == 0);
  out_free(&out);
}

int main(void) {
  every_fact_is_there_once();
  nothing_is_left();
  what_is_forbidden_is_told();
  return harness_end("probe");
}
