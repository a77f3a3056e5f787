/* Over 300 lines: it is data. protocol/golden/NAME.json says the same to a reader and to the TypeScript test. */
#include "golden.h"

#include <stdlib.h>
#include <string.h>

#include "../frame.h"
#include "../plan.h"

void out_raw(struct out *out, const void *data, size_t length) {
  size_t at = out->length;
  out_bytes(out, 0, data, length);
  if (out->failed) abort();
  memmove(out->data + at, out->data + at + 8, length);
  out->length -= 8;
}

static struct out wrapped(const char *magic, struct span record) {
  struct out out = {0};
  out_raw(&out, magic, 8);
  out_raw(&out, "\1\0\0\0", 4);
  uint8_t length[4];
  for (int i = 0; i < 4; i++) length[i] = (uint8_t)(record.length >> (8 * i));
  out_raw(&out, length, 4);
  out_raw(&out, record.data, record.length);
  return out;
}

struct out plan_wrapped(struct span record) { return wrapped("CAISPLAN", record); }
struct out host_plan_wrapped(struct span record) { return wrapped("CAISHOST", record); }

struct out record_patched(struct span record, uint16_t tag, const void *data, size_t length) {
  struct out out = {0};
  struct field field;
  bool bad, done = false;
  while (wire_next(&record, &field, &bad)) {
    if (field.tag != tag || done) {
      out_bytes(&out, field.tag, field.body.data, field.body.length);
      continue;
    }
    if (length != SIZE_MAX) out_bytes(&out, tag, data, length);
    done = true;
  }
  if (!done && length != SIZE_MAX) out_bytes(&out, tag, data, length);
  if (out.failed) abort();
  return out;
}

/* What a mount has besides kind and target; only what is given is written. */
struct extra {
  const char *source;
  uint32_t flags;
  uint64_t bytes, inodes;
  uint32_t mode;
  const char *content;
  uint32_t major, minor;
  const char *upper, *work;
};

static void mount_step(struct out *out, uint16_t tag, enum mount_kind kind, const char *target, struct extra extra) {
  size_t mark = out_begin(out, tag);
  out_u32(out, 1, kind);
  if (extra.source != NULL) out_str(out, 2, extra.source);
  out_str(out, 3, target);
  if (extra.flags != 0) out_u32(out, 4, extra.flags);
  if (extra.bytes != 0) out_u64(out, 5, extra.bytes);
  if (extra.inodes != 0) out_u64(out, 6, extra.inodes);
  if (extra.mode != 0) out_u32(out, 7, extra.mode);
  if (extra.content != NULL) out_bytes(out, 8, extra.content, strlen(extra.content));
  if (kind == MOUNT_DEVICE) {
    out_u32(out, 9, extra.major);
    out_u32(out, 10, extra.minor);
  }
  if (extra.upper != NULL) out_str(out, 11, extra.upper);
  if (extra.work != NULL) out_str(out, 12, extra.work);
  out_end(out, mark);
}

static void path_rule(struct out *out, uint16_t tag, uint64_t access, const char *path) {
  size_t mark = out_begin(out, tag);
  out_u64(out, 1, access);
  out_str(out, 2, path);
  out_end(out, mark);
}

static void port_rule(struct out *out, uint64_t access, uint64_t port) {
  size_t mark = out_begin(out, 6);
  out_u64(out, 1, access);
  out_u64(out, 2, port);
  out_end(out, mark);
}

static void rlimit(struct out *out, uint16_t tag, uint32_t resource, uint64_t soft, uint64_t hard) {
  size_t mark = out_begin(out, tag);
  out_u32(out, 1, resource);
  out_u64(out, 2, soft);
  out_u64(out, 3, hard);
  out_end(out, mark);
}

static void capabilities(struct out *out, uint64_t bounding, uint64_t others, uint32_t securebits) {
  size_t mark = out_begin(out, 8);
  out_u64(out, 1, bounding);
  for (uint16_t tag = 2; tag <= 5; tag++) out_u64(out, tag, others);
  out_u32(out, 6, securebits);
  out_end(out, mark);
}

static void plan_minimal(struct out *out) {
  struct out record = {0};
  out_u32(&record, 1, 0x30020000);
  out_u32(&record, 2, 65534);
  out_u32(&record, 3, 65533);
  out_str(&record, 4, "x");
  mount_step(&record, 5, MOUNT_TMPFS, "/", (struct extra){.mode = 0755});
  capabilities(&record, 0, 0, 0);
  size_t mark = out_begin(&record, 11);
  out_u32(&record, 4, 0);
  out_end(&record, mark);
  *out = plan_wrapped(span_of(&record));
  out_free(&record);
}

static void notified(struct out *out, uint32_t number, uint32_t errnum, uint32_t ends, const char *name) {
  size_t mark = out_begin(out, 15);
  out_u32(out, 1, number);
  out_u32(out, 2, errnum);
  out_u32(out, 3, ends);
  out_str(out, 4, name);
  if (number == 101) out_u32(out, 5, 16);
  out_end(out, mark);
}

static void plan_network(struct out *out) {
  struct out record = {0};
  out_u32(&record, 1, 0x70020000);
  out_u32(&record, 2, 65534);
  out_u32(&record, 3, 65533);
  out_str(&record, 4, "x");
  mount_step(&record, 5, MOUNT_TMPFS, "/", (struct extra){.mode = 0755});
  capabilities(&record, 0, 0, 0);
  size_t mark = out_begin(&record, 11);
  out_u32(&record, 4, 0);
  out_end(&record, mark);
  mark = out_begin(&record, 14);
  out_u32(&record, 1, 1);
  out_u32(&record, 2, 61000);
  out_end(&record, mark);
  *out = plan_wrapped(span_of(&record));
  out_free(&record);
}

static void plan_notified(struct out *out) {
  struct out record = {0};
  out_u32(&record, 1, 0x30020000);
  out_u32(&record, 2, 65534);
  out_u32(&record, 3, 65533);
  out_str(&record, 4, "x");
  mount_step(&record, 5, MOUNT_TMPFS, "/", (struct extra){.mode = 0755});
  /* ld [0]; ret user_notif */
  out_bytes(&record, 6, "\x20\0\0\0\0\0\0\0\6\0\0\0\0\0\xc0\x7f", 16);
  capabilities(&record, 0, 0, 0);
  size_t mark = out_begin(&record, 11);
  out_u32(&record, 4, 0);
  out_end(&record, mark);
  notified(&record, 101, 1, 1, "ptrace");
  notified(&record, 250, 38, 0, "keyctl");
  *out = plan_wrapped(span_of(&record));
  out_free(&record);
}

static void plan_side_channels(struct out *out) {
  struct out record = {0};
  struct out minimal = {0};
  plan_minimal(&minimal);
  out_raw(&record, minimal.data + 16, minimal.length - 16);
  out_u32(&record, 16, 29);
  *out = plan_wrapped(span_of(&record));
  out_free(&minimal);
  out_free(&record);
}

static void plan_mounts(struct out *out) {
  mount_step(out, 5, MOUNT_TMPFS, "/", (struct extra){.flags = MF_NOSUID | MF_NODEV, .bytes = 1048576, .inodes = 1024, .mode = 0755});
  mount_step(out, 5, MOUNT_DIRECTORY, "/usr", (struct extra){.mode = 0755});
  mount_step(out, 5, MOUNT_BIND, "/usr",
             (struct extra){.source = "/usr", .flags = MF_READONLY | MF_NOSUID | MF_NODEV | MF_RECURSIVE});
  mount_step(out, 5, MOUNT_BIND, "/nix",
             (struct extra){.source = "/nix", .flags = MF_READONLY | MF_NOEXEC | MF_OPTIONAL | MF_NOSYMFOLLOW});
  mount_step(out, 5, MOUNT_SYMLINK, "/bin", (struct extra){.content = "usr/bin"});
  mount_step(out, 5, MOUNT_PROC, "/proc", (struct extra){0});
  mount_step(out, 5, MOUNT_DEVPTS, "/dev/pts", (struct extra){0});
  mount_step(out, 5, MOUNT_MQUEUE, "/dev/mqueue", (struct extra){0});
  mount_step(out, 5, MOUNT_SYSFS, "/sys", (struct extra){0});
  mount_step(out, 5, MOUNT_DEVICE, "/dev/null", (struct extra){.source = "/dev/null", .major = 1, .minor = 3});
  mount_step(out, 5, MOUNT_FILE, "/etc/hosts", (struct extra){.content = "127.0.0.1 localhost caf\xc3\xa9\n", .mode = 0644});
  mount_step(out, 5, MOUNT_FILE, "/etc/empty", (struct extra){.content = "", .mode = 0444});
  mount_step(out, 5, MOUNT_TMPFS, "/tmp",
             (struct extra){.flags = MF_NOSUID | MF_NODEV | MF_PRIVATE, .bytes = 8589934592u, .mode = 01777});
  mount_step(out, 5, MOUNT_MASK, "/proc/kcore", (struct extra){0});
}

static void plan_landlock(struct out *out) {
  size_t mark = out_begin(out, 7);
  out_u32(out, 1, 6);
  out_u64(out, 2, 0xffff);
  out_u64(out, 3, 3);
  out_u64(out, 4, 3);
  path_rule(out, 5, 0xd, "/usr");
  path_rule(out, 5, 0xffff, "/tmp");
  port_rule(out, 2, 443);
  port_rule(out, 1, 65535);
  out_end(out, mark);
}

static void plan_full(struct out *out) {
  struct out record = {0};
  out_u32(&record, 1, 0x7e020000);
  out_u32(&record, 2, 1000);
  out_u32(&record, 3, 1001);
  out_str(&record, 4, "caisson");
  plan_mounts(&record);
  /* ld [4]; ret allow */
  out_bytes(&record, 6, "\x20\0\0\0\4\0\0\0\6\0\0\0\0\0\xff\x7f", 16);
  plan_landlock(&record);
  capabilities(&record, 0x401, 0x1, 0xef);
  rlimit(&record, 9, 7, 256, 1024);
  rlimit(&record, 9, 4, 0, 0);
  rlimit(&record, 9, 3, 8388608, UINT64_MAX);
  size_t mark = out_begin(&record, 10);
  out_u64(&record, 1, 268435456);
  out_u64(&record, 2, 201326592);
  out_u64(&record, 3, 150000);
  out_u64(&record, 4, 100000);
  out_u32(&record, 5, 100);
  out_u64(&record, 6, 64);
  out_u64(&record, 7, 10485760);
  out_u64(&record, 8, 5242880);
  out_u64(&record, 11, 0);
  out_end(&record, mark);
  mark = out_begin(&record, 11);
  out_u64(&record, 1, 30000);
  out_u64(&record, 2, 10000);
  out_u64(&record, 3, 1048576);
  out_u32(&record, 4, 1);
  out_end(&record, mark);
  out_str(&record, 12, "/home");
  out_str(&record, 12, "/srv");
  *out = plan_wrapped(span_of(&record));
  out_free(&record);
}

static void plan_host(struct out *out) {
  struct out record = {0};
  out_u32(&record, 1, 1);
  rlimit(&record, 2, 1, 1048576, 1048576);
  rlimit(&record, 2, 4, 0, 0);
  size_t mark = out_begin(&record, 3);
  out_u64(&record, 1, 268435456);
  out_u64(&record, 6, 64);
  out_u64(&record, 11, 0);
  out_end(&record, mark);
  mark = out_begin(&record, 4);
  out_u64(&record, 1, 30000);
  out_u32(&record, 4, 1);
  out_end(&record, mark);
  out_u64(&record, 5, 128);
  *out = host_plan_wrapped(span_of(&record));
  out_free(&record);
}

static void job_minimal(struct out *out) {
  out_str(out, 1, "/bin/true");
}

/* Rules stand right after mounts, as the TypeScript encoder writes them; between different tags any order is accepted. */
static void job_full(struct out *out) {
  out_str(out, 1, "sh");
  out_str(out, 1, "-c");
  out_str(out, 1, "");
  out_str(out, 1, "caf\xc3\xa9");
  out_str(out, 2, "PATH=/usr/bin");
  out_str(out, 2, "EMPTY=");
  out_str(out, 3, "/work");
  mount_step(out, 4, MOUNT_BIND, "/work", (struct extra){.source = "/home/user/project", .flags = MF_NOSUID | MF_NODEV | MF_IDMAP});
  mount_step(out, 4, MOUNT_OVERLAY, "/home/user",
             (struct extra){.source = "/home/user", .flags = MF_NOSUID | MF_NODEV, .upper = "/var/tmp/u", .work = "/var/tmp/w"});
  mount_step(out, 4, MOUNT_READONLY, "/work/.git/config", (struct extra){0});
  path_rule(out, 8, 0xffff, "/work");
  rlimit(out, 5, 7, 64, 64);
  size_t mark = out_begin(out, 6);
  out_u64(out, 1, 134217728);
  out_u64(out, 6, 32);
  out_end(out, mark);
  mark = out_begin(out, 7);
  out_u64(out, 1, 5000);
  out_end(out, mark);
  out_u32(out, 9, 1);
  out_u32(out, 11, 2);
  out_bytes(out, 12, "a\0b", 3);
}

static void job_pty(struct out *out) {
  out_str(out, 1, "bash");
  out_str(out, 2, "TERM=xterm");
  out_u32(out, 9, 2);
  out_u32(out, 10, 2);
  out_u32(out, 11, 0);
  size_t mark = out_begin(out, 13);
  out_u32(out, 1, 24);
  out_u32(out, 2, 80);
  out_end(out, mark);
}

static void nothing(struct out *out) { (void)out; }

static void hello(struct out *out) { out_u32(out, 1, 1); }

static void hello_reply(struct out *out) {
  out_u32(out, 1, 1);
  out_str(out, 2, "0.1.0");
}

static void plan_frame(struct out *out) {
  struct out plan = {0};
  plan_minimal(&plan);
  out_bytes(out, 1, plan.data, plan.length);
  out_u32(out, 2, 8);
  out_u32(out, 3, 1);
  out_free(&plan);
}

static void open_frame(struct out *out) {
  out_u32(out, 1, 1);
  size_t mark = out_begin(out, 2);
  out_str(out, 3, "/work");
  mount_step(out, 4, MOUNT_BIND, "/work", (struct extra){.source = "/srv/work"});
  out_end(out, mark);
}

static void exec_in(struct out *out, uint16_t tag, uint32_t id) {
  out_u32(out, tag, id);
  size_t mark = out_begin(out, 3);
  job_minimal(out);
  out_end(out, mark);
}

static void exec_plan(struct out *out) { exec_in(out, 1, 1); }
static void exec_sandbox(struct out *out) { exec_in(out, 2, 2); }
static void raw_input(struct out *out) { out_raw(out, "line\n\0", 6); }
static void raw_output(struct out *out) { out_raw(out, "out\n", 4); }
static void raw_error(struct out *out) { out_raw(out, "err\n", 4); }

static void two_u32(struct out *out, uint32_t first, uint32_t second) {
  out_u32(out, 1, first);
  out_u32(out, 2, second);
}

static void credit(struct out *out) { two_u32(out, 2, 65536); }
static void signal_frame(struct out *out) { out_i32(out, 1, 15); }
static void winsize(struct out *out) { two_u32(out, 50, 132); }

static void files_write(struct out *out) {
  two_u32(out, 7, 4);
  out_str(out, 3, "/work/a.txt");
  out_u64(out, 4, 0);
  out_bytes(out, 6, "data", 4);
  out_u32(out, 7, 0644);
  out_u32(out, 9, 3);
}

static void freeze(struct out *out) { out_u32(out, 1, 1); }
static void opened(struct out *out) { out_i32(out, 1, 4242); }

static void freeze_exec(struct out *out) {
  out_u32(out, 1, 0);
  out_u32(out, 2, 3);
}
static void usage_exec(struct out *out) { out_u32(out, 1, 3); }

static void usage(struct out *out) {
  out_u32(out, 3, 5);
  out_u64(out, 4, 1500);
  out_u64(out, 5, 500);
  out_u64(out, 6, 12582912);
  out_u32(out, 7, 1);
  out_u64(out, 8, 3);
}

static void refusal(struct out *out, uint32_t protocol, const char *address, uint32_t port, uint64_t packets) {
  size_t mark = out_begin(out, 21);
  out_u32(out, 1, protocol);
  out_bytes(out, 2, address, 16);
  out_u32(out, 3, port);
  out_u64(out, 4, packets);
  out_end(out, mark);
}

static void usage_process(struct out *out) {
  usage(out);
  out_i32(out, 40, 4321);
}

static void usage_network(struct out *out) {
  usage(out);
  refusal(out, 17, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x08\x08\x08\x08", 443, 4294967297u);
  refusal(out, 6, "\x20\x01\x0d\xb8\0\0\0\x01\0\0\0\0\0\0\0\x01", 80, 1);
  refusal(out, 58, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 0, 2);
  refusal(out, 132, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 0, 3);
  size_t mark = out_begin(out, 22);
  for (uint16_t tag = 1; tag <= 5; tag++) out_u64(out, tag, tag * 1000u);
  out_end(out, mark);
}

static void stats(struct out *out) {
  out_u64(out, 1, 123456789012u);
  out_u32(out, 2, 4);
  size_t mark = out_begin(out, 3);
  out_u32(out, 1, 2);
  out_u32(out, 2, 1);
  for (uint16_t tag = 3; tag <= 8; tag++) out_u64(out, tag, tag * 1000u);
  size_t network = out_begin(out, 9);
  for (uint16_t tag = 1; tag <= 5; tag++) out_u64(out, tag, tag * 10u);
  out_end(out, network);
  out_u32(out, 10, 1);
  out_end(out, mark);
  mark = out_begin(out, 3);
  out_u32(out, 1, 3);
  out_u32(out, 2, 2);
  out_u64(out, 3, 20000);
  out_end(out, mark);
}

static void result(struct out *out) {
  out_i32(out, 1, 0x300);
  out_u32(out, 2, 0);
  usage(out);
  out_u64(out, 9, 250000);
  out_u64(out, 10, 1000000);
  out_u64(out, 11, 400000);
  out_bytes(out, 12, "headtail", 8);
  out_bytes(out, 13, "", 0);
  out_u64(out, 14, 100);
  out_u64(out, 15, 0);
  out_u64(out, 16, 4);
  out_u32(out, 18, 1);
  out_u32(out, 20, 2);
}

static void result_refused(struct out *out) {
  result(out);
  size_t mark = out_begin(out, 23);
  out_u32(out, 1, 165);
  out_u64(out, 2, 4294967296u);
  out_i32(out, 3, 4242);
  out_bytes(out, 4, "a\x1b[2J", 5);
  for (uint16_t arg = 0; arg < 6; arg++) out_u64(out, (uint16_t)(5 + arg), arg == 3 ? 4096 : UINT64_MAX);
  out_u32(out, 11, 1);
  out_end(out, mark);
  mark = out_begin(out, 23);
  out_u64(out, 2, 7);
  out_end(out, mark);
}

static void closed(struct out *out) {
  usage(out);
  out_u32(out, 20, 1);
}

static void error_frame(struct out *out) {
  out_u32(out, 1, 3);
  out_str(out, 2, "job_parse");
  out_i32(out, 3, 22);
  out_str(out, 4, "cwd: not absolute and normal");
}

static void files_reply(struct out *out) {
  out_u32(out, 1, 7);
  out_i32(out, 2, 0);
  size_t mark = out_begin(out, 4);
  out_str(out, 1, "a.txt");
  out_u32(out, 2, 0100644);
  out_u64(out, 3, 4);
  out_u64(out, 4, 1700000000123456789u);
  out_u64(out, 7, 0x8000000000000001u);
  out_u64(out, 8, 1700000000123456790u);
  out_u64(out, 9, 1700000000127456790u);
  out_end(out, mark);
  mark = out_begin(out, 4);
  out_str(out, 1, "null");
  out_u32(out, 2, 020666);
  out_u64(out, 3, 0);
  out_u64(out, 4, 0);
  out_u32(out, 5, 1);
  out_u32(out, 6, 3);
  out_end(out, mark);
  out_u32(out, 6, 1);
}

static void facts(struct out *out) {
  out_str(out, 1, "6.18.0");
  out_u32(out, 2, 0);
  out_u32(out, 3, 7);
  out_u32(out, 4, 1);
  for (uint16_t tag = 5; tag <= 7; tag++) out_i32(out, tag, 0);
  out_i32(out, 8, 22);
  out_u32(out, 9, 0x7e1);
  out_str(out, 10, "/sys/fs/cgroup");
  out_u64(out, 11, 0x1ffffffffff);
  out_u32(out, 12, 1);
  out_u32(out, 13, 1);
  out_str(out, 14, "x86_64");
  out_str(out, 15, "ext4");
  out_u32(out, 16, 1);
  out_i32(out, 17, 0);
  out_i32(out, 18, 0);
  out_str(out, 19, "capability,landlock");
  out_i32(out, 20, 0);
}

static void dial(struct out *out) {
  out_u32(out, 1, 5);
  out_u32(out, 2, 8080);
}

static void dial_datagram(struct out *out) {
  static const uint8_t address[16] = {[10] = 0xff, 0xff, 198, 51, 100, 7};
  out_u32(out, 1, 6);
  out_u32(out, 2, 123);
  out_bytes(out, 3, address, sizeof address);
}

static void dialed(struct out *out) {
  out_u32(out, 1, 5);
  out_i32(out, 2, 111);
}

static void stdin_credit(struct out *out) { out_u32(out, 1, 4096); }

const struct golden goldens[] = {
    {"plan-minimal", GOLDEN_PLAN, plan_minimal, 0, 0},
    {"plan-full", GOLDEN_PLAN, plan_full, 0, 0},
    {"plan-notified", GOLDEN_PLAN, plan_notified, 0, 0},
    {"plan-side-channels", GOLDEN_PLAN, plan_side_channels, 0, 0},
    {"plan-network", GOLDEN_PLAN, plan_network, 0, 0},
    {"plan-host", GOLDEN_HOST_PLAN, plan_host, 0, 0},
    {"job-minimal", GOLDEN_JOB, job_minimal, 0, 0},
    {"job-full", GOLDEN_JOB, job_full, 0, 0},
    {"job-pty", GOLDEN_JOB, job_pty, 0, 0},
    {"frame-hello", GOLDEN_FRAME, hello, FRAME_HELLO, 0},
    {"frame-hello-reply", GOLDEN_FRAME, hello_reply, FRAME_HELLO, 0},
    {"frame-plan", GOLDEN_FRAME, plan_frame, FRAME_PLAN, 1},
    {"frame-open", GOLDEN_FRAME, open_frame, FRAME_OPEN, 2},
    {"frame-exec-plan", GOLDEN_FRAME, exec_plan, FRAME_EXEC, 3},
    {"frame-exec-sandbox", GOLDEN_FRAME, exec_sandbox, FRAME_EXEC, 4},
    {"frame-stdin", GOLDEN_FRAME, raw_input, FRAME_STDIN, 3},
    {"frame-stdin-end", GOLDEN_FRAME, nothing, FRAME_STDIN, 3},
    {"frame-credit", GOLDEN_FRAME, credit, FRAME_CREDIT, 3},
    {"frame-signal", GOLDEN_FRAME, signal_frame, FRAME_SIGNAL, 3},
    {"frame-winsize", GOLDEN_FRAME, winsize, FRAME_WINSIZE, 3},
    {"frame-kill", GOLDEN_FRAME, nothing, FRAME_KILL, 3},
    {"frame-close", GOLDEN_FRAME, nothing, FRAME_CLOSE, 2},
    {"frame-files", GOLDEN_FRAME, files_write, FRAME_FILES, 2},
    {"frame-probe", GOLDEN_FRAME, nothing, FRAME_PROBE, 0},
    {"frame-freeze", GOLDEN_FRAME, freeze, FRAME_FREEZE, 2},
    {"frame-freeze-exec", GOLDEN_FRAME, freeze_exec, FRAME_FREEZE, 9},
    {"frame-usage-exec", GOLDEN_FRAME, usage_exec, FRAME_USAGE, 9},
    {"frame-usage", GOLDEN_FRAME, nothing, FRAME_USAGE, 2},
    {"frame-stats", GOLDEN_FRAME, nothing, FRAME_STATS, 9},
    {"frame-stats-reply", GOLDEN_FRAME, stats, FRAME_STATS_REPLY, 9},
    {"frame-dial", GOLDEN_FRAME, dial, FRAME_DIAL, 2},
    {"frame-dial-datagram", GOLDEN_FRAME, dial_datagram, FRAME_DIAL, 2},
    {"frame-dialed", GOLDEN_FRAME, dialed, FRAME_DIALED, 2},
    {"frame-ready", GOLDEN_FRAME, nothing, FRAME_READY, 1},
    {"frame-opened", GOLDEN_FRAME, opened, FRAME_OPENED, 2},
    {"frame-started", GOLDEN_FRAME, opened, FRAME_STARTED, 3},
    {"frame-stdout", GOLDEN_FRAME, raw_output, FRAME_STDOUT, 3},
    {"frame-stderr", GOLDEN_FRAME, raw_error, FRAME_STDERR, 3},
    {"frame-result", GOLDEN_FRAME, result, FRAME_RESULT, 3},
    {"frame-result-refused", GOLDEN_FRAME, result_refused, FRAME_RESULT, 3},
    {"frame-closed", GOLDEN_FRAME, closed, FRAME_CLOSED, 2},
    {"frame-error", GOLDEN_FRAME, error_frame, FRAME_ERROR, 3},
    {"frame-files-reply", GOLDEN_FRAME, files_reply, FRAME_FILES_REPLY, 2},
    {"frame-facts", GOLDEN_FRAME, facts, FRAME_FACTS, 0},
    {"frame-stdin-credit", GOLDEN_FRAME, stdin_credit, FRAME_STDIN_CREDIT, 3},
    {"frame-usage-reply", GOLDEN_FRAME, usage, FRAME_USAGE_REPLY, 2},
    {"frame-usage-process", GOLDEN_FRAME, usage_process, FRAME_USAGE_REPLY, 9},
    {"frame-usage-network", GOLDEN_FRAME, usage_network, FRAME_USAGE_REPLY, 2},
};
const size_t golden_count = sizeof goldens / sizeof *goldens;

struct out golden_bytes(const struct golden *golden) {
  struct out body = {0};
  golden->build(&body);
  if (golden->kind != GOLDEN_FRAME) return body;
  struct out out = {0};
  uint32_t words[3] = {(uint32_t)body.length + 8, golden->type, golden->id};
  for (int i = 0; i < 3; i++) {
    uint8_t word[4];
    for (int j = 0; j < 4; j++) word[j] = (uint8_t)(words[i] >> (8 * j));
    out_raw(&out, word, 4);
  }
  if (body.length > 0) out_raw(&out, body.data, body.length);
  out_free(&body);
  return out;
}

struct out golden_named(const char *name) {
  for (size_t i = 0; i < golden_count; i++)
    if (strcmp(goldens[i].name, name) == 0) return golden_bytes(&goldens[i]);
  abort();
}
