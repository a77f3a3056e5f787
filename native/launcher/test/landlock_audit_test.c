/* Records in the kernel's form (Documentation/admin-guide/LSM/landlock.rst), fed as datagrams: whose are taken, and whose not. */
#include "../landlock_audit.h"

#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

enum { SYSCALL = 1300, ACCESS = 1423, DOMAIN_ = 1424 };

static struct landlock_log logs[2];
static struct landlock_reader reader;

static struct landlock_log *find(uint64_t domain, pid_t pid) {
  for (size_t i = 0; i < 2; i++) {
    if (logs[i].domain == domain) return &logs[i];
    if (pid && logs[i].pid == pid && logs[i].domain == 0) return &logs[i];
  }
  return NULL;
}

/* An allocation of exactly this length, so that ASan sees a byte read beyond it. */
static void feed_from(uint32_t sender, uint16_t type, const char *text, size_t length) {
  size_t all = sizeof(struct nlmsghdr) + length;
  char *message = malloc(all);
  struct nlmsghdr header = {.nlmsg_len = (uint32_t)all, .nlmsg_type = type};
  memcpy(message, &header, sizeof header);
  memcpy(message + sizeof header, text, length);
  landlock_audit_take(&reader, sender, message, all, find);
  free(message);
}
static void feed(uint16_t type, const char *text) { feed_from(0, type, text, strlen(text)); }

static void reset(void) {
  memset(logs, 0, sizeof logs);
  memset(&reader, 0, sizeof reader);
  logs[0].pid = 286;
  logs[1].pid = 300;
}

static bool line_is(const struct landlock_log *log, size_t i, const char *text) {
  return i < log->count && log->lines[i].length == strlen(text) && memcmp(log->text + log->lines[i].at, text, strlen(text)) == 0;
}

#define STAMP "audit(1729738800.268:30): "
#define REFUSED "domain=1a6fdc66f blockers=fs.refer path=\"/usr/bin\" dev=\"vda2\" ino=351"
#define MADE "domain=1a6fdc66f status=allocated mode=enforcing pid=286 uid=0 exe=\"/root/sandboxer\" comm=\"sandboxer\""
#define CALL "arch=c000003e syscall=316 success=no exit=-13 ppid=280 pid=287 comm=\"mv\" exe=\"/usr/bin/mv\""

static void test_belongs(void) {
  reset();
  feed(ACCESS, STAMP REFUSED);
  CHECK(logs[0].count == 0);
  feed(DOMAIN_, STAMP MADE);
  feed(SYSCALL, STAMP CALL);
  CHECK(logs[0].count == 1 && logs[1].count == 0);
  CHECK(line_is(&logs[0], 0, REFUSED) && logs[0].lines[0].count == 1);
  CHECK(logs[0].lines[0].call_length == strlen(CALL));
  /* The next one's domain is known. An equal one is counted, another is another line. */
  feed(ACCESS, "audit(1729738801.000:31): " REFUSED);
  feed(SYSCALL, "audit(1729738801.000:31): " CALL);
  CHECK(logs[0].count == 1 && logs[0].lines[0].count == 2);
  feed(ACCESS, "audit(1729738802.000:32): domain=1a6fdc66f blockers=fs.write_file path=\"/etc/passwd\" dev=\"vda2\" ino=9\n");
  CHECK(logs[0].count == 2 && logs[0].lines[1].call_length == 0);
}

static void test_strangers(void) {
  reset();
  feed(ACCESS, STAMP "domain=7 blockers=fs.read_file path=\"/x\" dev=\"a\" ino=1");
  feed(DOMAIN_, STAMP "domain=7 status=allocated mode=enforcing pid=999 uid=0 exe=\"/a\" comm=\"a\"");
  feed(ACCESS, STAMP REFUSED);
  /* Not the kernel: another program may send to our port, too. */
  feed_from(4711, DOMAIN_, STAMP MADE, strlen(STAMP MADE));
  CHECK(logs[0].count == 0 && logs[0].domain == 0);
  /* A domain that our process makes once it has one, as the guest may, is not ours. */
  feed(DOMAIN_, STAMP MADE);
  feed(ACCESS, STAMP "domain=8 blockers=fs.read_file path=\"/x\" dev=\"a\" ino=1");
  feed(DOMAIN_, STAMP "domain=8 status=allocated mode=enforcing pid=286 uid=0 exe=\"/a\" comm=\"a\"");
  CHECK(logs[0].count == 1 && logs[0].domain == 0x1a6fdc66f);
  feed(DOMAIN_, STAMP "domain=1a6fdc66f status=deallocated denials=3");
  CHECK(logs[0].domain == 0x1a6fdc66f);
}

/* A name is in quotes or in hexadecimal, so nothing in it can stand where a field does. */
static void test_forged(void) {
  reset();
  feed(DOMAIN_, STAMP "domain=5 status=allocated mode=enforcing pid=300 uid=0 exe=\"/x\" comm=\"pid=286\"");
  CHECK(logs[1].domain == 5 && logs[0].domain == 0);
  feed(ACCESS, STAMP "domain=5 blockers=fs.read_file path=\"/domain=1a6fdc66f\" dev=\"a\" ino=1");
  feed(ACCESS, STAMP "domain=5 blockers=fs.read_file path=2F61200A646F6D61696E3D31 dev=\"a\" ino=1");
  CHECK(logs[1].count == 2 && logs[0].count == 0);
}

static void test_malformed(void) {
  reset();
  feed(DOMAIN_, STAMP MADE);
  static const char *const bad[] = {
      "", "audit(", "audit():", "audit(1:2)", "audit(1:2): ", "audit(1:x): " REFUSED, "audit(1.5:99999999999999999999999): " REFUSED,
      "audit(1:2): domain=", "audit(1:2): domain=zz blockers=x", "audit(1:2): domain=1a6fdc66f1a6fdc66f1a6fdc66f", "audit(1:2): domain=0",
      "audit(1:2): xdomain=1a6fdc66f", "audit(:", "audit(1)2: domain=1a6fdc66f", "domain=1a6fdc66f"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    feed(ACCESS, bad[i]);
    feed(DOMAIN_, bad[i]);
    feed(SYSCALL, bad[i]);
  }
  CHECK(logs[0].count == 0 && logs[1].count == 0);
  for (size_t length = 0; length <= strlen(STAMP REFUSED); length++) feed_from(0, ACCESS, STAMP REFUSED, length);
  uint8_t small[8] = {0};
  landlock_audit_take(&reader, 0, small, sizeof small, find);
  CHECK(logs[0].count > 0);
}

static void test_flood(void) {
  reset();
  feed(DOMAIN_, STAMP MADE);
  char line[256];
  for (int i = 0; i < 5000; i++) {
    snprintf(line, sizeof line, STAMP "domain=1a6fdc66f blockers=fs.read_file path=\"/a/%d\" dev=\"vda2\" ino=%d", i, i);
    feed(ACCESS, line);
  }
  CHECK(logs[0].count == LANDLOCK_LINES_MAX && logs[0].dropped == 5000 - LANDLOCK_LINES_MAX);
  CHECK(logs[0].used <= sizeof logs[0].text);
  /* Long ones fill the room before the lines run out; one beyond any bound is told as dropped. */
  reset();
  feed(DOMAIN_, STAMP MADE);
  static char longer[LANDLOCK_LINE_MAX + 1024];
  for (int i = 0; i < 100; i++) {
    int head = snprintf(longer, sizeof longer, STAMP "domain=1a6fdc66f blockers=fs.read_file path=%04d", i);
    memset(longer + head, 'A', 4096);
    longer[head + 4096] = 0;
    feed(ACCESS, longer);
  }
  CHECK(logs[0].count + logs[0].dropped == 100 && logs[0].dropped > 0 && logs[0].count > 5);
  uint64_t before = logs[0].dropped;
  memset(longer, 'A', sizeof longer);
  memcpy(longer, STAMP "domain=1a6fdc66f path=", strlen(STAMP "domain=1a6fdc66f path="));
  feed_from(0, ACCESS, longer, sizeof longer);
  CHECK(logs[0].dropped == before + 1);
  /* Strangers push out what waits for its domain, and nothing else. */
  reset();
  for (int i = 0; i < 1000; i++) {
    snprintf(line, sizeof line, STAMP "domain=%x blockers=fs.read_file path=\"/a\"", 0x100 + i);
    feed(ACCESS, line);
  }
  feed(ACCESS, STAMP REFUSED);
  feed(DOMAIN_, STAMP MADE);
  CHECK(logs[0].count == 1);
}

static void test_fields(void) {
  reset();
  feed(DOMAIN_, STAMP MADE);
  feed(ACCESS, STAMP REFUSED);
  logs[0].dropped = 3;
  struct out out = {0};
  landlock_audit_fields(&out, &logs[0]);
  struct span rest = {out.data, out.length};
  struct field field;
  bool bad;
  unsigned seen = 0;
  while (wire_next(&rest, &field, &bad)) seen += field.tag == 26 ? 1 : field.tag == 27 ? 10 : 100;
  CHECK(!bad && seen == 11);
  out_free(&out);
}

int main(void) {
  test_belongs();
  test_strangers();
  test_forged();
  test_malformed();
  test_flood();
  test_fields();
  return harness_end("landlock_audit");
}
