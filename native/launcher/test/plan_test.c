/* Plans and jobs with one thing wrong each: refused, with the reason. The right ones are read in golden_test.c.
   Over 300 lines: one line per refusal. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../plan.h"
#include "golden.h"
#include "harness.h"

static struct plan plan;
static struct job job;
static struct sock_filter filter[PLAN_FILTER_MAX];
static struct out plan_record, job_record;

static struct err parse_plan_record(struct span record) {
  struct out whole = plan_wrapped(record);
  struct err error = plan_parse(span_of(&whole), &plan, filter);
  out_free(&whole); /* `plan` points into freed bytes now: callers look at the error alone */
  return error;
}

static void plan_refused(struct out record, int errnum, const char *what, int line) {
  struct err error = parse_plan_record(span_of(&record));
  harness_check(error.class == ERR_PLAN && error.errnum == errnum && error.what != NULL && strcmp(error.what, what) == 0, __FILE__,
                line, "got errno %d, %s; wanted %d, %s", error.errnum, error.what ? error.what : "-", errnum, what);
  out_free(&record);
}

static void job_refused(struct out record, int errnum, const char *what, int line) {
  struct err error = job_parse(span_of(&record), &job);
  harness_check(error.class == ERR_JOB && error.errnum == errnum && error.what != NULL && strcmp(error.what, what) == 0, __FILE__,
                line, "got errno %d, %s; wanted %d, %s", error.errnum, error.what ? error.what : "-", errnum, what);
  out_free(&record);
}

static struct out patch_u32(struct span record, uint16_t tag, uint32_t value) {
  struct out field = {0};
  out_u32(&field, 1, value);
  struct out patched = record_patched(record, tag, field.data + 8, 4);
  out_free(&field);
  return patched;
}

static struct out patch_u64(struct span record, uint16_t tag, uint64_t value) {
  struct out field = {0};
  out_u64(&field, 1, value);
  struct out patched = record_patched(record, tag, field.data + 8, 8);
  out_free(&field);
  return patched;
}

static struct out patch_str(struct span record, uint16_t tag, const char *value) {
  return record_patched(record, tag, value, strlen(value) + 1);
}

/* The record with one more field behind. */
static struct out append(struct span record, uint16_t tag, const void *data, size_t length) {
  struct out out = {0};
  if (record.length > 0) out_raw(&out, record.data, record.length);
  out_bytes(&out, tag, data, length);
  return out;
}

/* The first field of that tag. */
static struct span inner(struct span record, uint16_t tag) {
  struct field field;
  bool bad;
  while (wire_next(&record, &field, &bad))
    if (field.tag == tag) return field.body;
  abort();
}

/* Puts a changed nested record in place of the first of that tag; frees it. */
static struct out within(struct span record, uint16_t tag, struct out nested) {
  struct out out = record_patched(record, tag, nested.data == NULL ? (const uint8_t *)"" : nested.data, nested.length);
  out_free(&nested);
  return out;
}

static struct out behind(struct span record, uint16_t tag, struct out nested) {
  struct out out = append(record, tag, nested.data, nested.length);
  out_free(&nested);
  return out;
}

#define P span_of(&plan_record)
#define J span_of(&job_record)
#define BAD_PLAN(record, what) plan_refused((record), EINVAL, (what), __LINE__)
#define BAD_JOB(record, what) job_refused((record), EINVAL, (what), __LINE__)

static void headers(void) {
  struct out whole = golden_named("plan-full");
  struct err error;
  for (int i = 0; i < 16; i++) {
    whole.data[i] ^= 0x10;
    error = plan_parse(span_of(&whole), &plan, filter);
    int expected = i < 8 || i >= 12 ? EBADMSG : EPROTONOSUPPORT;
    CHECK_THAT(error.class == ERR_PLAN && error.errnum == expected, "byte %d: errno %d", i, error.errnum);
    whole.data[i] ^= 0x10;
  }
  out_raw(&whole, "\0", 1);
  CHECK(plan_parse(span_of(&whole), &plan, filter).errnum == EBADMSG);
  out_free(&whole);
  CHECK(plan_parse((struct span){0}, &plan, filter).errnum == EBADMSG);
}

static void plan_scalars(void) {
  static const uint16_t required[] = {1, 2, 3, 4, 8, 11};
  for (size_t i = 0; i < sizeof required / sizeof *required; i++)
    plan_refused(record_patched(P, required[i], ABSENT), EBADMSG, "missing field", __LINE__);
  plan_refused(append(P, 2, "\1\0\0\0", 4), EBADMSG, "repeated field", __LINE__);
  plan_refused(append(P, 29, "", 0), EBADMSG, "unknown tag", __LINE__);
  plan_refused(record_patched(P, 2, "\1\0\0", 3), EBADMSG, "field of the wrong type", __LINE__);
  BAD_PLAN(patch_u32(P, 1, 0x20020000), "namespaces: user, mount and pid are required");
  BAD_PLAN(patch_u32(P, 1, 0x10020000), "namespaces: user, mount and pid are required");
  BAD_PLAN(patch_u32(P, 1, 0x30000000), "namespaces: user, mount and pid are required");
  BAD_PLAN(patch_u32(P, 1, 0x30020100), "namespaces: unknown bits");
  BAD_PLAN(patch_u32(P, 1, 0xb0020000), "namespaces: unknown bits");
  BAD_PLAN(patch_u32(P, 2, 0), "uid: 0 or 2^32-1");
  BAD_PLAN(patch_u32(P, 2, UINT32_MAX), "uid: 0 or 2^32-1");
  BAD_PLAN(patch_u32(P, 3, 0), "gid: 0 or 2^32-1");
  BAD_PLAN(patch_u32(P, 3, UINT32_MAX), "gid: 0 or 2^32-1");
  plan_refused(patch_str(P, 4, ""), EBADMSG, "field of the wrong type", __LINE__);
  plan_refused(record_patched(P, 4, "a\0b", 4), EBADMSG, "field of the wrong type", __LINE__);
  char name[66];
  memset(name, 'h', 65);
  name[65] = 0;
  BAD_PLAN(patch_str(P, 4, name), "hostname: longer than 64 bytes");
  name[64] = 0;
  struct out longest = patch_str(P, 4, name);
  CHECK(!failed(parse_plan_record(span_of(&longest))));
  out_free(&longest);
}

/* The plan with so many notified calls more: numbers from `number` on by `step`. */
static struct out with_notified(unsigned count, uint32_t number, uint32_t step, uint32_t errnum, uint32_t ends) {
  struct out record = {0};
  out_raw(&record, plan_record.data, plan_record.length);
  for (unsigned i = 0; i < count; i++) {
    size_t mark = out_begin(&record, 15);
    out_u32(&record, 1, number + i * step);
    out_u32(&record, 2, errnum);
    out_u32(&record, 3, ends);
    out_str(&record, 4, "call");
    out_end(&record, mark);
  }
  return record;
}

static void notified_calls(void) {
  struct out most = with_notified(PLAN_NOTIFIED_MAX, 100, 1, 4095, 1);
  CHECK(!failed(parse_plan_record(span_of(&most))) && plan.notified_count == PLAN_NOTIFIED_MAX && plan.notified[63].number == 163);
  BAD_PLAN(record_patched(span_of(&most), 6, ABSENT), "notified: without seccomp");
  out_free(&most);
  struct out more = with_notified(PLAN_NOTIFIED_MAX + 1, 100, 1, 1, 1);
  struct err error = parse_plan_record(span_of(&more));
  CHECK(error.errnum == E2BIG && strcmp(error.what, "notified: too many") == 0);
  out_free(&more);
  BAD_PLAN(with_notified(2, 100, 0, 1, 0), "notified: a call named twice");
  BAD_PLAN(with_notified(1, 100, 0, 0, 0), "notified: errno is 1 to 4095");
  BAD_PLAN(with_notified(1, 100, 0, 4096, 0), "notified: errno is 1 to 4095");
  BAD_PLAN(with_notified(1, 100, 0, 1, 2), "notified: ends is 0 or 1");
}

static struct out with_observed(uint32_t number, unsigned count) {
  struct out record = with_notified(1, 100, 1, 1, 0);
  uint32_t numbers[PLAN_OBSERVED_MAX + 1];
  for (unsigned i = 0; i < count; i++) numbers[i] = number + i;
  out_bytes(&record, 17, numbers, count * sizeof *numbers);
  return record;
}

static void observed_calls(void) {
  struct out most = with_observed(1000, PLAN_OBSERVED_MAX);
  CHECK(!failed(parse_plan_record(span_of(&most))) && plan.observed_count == PLAN_OBSERVED_MAX && plan.observed[63] == 1063);
  BAD_PLAN(record_patched(span_of(&most), 17, "abc", 3), "observed: not numbers of 4 bytes");
  BAD_PLAN(record_patched(span_of(&most), 17, "", 0), "observed: not numbers of 4 bytes");
  out_free(&most);
  struct out more = with_observed(1000, PLAN_OBSERVED_MAX + 1);
  struct err error = parse_plan_record(span_of(&more));
  CHECK(error.errnum == E2BIG && strcmp(error.what, "observed: too many") == 0);
  out_free(&more);
  /* What is refused never goes on. */
  BAD_PLAN(with_observed(98, 3), "notified: a call that is observed");
}

/* The plan with a record 16 more. */
static struct out with_side_channels(uint32_t bits) {
  struct out record = {0};
  out_raw(&record, plan_record.data, plan_record.length);
  out_u32(&record, 16, bits);
  return record;
}

static void side_channels(void) {
  CHECK(!failed(parse_plan_record(P)) && plan.side_channels == 0);
  struct out most = with_side_channels(31);
  CHECK(!failed(parse_plan_record(span_of(&most))) && plan.side_channels == SIDE_ALL);
  out_free(&most);
  BAD_PLAN(with_side_channels(32), "side channels: unknown bits");
  BAD_PLAN(with_side_channels(0x80000001u), "side channels: unknown bits");
}

/* A plan with a network namespace or without, and a network of that kind and port. */
static struct out with_network(uint32_t namespaces, uint32_t kind, uint32_t port) {
  struct out record = record_patched(P, 1, &namespaces, sizeof namespaces);
  size_t mark = out_begin(&record, 14);
  out_u32(&record, 1, kind);
  out_u32(&record, 2, port);
  out_end(&record, mark);
  return record;
}

/* A rule for packets, as a plan of a filtered network has it. `last` 0: without ports. */
static struct out with_packets(uint32_t verdict, uint32_t protocol, const char *address, size_t length, uint32_t prefix, uint32_t first, uint32_t last) {
  const uint32_t namespaces = 0x70020000;
  struct out record = record_patched(P, 1, &namespaces, sizeof namespaces);
  size_t mark = out_begin(&record, 14);
  out_u32(&record, 1, 1);
  out_u32(&record, 2, 61000);
  size_t rule = out_begin(&record, 3);
  out_u32(&record, 1, verdict);
  out_u32(&record, 2, protocol);
  out_bytes(&record, 3, address, length);
  out_u32(&record, 4, prefix);
  if (last) out_u32(&record, 5, first);
  if (last) out_u32(&record, 6, last);
  out_end(&record, rule);
  out_end(&record, mark);
  return record;
}

#define BLOCK "\0\0\0\0\0\0\0\0\0\0\377\377\306\063\144\0"

static void packets(void) {
  struct out good = with_packets(2, 6, BLOCK, 16, 120, 80, 90);
  CHECK(!failed(parse_plan_record(span_of(&good))) && plan.network.packets == 1 && plan.packet_count == 1);
  const struct packet_rule *rule = &plan.packets[0];
  CHECK(rule->denies && rule->protocol == 6 && rule->prefix == 24 && rule->address[0] == 198 && rule->from == 80 && rule->to == 90);
  out_free(&good);
  BAD_PLAN(with_packets(0, 1, BLOCK, 16, 120, 0, 0), "packets: verdict is 1 or 2");
  BAD_PLAN(with_packets(3, 1, BLOCK, 16, 120, 0, 0), "packets: verdict is 1 or 2");
  BAD_PLAN(with_packets(1, 258, BLOCK, 16, 120, 0, 0), "packets: unknown protocol");
  BAD_PLAN(with_packets(1, 1, BLOCK, 15, 120, 0, 0), "packets: not a block of IPv4");
  BAD_PLAN(with_packets(1, 1, BLOCK, 16, 95, 0, 0), "packets: not a block of IPv4");
  BAD_PLAN(with_packets(1, 1, BLOCK, 16, 129, 0, 0), "packets: not a block of IPv4");
  BAD_PLAN(with_packets(1, 1, "\1" BLOCK, 16, 120, 0, 0), "packets: not a block of IPv4");
  BAD_PLAN(with_packets(2, 1, BLOCK, 16, 117, 0, 0), "packets: not a block of IPv4"); /* 198.51.100.0/21: 100 is no multiple of 8 */
  BAD_PLAN(with_packets(1, 1, BLOCK, 16, 120, 1, 2), "packets: ports");
  BAD_PLAN(with_packets(1, 6, BLOCK, 16, 120, 0, 2), "packets: ports");
  BAD_PLAN(with_packets(1, 17, BLOCK, 16, 120, 3, 2), "packets: ports");
  BAD_PLAN(with_packets(1, 17, BLOCK, 16, 120, 1, 65536), "packets: ports");
}

static void networks(void) {
  struct out good = with_network(0x70020000, 1, 1024);
  CHECK(!failed(parse_plan_record(span_of(&good))) && plan.network.kind == NETWORK_FILTERED && plan.network.port == 1024);
  out_free(&good);
  BAD_PLAN(with_network(0x30020000, 1, 61000), "network: without a network namespace");
  BAD_PLAN(with_network(0x70020000, 0, 61000), "network: unknown kind");
  BAD_PLAN(with_network(0x70020000, 3, 61000), "network: unknown kind");
  BAD_PLAN(with_network(0x70020000, 2, 61000), "network: a port without a listener");
  BAD_PLAN(with_network(0x70020000, 1, 1023), "network: port is 1024 to 65535");
  BAD_PLAN(with_network(0x70020000, 1, 65536), "network: port is 1024 to 65535");
}

static void filters(void) {
  const char *what = "seccomp: not 1 to 4096 instructions of 8 bytes";
  static uint8_t code[(PLAN_FILTER_MAX + 1) * 8];
  BAD_PLAN(record_patched(P, 6, "", 0), what);
  BAD_PLAN(record_patched(P, 6, code, 7), what);
  BAD_PLAN(record_patched(P, 6, code, 12), what);
  BAD_PLAN(record_patched(P, 6, code, sizeof code), what);
  struct out largest = record_patched(P, 6, code, sizeof code - 8);
  CHECK(!failed(parse_plan_record(span_of(&largest))) && plan.seccomp.len == PLAN_FILTER_MAX);
  out_free(&largest);
  struct out none = record_patched(P, 6, ABSENT);
  CHECK(!failed(parse_plan_record(span_of(&none))) && plan.seccomp.len == 0 && plan.seccomp.filter == NULL);
  out_free(&none);
}

/* A mount record: kind, target, flags, and whatever is patched in. */
static struct out step(uint32_t kind, const char *target, uint32_t flags) {
  struct out out = {0};
  out_u32(&out, 1, kind);
  out_str(&out, 3, target);
  if (flags != 0) out_u32(&out, 4, flags);
  return out;
}

static struct out with_source(struct out mount, const char *source) {
  out_str(&mount, 2, source);
  return mount;
}

static struct out with_u32(struct out mount, uint16_t tag, uint32_t value) {
  out_u32(&mount, tag, value);
  return mount;
}

static struct out with_u64(struct out mount, uint16_t tag, uint64_t value) {
  out_u64(&mount, tag, value);
  return mount;
}

static struct out with_content(struct out mount, const void *data, size_t length) {
  out_bytes(&mount, 8, data, length);
  return mount;
}

static void mount_shapes(void) {
  const char *needs = "mount: its kind needs another field", *has_not = "mount: a field that its kind does not have";
  const char *flag = "mount: a flag that its kind does not have", *kind = "mount: unknown kind";
  BAD_PLAN(behind(P, 5, step(0, "/x", 0)), kind);
  BAD_PLAN(behind(P, 5, step(14, "/x", 0)), kind);
  BAD_PLAN(behind(P, 5, step(UINT32_MAX, "/x", 0)), kind);
  BAD_PLAN(behind(P, 5, step(MOUNT_BIND, "/x", 0)), needs);
  BAD_PLAN(behind(P, 5, step(MOUNT_TMPFS, "/x", 0)), needs);
  BAD_PLAN(behind(P, 5, step(MOUNT_DIRECTORY, "/x", 0)), needs);
  BAD_PLAN(behind(P, 5, with_u32(step(MOUNT_FILE, "/x", 0), 7, 0644)), needs);
  BAD_PLAN(behind(P, 5, step(MOUNT_SYMLINK, "/x", 0)), needs);
  BAD_PLAN(behind(P, 5, with_source(with_u32(step(MOUNT_DEVICE, "/x", 0), 9, 1), "/dev/null")), needs);
  BAD_JOB(behind(J, 4, with_source(step(MOUNT_OVERLAY, "/x", 0), "/y")), needs);
  BAD_PLAN(behind(P, 5, with_source(step(MOUNT_PROC, "/x", 0), "/y")), has_not);
  BAD_PLAN(behind(P, 5, with_u64(with_source(step(MOUNT_BIND, "/x", 0), "/y"), 5, 1)), has_not);
  BAD_PLAN(behind(P, 5, with_u32(step(MOUNT_MASK, "/x", 0), 7, 0)), has_not);
  BAD_JOB(behind(J, 4, with_source(step(MOUNT_READONLY, "/x", 0), "/x")), has_not);
  BAD_PLAN(behind(P, 5, with_source(step(MOUNT_BIND, "/x", 512), "/y")), flag);
  BAD_PLAN(behind(P, 5, with_source(step(MOUNT_BIND, "/x", MF_PRIVATE), "/y")), flag);
  BAD_PLAN(behind(P, 5, with_u32(step(MOUNT_TMPFS, "/x", MF_IDMAP), 7, 0755)), flag);
  BAD_PLAN(behind(P, 5, with_u32(step(MOUNT_DIRECTORY, "/x", MF_READONLY), 7, 0755)), flag);
  BAD_PLAN(behind(P, 5, with_source(step(MOUNT_BIND, "/x", MF_IDMAP), "/y")), "mount: for jobs only");
  BAD_PLAN(behind(P, 5, step(MOUNT_READONLY, "/x", 0)), "mount: for jobs only");
  struct out overlay = with_source(step(MOUNT_OVERLAY, "/x", 0), "/y");
  out_str(&overlay, 11, "/u");
  out_str(&overlay, 12, "/w");
  BAD_PLAN(behind(P, 5, overlay), "mount: for jobs only");
}

static void mount_values(void) {
  const char *target = "mount: target is not an absolute, normal path below /", *host = "mount: a host path is not absolute and normal";
  const char *size = "mount: size out of range", *link = "mount: link is empty, too long or has a NUL";
  static const char *const bad_paths[] = {"x", "/", "/x/", "//x", "/x//y", "/.", "/..", "/x/./y", "/x/../y", "/x/..", "/x/."};
  for (size_t i = 0; i < sizeof bad_paths / sizeof *bad_paths; i++) {
    BAD_PLAN(behind(P, 5, step(MOUNT_PROC, bad_paths[i], 0)), target);
    BAD_JOB(behind(J, 4, step(MOUNT_READONLY, bad_paths[i], 0)), target);
    if (bad_paths[i][1] != 0 || bad_paths[i][0] != '/') BAD_PLAN(behind(P, 5, with_source(step(MOUNT_BIND, "/x", 0), bad_paths[i])), host);
  }
  struct out from_root = behind(P, 5, with_source(step(MOUNT_BIND, "/x", 0), "/"));
  CHECK(!failed(parse_plan_record(span_of(&from_root))));
  out_free(&from_root);
  for (int which = 0; which < 2; which++) {
    struct out overlay = with_source(step(MOUNT_OVERLAY, "/x", 0), "/y");
    out_str(&overlay, 11, which == 0 ? "u" : "/u");
    out_str(&overlay, 12, which == 1 ? "w/" : "/w");
    BAD_JOB(behind(J, 4, overlay), host);
  }
  BAD_PLAN(behind(P, 5, with_u32(with_u64(step(MOUNT_TMPFS, "/x", 0), 5, 0), 7, 0755)), size);
  BAD_PLAN(behind(P, 5, with_u32(with_u64(step(MOUNT_TMPFS, "/x", 0), 5, 1ull << 63), 7, 0755)), size);
  BAD_PLAN(behind(P, 5, with_u32(with_u64(step(MOUNT_TMPFS, "/x", 0), 6, 0), 7, 0755)), size);
  BAD_PLAN(behind(P, 5, with_u32(step(MOUNT_DIRECTORY, "/x", 0), 7, 04755)), "mount: mode has more than permission bits");
  BAD_PLAN(behind(P, 5, with_u32(step(MOUNT_DIRECTORY, "/x", 0), 7, 02000)), "mount: mode has more than permission bits");
  static char longest[4096];
  memset(longest, 'a', sizeof longest);
  BAD_PLAN(behind(P, 5, with_content(step(MOUNT_SYMLINK, "/x", 0), "", 0)), link);
  BAD_PLAN(behind(P, 5, with_content(step(MOUNT_SYMLINK, "/x", 0), "a\0b", 3)), link);
  BAD_PLAN(behind(P, 5, with_content(step(MOUNT_SYMLINK, "/x", 0), longest, 4096)), link);
  longest[0] = '/';
  longest[4095] = 0;
  struct out fits = behind(P, 5, step(MOUNT_PROC, longest, 0));
  CHECK(!failed(parse_plan_record(span_of(&fits))));
  out_free(&fits);
  char too_long[4098];
  memcpy(too_long, longest, 4095);
  memcpy(too_long + 4095, "a", 2);
  BAD_PLAN(behind(P, 5, step(MOUNT_PROC, too_long, 0)), target);
}

static void mount_order_and_number(void) {
  const char *root = "mount: the first is not the root tmpfs";
  struct out none = P.length ? record_patched(P, 5, ABSENT) : (struct out){0};
  BAD_PLAN(none, root); /* now the directory is first */
  BAD_PLAN(within(P, 5, step(MOUNT_PROC, "/", 0)), root);
  BAD_PLAN(within(P, 5, with_u32(step(MOUNT_TMPFS, "/x", 0), 7, 0755)), root);
  struct out minimal = golden_named("plan-minimal");
  struct span record = {minimal.data + 16, minimal.length - 16};
  BAD_PLAN(record_patched(record, 5, ABSENT), root);
  struct out many = {0};
  out_raw(&many, record.data, record.length);
  struct out proc = step(MOUNT_PROC, "/x", 0);
  for (int i = 1; i < PLAN_MOUNTS_MAX; i++) out_bytes(&many, 5, proc.data, proc.length);
  CHECK(!failed(parse_plan_record(span_of(&many))));
  plan_refused(append(span_of(&many), 5, proc.data, proc.length), E2BIG, "mount: too many", __LINE__);
  out_free(&many);
  for (int i = 0; i < JOB_MOUNTS_MAX; i++) out_bytes(&many, 4, proc.data, proc.length);
  CHECK(!failed(job_parse(span_of(&many), &job)) && job.mount_count == JOB_MOUNTS_MAX);
  job_refused(append(span_of(&many), 4, proc.data, proc.length), E2BIG, "mount: too many", __LINE__);
  out_free(&many);
  out_free(&proc);
  out_free(&minimal);
}

static struct out path_rule(uint64_t access, const char *path) {
  struct out out = {0};
  out_u64(&out, 1, access);
  out_str(&out, 2, path);
  return out;
}

static struct out port_rule(uint64_t access, uint64_t port) {
  struct out out = {0};
  out_u64(&out, 1, access);
  out_u64(&out, 2, port);
  return out;
}

static void landlock(void) {
  struct span plain = inner(P, 7);
#define BAD_LANDLOCK(record, what) BAD_PLAN(within(P, 7, (record)), what)
  for (uint16_t tag = 1; tag <= 4; tag++) plan_refused(within(P, 7, record_patched(plain, tag, ABSENT)), EBADMSG, "missing field", __LINE__);
  BAD_LANDLOCK(patch_u32(plain, 1, 0), "landlock: no such ABI");
  BAD_LANDLOCK(patch_u32(plain, 1, 256), "landlock: no such ABI");
  BAD_LANDLOCK(behind(plain, 5, path_rule(0, "/x")), "landlock: a rule that allows nothing");
  BAD_LANDLOCK(behind(plain, 5, path_rule(1, "x")), "landlock: path is not absolute and normal");
  BAD_LANDLOCK(behind(plain, 5, path_rule(0x10000, "/x")), "landlock: a rule beyond what is handled");
  BAD_LANDLOCK(behind(plain, 6, port_rule(0, 1)), "landlock: a rule that allows nothing");
  BAD_LANDLOCK(behind(plain, 6, port_rule(4, 1)), "landlock: a rule beyond what is handled");
  BAD_LANDLOCK(behind(plain, 6, port_rule(1, 65536)), "landlock: port above 65535");
  struct out empty = {0};
  out_u32(&empty, 1, 6);
  for (uint16_t tag = 2; tag <= 4; tag++) out_u64(&empty, tag, 0);
  BAD_LANDLOCK(empty, "landlock: handles nothing");
  for (uint16_t tag = 5; tag <= 6; tag++) {
    struct out many = {0}, rule = tag == 5 ? path_rule(1, "/x") : port_rule(1, 1);
    out_raw(&many, plain.data, plain.length);
    for (int i = 2; i < PLAN_RULES_MAX; i++) out_bytes(&many, tag, rule.data, rule.length);
    struct out fits = record_patched(P, 7, many.data, many.length);
    CHECK(!failed(parse_plan_record(span_of(&fits))));
    out_free(&fits);
    out_bytes(&many, tag, rule.data, rule.length);
    plan_refused(within(P, 7, many), E2BIG, tag == 5 ? "landlock: too many path rules" : "landlock: too many port rules", __LINE__);
    out_free(&rule);
  }
  BAD_JOB(behind(J, 8, path_rule(0, "/x")), "landlock: a rule that allows nothing");
  BAD_JOB(behind(J, 8, path_rule(1, "/x/")), "landlock: path is not absolute and normal");
  struct out many = {0}, rule = path_rule(1, "/x");
  for (int i = 0; i < JOB_RULES_MAX; i++) out_bytes(&many, 8, rule.data, rule.length);
  CHECK(!failed(job_parse(span_of(&many), &job)) && job.rule_count == JOB_RULES_MAX);
  job_refused(append(span_of(&many), 8, rule.data, rule.length), E2BIG, "landlock: too many path rules", __LINE__);
  out_free(&many);
  out_free(&rule);
}

static void capabilities(void) {
  struct span plain = inner(P, 8);
  for (uint16_t tag = 1; tag <= 6; tag++) plan_refused(within(P, 8, record_patched(plain, tag, ABSENT)), EBADMSG, "missing field", __LINE__);
  BAD_PLAN(within(P, 8, patch_u64(plain, 2, 3)), "capabilities: effective beyond permitted");
  BAD_PLAN(within(P, 8, patch_u64(plain, 4, 0)), "capabilities: ambient beyond permitted and inheritable");
  BAD_PLAN(within(P, 8, patch_u64(plain, 5, 2)), "capabilities: ambient beyond permitted and inheritable");
  BAD_PLAN(within(P, 8, patch_u32(plain, 6, 0x1000)), "capabilities: unknown securebits");
}

static struct out rlimit(uint32_t resource, uint64_t soft, uint64_t hard) {
  struct out out = {0};
  out_u32(&out, 1, resource);
  out_u64(&out, 2, soft);
  out_u64(&out, 3, hard);
  return out;
}

static void rlimits(void) {
  BAD_PLAN(behind(P, 9, rlimit(16, 0, 0)), "rlimit: unknown resource");
  BAD_PLAN(behind(P, 9, rlimit(0, 2, 1)), "rlimit: soft above hard");
  BAD_PLAN(behind(P, 9, rlimit(7, 1, 1)), "rlimit: resource named twice");
  BAD_JOB(behind(J, 5, rlimit(16, 0, 0)), "rlimit: unknown resource");
  BAD_JOB(behind(J, 5, rlimit(7, 1, 1)), "rlimit: resource named twice");
  struct out all = {0};
  for (uint32_t i = 0; i < 16; i++) {
    struct out one = rlimit(i, 0, UINT64_MAX);
    out_bytes(&all, 5, one.data, one.length);
    out_free(&one);
  }
  CHECK(!failed(job_parse(span_of(&all), &job)) && job.rlimit_count == 16);
  struct out one = rlimit(0, 0, 0);
  job_refused(behind(span_of(&all), 5, one), E2BIG, "rlimit: too many", __LINE__);
  out_free(&all);
}

static void cgroups_and_limits(void) {
  struct span group = inner(P, 10), limits = inner(P, 11);
  const char *zero = "cgroup: a limit of 0 or above 2^63", *range = "limits: out of range";
  for (uint16_t tag = 1; tag <= 11; tag++) {
    if (tag == 5) continue;
    if (tag != 11) BAD_PLAN(within(P, 10, patch_u64(group, tag, 0)), zero);
    BAD_PLAN(within(P, 10, patch_u64(group, tag, 1ull << 63)), zero);
    BAD_JOB(within(J, 6, patch_u64((struct span){0}, tag, UINT64_MAX)), zero);
  }
  BAD_PLAN(within(P, 10, patch_u32(group, 5, 0)), "cgroup: weight is 1 to 10000");
  BAD_PLAN(within(P, 10, patch_u32(group, 5, 10001)), "cgroup: weight is 1 to 10000");
  BAD_PLAN(within(P, 10, patch_u64(group, 3, 999)), "cgroup: CPU quota below 1 ms");
  BAD_PLAN(within(P, 10, patch_u64(group, 4, 999)), "cgroup: CPU period is 1 ms to 1 s");
  BAD_PLAN(within(P, 10, patch_u64(group, 4, 1000001)), "cgroup: CPU period is 1 ms to 1 s");
  struct out empty = record_patched(P, 10, "", 0);
  CHECK(!failed(parse_plan_record(span_of(&empty))) && plan.cgroup.present && plan.cgroup.set == 0);
  out_free(&empty);
  for (uint16_t tag = 1; tag <= 3; tag++) {
    BAD_PLAN(within(P, 11, patch_u64(limits, tag, 0)), range);
    BAD_PLAN(within(P, 11, patch_u64(limits, tag, UINT64_MAX)), range);
  }
  /* A time in ms must still fit a signed count of ns. */
  BAD_PLAN(within(P, 11, patch_u64(limits, 1, (uint64_t)INT64_MAX / 1000000 + 1)), range);
  BAD_PLAN(within(P, 11, patch_u32(limits, 4, 2)), "limits: output policy is 0 or 1");
  BAD_JOB(within(J, 7, patch_u64((struct span){0}, 1, 0)), range);
}

static void scaffolds(void) {
  const char *top = "scaffold: not a top-level directory";
  BAD_PLAN(append(P, 12, "/", 2), top);
  BAD_PLAN(append(P, 12, "/a/b", 5), top);
  BAD_PLAN(append(P, 12, "a", 2), top);
  BAD_PLAN(append(P, 12, "/..", 4), top);
  BAD_PLAN(append(P, 12, "/home", 6), "scaffold: named twice");
  plan_refused(append(P, 12, "/a", 2), EBADMSG, "scaffold: not a string", __LINE__);
  struct out many = {0};
  out_raw(&many, P.data, P.length);
  for (int i = 2; i <= PLAN_SCAFFOLD_MAX; i++) {
    if (i == PLAN_SCAFFOLD_MAX) CHECK(!failed(parse_plan_record(span_of(&many))));
    char name[16];
    snprintf(name, sizeof name, "/%d", i);
    out_str(&many, 12, name);
  }
  plan_refused(many, E2BIG, "scaffold: too many", __LINE__);
}

static void job_strings_and_streams(void) {
  job_refused(append(J, 1, "a", 1), EBADMSG, "argv: not a string", __LINE__);
  job_refused(append(J, 1, "a\0b\0", 4), EBADMSG, "argv: not a string", __LINE__);
  job_refused(append(J, 2, "", 1), EBADMSG, "env: not a string", __LINE__);
  BAD_JOB(append(J, 2, "NAME", 5), "env: not NAME=value");
  BAD_JOB(append(J, 2, "=x", 3), "env: not NAME=value");
  static char string[JOB_STRING_MAX + 1];
  memset(string, '=', sizeof string);
  string[0] = 'N';
  string[JOB_STRING_MAX - 1] = 0;
  struct out longest = append(J, 2, string, JOB_STRING_MAX);
  CHECK(!failed(job_parse(span_of(&longest), &job)));
  out_free(&longest);
  string[JOB_STRING_MAX - 1] = 'x';
  string[JOB_STRING_MAX] = 0;
  job_refused(append(J, 1, string, sizeof string), E2BIG, "argv: too long", __LINE__);
  job_refused(append(J, 2, string, sizeof string), E2BIG, "env: too long", __LINE__);
  for (uint16_t tag = 1; tag <= 2; tag++) {
    struct out many = {0};
    for (int i = 0; i < JOB_STRINGS_MAX; i++) out_str(&many, tag, "a=b");
    CHECK(!failed(job_parse(span_of(&many), &job)) && job.argc + job.envc == JOB_STRINGS_MAX);
    out_str(&many, tag, "a=b");
    job_refused(many, E2BIG, tag == 1 ? "argv: too many" : "env: too many", __LINE__);
  }
  BAD_JOB(patch_str(J, 3, "work"), "cwd: not absolute and normal");
  BAD_JOB(patch_str(J, 3, "/work/.."), "cwd: not absolute and normal");
  for (uint16_t tag = 9; tag <= 11; tag++) BAD_JOB(patch_u32(J, tag, 4), "stdio: unknown mode");
  BAD_JOB(patch_u32(J, 9, 0), "input: belongs to stdin inline, and there alone");
  BAD_JOB(record_patched(J, 12, ABSENT), "input: belongs to stdin inline, and there alone");
  job_refused(append(J, 14, "", 0), EBADMSG, "unknown tag", __LINE__);
  job_refused(append(J, 3, "/", 2), EBADMSG, "repeated field", __LINE__);
}

static void terminals(void) {
  struct out bytes = golden_named("job-pty");
  struct span plain = span_of(&bytes), size = inner(plain, 13);
  CHECK(!failed(job_parse(plain, &job)) && job.pty && job.rows == 24 && job.columns == 80);
  CHECK(job.stdin_mode == STDIO_STREAM && job.stdout_mode == STDIO_STREAM && job.stderr_mode == STDIO_NULL);
  const char *range = "pty: rows and columns are 1 to 65535";
  for (uint16_t tag = 1; tag <= 2; tag++) {
    BAD_JOB(within(plain, 13, patch_u32(size, tag, 0)), range);
    BAD_JOB(within(plain, 13, patch_u32(size, tag, 65536)), range);
    job_refused(within(plain, 13, record_patched(size, tag, ABSENT)), EBADMSG, "missing field", __LINE__);
  }
  struct out terminal = {0};
  out_u32(&terminal, 1, 24);
  out_u32(&terminal, 2, 80);
  BAD_JOB(behind(J, 13, terminal), "pty: input cannot be inline");
  struct out silent = record_patched(plain, 9, ABSENT);
  CHECK(!failed(job_parse(span_of(&silent), &job)) && job.stdin_mode == STDIO_STREAM);
  out_free(&silent);
  struct out inherited = patch_u32(plain, 10, STDIO_INHERIT);
  CHECK(!failed(job_parse(span_of(&inherited), &job)) && job.stdout_mode == STDIO_INHERIT);
  out_free(&inherited);
  out_free(&bytes);
}

static void an_empty_job_has_defaults(void) {
  CHECK(!failed(job_parse((struct span){0}, &job)) && strcmp(job.cwd, "/") == 0 && job.argc == 0);
  CHECK(job.stdin_mode == STDIO_NULL && job.stdout_mode == STDIO_CAPTURE && job.stderr_mode == STDIO_CAPTURE);
  const char *argv[1], *envp[1];
  job_strings(&job, argv, envp);
  CHECK(argv[0] == NULL && envp[0] == NULL);
}

/* A job beside the plan it is for. */
static bool fits(struct out job_bytes, struct out plan_bytes) {
  struct out whole = plan_wrapped(span_of(&plan_bytes));
  CHECK(!failed(plan_parse(span_of(&whole), &plan, filter)) && !failed(job_parse(span_of(&job_bytes), &job)));
  struct err error = job_fits(&plan, &job);
  CHECK(!failed(error) || (error.class == ERR_JOB && error.errnum == EINVAL));
  out_free(&whole);
  out_free(&job_bytes);
  out_free(&plan_bytes);
  return !failed(error);
}

static void jobs_stay_within_their_plan(void) {
  struct out same_plan = append(P, 13, "", 0);
  CHECK(fits(append(J, 2, "A=b", 4), same_plan));
  CHECK(!fits(append(J, 2, "A=b", 4), record_patched(P, 10, ABSENT)));
  CHECK(!fits(append(J, 2, "A=b", 4), record_patched(P, 7, ABSENT)));
  CHECK(!fits(behind(J, 8, path_rule(0x10000, "/x")), append(P, 13, "", 0)));
  CHECK(!fits(behind(J, 5, rlimit(4, 0, 1)), append(P, 13, "", 0)));
  CHECK(fits(behind(J, 5, rlimit(4, 0, 0)), append(P, 13, "", 0)));
  CHECK(!fits(within(J, 5, rlimit(7, 1, 1025)), append(P, 13, "", 0)));
}

static void merging_replaces_what_is_set(void) {
  struct limits_plan base = {.set = 0x1e, .wall_ms = 1, .cpu_ms = 2, .output_bytes = 3, .kill_on_output = true};
  struct limits_plan none = {0}, all = {.set = 0x1e, .wall_ms = 5, .cpu_ms = 6, .output_bytes = 7};
  struct limits_plan merged = limits_merge(&base, &none);
  CHECK(merged.wall_ms == 1 && merged.cpu_ms == 2 && merged.output_bytes == 3 && merged.kill_on_output && merged.set == 0x1e);
  merged = limits_merge(&none, &all);
  CHECK(merged.wall_ms == 5 && merged.cpu_ms == 6 && merged.output_bytes == 7 && !merged.kill_on_output && merged.set == 0x1e);
  CHECK(!limits_merge(&base, &all).kill_on_output);
  struct cgroup_plan group = {.present = true}, full = {.present = true, .set = 0xffe, .memory_max = 1, .memory_high = 2, .cpu_quota_us = 3,
      .cpu_period_us = 4, .cpu_weight = 5, .pids_max = 6, .read_bytes = 7, .write_bytes = 8, .read_ops = 9, .write_ops = 10, .swap_max = 11};
  struct cgroup_plan given = cgroup_merge(&group, &full), kept = cgroup_merge(&full, &group), absent = {0};
  for (int i = 0; i < 2; i++) {
    struct cgroup_plan one = i == 0 ? given : kept;
    CHECK(one.present && one.set == 0xffe && one.memory_max == 1 && one.memory_high == 2 && one.cpu_quota_us == 3);
    CHECK(one.cpu_period_us == 4 && one.cpu_weight == 5 && one.pids_max == 6 && one.read_bytes == 7 && one.write_bytes == 8);
    CHECK(one.read_ops == 9 && one.write_ops == 10 && one.swap_max == 11);
  }
  CHECK(!cgroup_merge(&absent, &absent).present);
}

static void damaged_bytes_are_survived(void) {
  static const char *const names[] = {"plan-full", "job-full"};
  for (int which = 0; which < 2; which++) {
    struct out whole = golden_named(names[which]);
    size_t accepted = 0;
    for (size_t length = 0; length < whole.length; length++) {
      uint8_t *copy = malloc(length == 0 ? 1 : length);
      memcpy(copy, whole.data, length);
      struct span cut = {copy, length};
      /* A prefix that ends between two fields of a job is a job; of a plan none is. */
      if (which == 0 && !failed(plan_parse(cut, &plan, filter))) accepted++;
      if (which == 1) (void)job_parse(cut, &job);
      free(copy);
    }
    CHECK(accepted == 0);
    uint8_t *copy = malloc(whole.length);
    for (size_t bit = 0; bit < whole.length * 8; bit++) {
      memcpy(copy, whole.data, whole.length);
      copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
      struct span flipped = {copy, whole.length};
      struct err error = which == 0 ? plan_parse(flipped, &plan, filter) : job_parse(flipped, &job);
      if (failed(error) && (error.errnum == 0 || error.what == NULL)) accepted++;
    }
    CHECK(accepted == 0);
    free(copy);
    out_free(&whole);
  }
}

int main(void) {
  struct out whole = golden_named("plan-full");
  out_raw(&plan_record, whole.data + 16, whole.length - 16);
  out_free(&whole);
  job_record = golden_named("job-full");
  headers();
  plan_scalars();
  filters();
  notified_calls();
  observed_calls();
  side_channels();
  networks();
  packets();
  mount_shapes();
  mount_values();
  mount_order_and_number();
  landlock();
  capabilities();
  rlimits();
  cgroups_and_limits();
  scaffolds();
  job_strings_and_streams();
  terminals();
  an_empty_job_has_defaults();
  jobs_stay_within_their_plan();
  merging_replaces_what_is_set();
  damaged_bytes_are_survived();
  out_free(&plan_record);
  out_free(&job_record);
  return harness_end("plan");
}
