/* The agent over a socketpair: what it does to a directory, seen from outside of it.
   As root the agent is shut into that directory and runs as another user, as in a sandbox.
   Over 300 lines: a function per kind of request, with what it must refuse. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../files.h"
#include "../wire.h"
#include "harness.h"

#define GUEST 65534

enum { STAT = 1, LIST, READ, WRITE, MKDIR, REMOVE, RENAME, CHMOD, READLINK, SYMLINK };
enum { CREATE = 1, TRUNCATE = 2, EXCLUSIVE = 4, RECURSIVE = 8, APPEND = 16, FOLLOW = 32 };

static int agent;
static pid_t agent_pid;
static bool shut_in;
static char top[64] = "/tmp/caisson-files-XXXXXX";
static uint32_t number;

/* A request under way, and the answer to it. */
static struct out request;
static struct {
  uint32_t number;
  int32_t error;
  struct span data;
  uint64_t size;
  uint32_t more;
  size_t entries;
  struct span record;
  uint8_t bytes[2 << 20];
} reply;

static void move_all(int fd, void *bytes, size_t length, bool out) {
  for (size_t done = 0; done < length;) {
    ssize_t size = out ? write(fd, (char *)bytes + done, length - done) : read(fd, (char *)bytes + done, length - done);
    if (size <= 0) {
      printf("the agent is gone\n");
      exit(1);
    }
    done += (size_t)size;
  }
}

static void send_message(const void *bytes, size_t length) {
  uint8_t head[4] = {(uint8_t)length, (uint8_t)(length >> 8), (uint8_t)(length >> 16), (uint8_t)(length >> 24)};
  move_all(agent, head, 4, true);
  move_all(agent, (void *)(uintptr_t)bytes, length, true);
}

static void receive(void) {
  uint8_t head[4];
  move_all(agent, head, 4, false);
  size_t length = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
  if (length > sizeof reply.bytes) abort();
  move_all(agent, reply.bytes, length, false);
  reply.record = (struct span){reply.bytes, length};
  const struct wire_slot slots[] = {{1, WIRE_U32, true, &reply.number}, {2, WIRE_I32, true, &reply.error},  {3, WIRE_BYTES, false, &reply.data},
                                    {4, WIRE_LIST, false, NULL},        {5, WIRE_U64, false, &reply.size}, {6, WIRE_U32, false, &reply.more}};
  uint32_t seen;
  reply.data = (struct span){0};
  reply.size = reply.more = 0;
  reply.entries = 0;
  CHECK(!failed(wire_record(reply.record, slots, 6, &seen)));
  struct span rest = reply.record;
  struct field field;
  bool bad;
  while (wire_next(&rest, &field, &bad)) reply.entries += field.tag == 4;
}

/* begin(op, path); further fields with out_*; ask() → errno. */
static void begin(uint32_t op, const char *path) {
  char prefixed[4200];
  snprintf(prefixed, sizeof prefixed, "%s%s", shut_in ? "" : top, path);
  out_free(&request);
  out_u32(&request, 1, ++number);
  out_u32(&request, 2, op);
  out_str(&request, 3, prefixed);
}

static int ask(void) {
  send_message(request.data, request.length);
  receive();
  CHECK(reply.number == number);
  return reply.error;
}

static int ask_plain(uint32_t op, const char *path) {
  begin(op, path);
  return ask();
}

static int ask_second(uint32_t op, const char *path, const char *second, uint32_t flags) {
  begin(op, path);
  char prefixed[4200];
  snprintf(prefixed, sizeof prefixed, "%s%s", shut_in || op != RENAME || second[0] != '/' ? "" : top, second);
  out_str(&request, 8, prefixed);
  if (flags != 0) out_u32(&request, 9, flags);
  return ask();
}

static int ask_flags(uint32_t op, const char *path, uint32_t flags) {
  begin(op, path);
  out_u32(&request, 9, flags);
  return ask();
}

/* As whoever asks does it: a turn is short, and on a busy machine one is not enough. */
static int remove_in_turns(const char *path) {
  int error = EAGAIN;
  for (int turn = 0; error == EAGAIN && turn < 1000; turn++) error = ask_flags(REMOVE, path, RECURSIVE);
  return error;
}

static int ask_write(const char *path, uint64_t offset, const char *text, uint32_t flags) {
  begin(WRITE, path);
  out_u64(&request, 4, offset);
  out_bytes(&request, 6, text, strlen(text));
  if (flags != 0) out_u32(&request, 9, flags);
  return ask();
}

/* A path as the host sees it. */
static const char *host(const char *path) {
  static char buffers[4][256];
  static unsigned turn;
  char *buffer = buffers[turn++ % 4];
  snprintf(buffer, sizeof buffers[0], "%s%s", top, path);
  return buffer;
}

static bool host_has(const char *path, const char *content) {
  char text[4096] = {0};
  int fd = open(host(path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return false;
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  return length == (ssize_t)strlen(content) && strcmp(text, content) == 0;
}

static mode_t host_mode(const char *path) {
  struct stat status;
  return lstat(host(path), &status) == 0 ? status.st_mode : 0;
}

static void host_write(const char *path, const char *content, mode_t mode) {
  int fd = open(host(path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, content, strlen(content)) < 0 || fchmod(fd, mode) != 0) abort();
  close(fd);
}

static bool data_is(const char *text) { return reply.data.length == strlen(text) && memcmp(reply.data.data, text, reply.data.length) == 0; }

static void start_agent(void) {
  int ends[2];
  if (mkdtemp(top) == NULL || chmod(top, 0755) != 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) abort();
  host_write("/secret", "root's\n", 0600);
  host_write("/readable", "from the host\n", 0644);
  if (mkdir(host("/guest"), 0755) != 0) abort();
  shut_in = geteuid() == 0;
  if (shut_in && (chown(host("/guest"), GUEST, GUEST) != 0)) abort();
  agent_pid = fork();
  if (agent_pid == 0) {
    close(ends[0]);
    if (shut_in && (chroot(top) != 0 || chdir("/") != 0 || setgid(GUEST) != 0 || setuid(GUEST) != 0)) _exit(9);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){4 << 20, 4 << 20});
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){48, 48});
    files_serve(ends[1]);
  }
  close(ends[1]);
  agent = ends[0];
}

static void writing_and_reading(void) {
  CHECK(ask_write("/guest/a", 0, "hello", 0) == ENOENT);
  CHECK(ask_write("/guest/a", 0, "hello", CREATE) == 0 && reply.size == 5 && host_has("/guest/a", "hello"));
  CHECK((host_mode("/guest/a") & 07777) == 0644);
  CHECK(ask_write("/guest/a", 0, "x", CREATE | EXCLUSIVE) == EEXIST && host_has("/guest/a", "hello"));
  CHECK(ask_write("/guest/a", 2, "LL", 0) == 0 && host_has("/guest/a", "heLLo"));
  CHECK(ask_write("/guest/a", 0, "!", APPEND) == 0 && host_has("/guest/a", "heLLo!"));
  CHECK(ask_write("/guest/a", 1, "!", APPEND) == EINVAL);
  CHECK(ask_write("/guest/a", 0, "new", TRUNCATE) == 0 && host_has("/guest/a", "new"));
  CHECK(ask_plain(READ, "/guest/a") == 0 && data_is("new") && reply.size == 3);
  begin(READ, "/guest/a");
  out_u64(&request, 4, 1);
  out_u64(&request, 5, 1);
  CHECK(ask() == 0 && data_is("e"));
  begin(READ, "/guest/a");
  out_u64(&request, 4, 100);
  CHECK(ask() == 0 && reply.data.length == 0 && reply.size == 3);
  begin(READ, "/guest/a");
  out_u64(&request, 4, UINT64_MAX);
  CHECK(ask() == EINVAL);
  CHECK(ask_plain(READ, "/guest") == EISDIR);
  CHECK(ask_plain(READ, "/guest/none") == ENOENT);
  begin(WRITE, "/guest/mode");
  out_u32(&request, 7, 0711);
  out_u32(&request, 9, CREATE);
  CHECK(ask() == 0 && (host_mode("/guest/mode") & 07777) == 0711);
}

static void large_files_come_in_pieces(void) {
  static uint8_t block[1 << 20];
  for (size_t i = 0; i < sizeof block; i++) block[i] = (uint8_t)(i * 31 >> 3);
  for (uint64_t piece = 0; piece < 2; piece++) {
    begin(WRITE, "/guest/large");
    out_u64(&request, 4, piece << 20);
    out_bytes(&request, 6, block, sizeof block);
    out_u32(&request, 9, CREATE);
    CHECK(ask() == 0 && reply.size == sizeof block);
  }
  begin(READ, "/guest/large");
  out_u64(&request, 5, 1 << 30);
  CHECK(ask() == 0 && reply.data.length == 1 << 20 && reply.size == 2 << 20 && memcmp(reply.data.data, block, sizeof block) == 0);
  /* The file-size limit of the sandbox is an errno, not the agent's death. */
  begin(WRITE, "/guest/large");
  out_u64(&request, 4, (4 << 20) - 10);
  out_bytes(&request, 6, block, 100);
  CHECK(ask() == EFBIG && reply.size == 10);
  uint8_t *huge = calloc(1, 3 << 20);
  begin(WRITE, "/guest/huge");
  out_bytes(&request, 6, huge, 3 << 20);
  out_u32(&request, 9, CREATE);
  CHECK(ask() == EMSGSIZE && host_mode("/guest/huge") == 0);
  free(huge);
}

static void links_lead_no_further_than_the_root(void) {
  CHECK(ask_second(SYMLINK, "/guest/link", "/readable", 0) == 0 && S_ISLNK(host_mode("/guest/link")));
  CHECK(ask_second(SYMLINK, "/guest/link", "/x", 0) == EEXIST);
  CHECK(ask_plain(READLINK, "/guest/link") == 0 && data_is("/readable"));
  CHECK(ask_plain(READLINK, "/guest/a") == EINVAL);
  CHECK(ask_plain(READ, "/guest/link") == ELOOP);
  CHECK(ask_write("/guest/link", 0, "x", TRUNCATE) == ELOOP && host_has("/readable", "from the host\n"));
  CHECK(ask_plain(STAT, "/guest/link") == 0 && reply.entries == 1);
  begin(CHMOD, "/guest/link");
  out_u32(&request, 7, 0777);
  CHECK(ask() == ELOOP && (host_mode("/readable") & 07777) == 0644);
  if (shut_in) {
    CHECK(ask_flags(READ, "/guest/link", FOLLOW) == 0 && data_is("from the host\n"));
    /* Up beyond the root is the root. */
    CHECK(ask_second(SYMLINK, "/guest/up", "../../../../../../../../etc/passwd", 0) == 0);
    CHECK(ask_flags(READ, "/guest/up", FOLLOW) == ENOENT);
    CHECK(ask_plain(READ, "/../../../../etc/passwd") == ENOENT);
    CHECK(ask_plain(READ, "/secret") == EACCES);
    CHECK(ask_plain(REMOVE, "/secret") == EACCES && host_has("/secret", "root's\n"));
    CHECK(ask_write("/outside", 0, "x", CREATE) == EACCES && host_mode("/outside") == 0);
  } else {
    harness_skip("links out of the root, the guest's rights", "only root may chroot");
  }
  CHECK(ask_flags(REMOVE, "/guest/link", FOLLOW) == EINVAL);
  CHECK(ask_plain(REMOVE, "/guest/link") == 0 && host_mode("/guest/link") == 0 && host_has("/readable", "from the host\n"));
}

static uint64_t nanoseconds(struct timespec time) { return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec; }

static void stat_says_what_is_there(void) {
  struct timespec before, after;
  clock_gettime(CLOCK_REALTIME_COARSE, &before);
  CHECK(ask_plain(STAT, "/guest/a") == 0 && reply.entries == 1);
  clock_gettime(CLOCK_REALTIME_COARSE, &after);
  struct span rest = reply.record;
  struct field field;
  bool bad;
  while (wire_next(&rest, &field, &bad) && field.tag != 4) {
  }
  const char *name = NULL;
  uint32_t mode = 0, device;
  uint64_t size = 0, mtime = 0, inode = 0, ctime = 0, clock = 0;
  const struct wire_slot slots[] = {{1, WIRE_STR, true, &name}, {2, WIRE_U32, true, &mode}, {3, WIRE_U64, true, &size},
                                    {4, WIRE_U64, true, &mtime}, {5, WIRE_U32, false, &device}, {6, WIRE_U32, false, &device},
                                    {7, WIRE_U64, true, &inode}, {8, WIRE_U64, true, &ctime}, {9, WIRE_U64, true, &clock}};
  uint32_t seen;
  if (!CHECK(!failed(wire_record(field.body, slots, 9, &seen)) && seen == 0x39e)) return;
  struct stat status;
  CHECK(stat(host("/guest/a"), &status) == 0);
  CHECK(strcmp(name, "a") == 0 && mode == status.st_mode && size == 3);
  CHECK(mtime == nanoseconds(status.st_mtim));
  CHECK(inode == status.st_ino && ctime == nanoseconds(status.st_ctim));
  CHECK(clock >= nanoseconds(before) && clock <= nanoseconds(after));
  CHECK(ask_plain(STAT, "/guest/none") == ENOENT && reply.entries == 0);
}

static void listing_in_pages(void) {
  CHECK(ask_plain(MKDIR, "/guest/many") == 0);
  char path[300], name[256];
  for (int i = 0; i < 5000; i++) {
    snprintf(path, sizeof path, "/guest/many/%0200d", i);
    host_write(path, "", 0644);
  }
  static bool found[5000];
  size_t total = 0, pages = 0, twice = 0;
  uint64_t offset = 0;
  do {
    begin(LIST, "/guest/many");
    out_u64(&request, 4, offset);
    if (ask() != 0) break;
    total += reply.entries;
    pages++;
    CHECK(reply.record.length <= 1 << 20 && reply.size == offset + reply.entries);
    offset = reply.size;
    struct span rest = reply.record;
    struct field field;
    bool bad;
    while (wire_next(&rest, &field, &bad)) {
      if (field.tag != 4) continue;
      struct span entry = field.body;
      const char *text = NULL;
      if (!wire_next(&entry, &field, &bad) || !wire_str(field.body, &text, false)) abort();
      snprintf(name, sizeof name, "%s", text);
      int index = atoi(name);
      twice += found[index];
      found[index] = true;
    }
  } while (reply.more == 1);
  CHECK_THAT(total == 5000 && twice == 0 && pages > 1, "%zu entries, %zu twice, %zu pages", total, twice, pages);
  begin(LIST, "/guest/many");
  out_u64(&request, 5, 3);
  CHECK(ask() == 0 && reply.entries == 3 && reply.more == 1 && reply.size == 3);
  CHECK(ask_plain(LIST, "/guest/a") == ENOTDIR);
  CHECK(ask_plain(LIST, "/guest/none") == ENOENT);
}

static void making_moving_removing(void) {
  CHECK(ask_plain(MKDIR, "/guest/d/e/f") == ENOENT);
  CHECK(ask_flags(MKDIR, "/guest/d/e/f", RECURSIVE) == 0 && S_ISDIR(host_mode("/guest/d/e/f")) && (host_mode("/guest/d") & 07777) == 0755);
  CHECK(ask_flags(MKDIR, "/guest/d/e/f/", RECURSIVE) == 0);
  CHECK(ask_plain(MKDIR, "/guest/d") == EEXIST);
  CHECK(ask_flags(MKDIR, "/guest/a/b", RECURSIVE) == ENOTDIR);
  CHECK(ask_second(RENAME, "/guest/a", "/guest/d/b", 0) == 0 && host_has("/guest/d/b", "new") && host_mode("/guest/a") == 0);
  host_write("/guest/other", "other", 0644);
  CHECK(ask_second(RENAME, "/guest/other", "/guest/d/b", EXCLUSIVE) == EEXIST && host_has("/guest/d/b", "new"));
  CHECK(ask_second(RENAME, "/guest/other", "d/b", 0) == EINVAL);
  CHECK(ask_plain(RENAME, "/guest/other") == EINVAL);
  begin(CHMOD, "/guest/d/b");
  out_u32(&request, 7, 0600);
  CHECK(ask() == 0 && (host_mode("/guest/d/b") & 07777) == 0600);
  begin(CHMOD, "/guest/d/b");
  out_u32(&request, 7, 010000);
  CHECK(ask() == EINVAL);
  CHECK(ask_plain(REMOVE, "/guest/d") == ENOTEMPTY && host_has("/guest/d/b", "new"));
  CHECK(ask_flags(REMOVE, "/guest/d", RECURSIVE) == 0 && host_mode("/guest/d") == 0);
  CHECK(ask_plain(REMOVE, "/guest/none") == ENOENT);
  if (shut_in) CHECK(ask_flags(REMOVE, "/", RECURSIVE) == EBUSY && host_has("/readable", "from the host\n"));
  CHECK(ask_flags(REMOVE, "/guest/many/..", RECURSIVE) == EINVAL && host_mode("/guest/many") != 0);
  CHECK(remove_in_turns("/guest/many") == 0 && host_mode("/guest/many") == 0);
}

static void removing_what_was_nested_to_hurt(void) {
  /* 3,000 levels; the agent has 48 descriptors. Beside each level a link that leads out and a file. */
  int dir = open(host("/guest"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const char *name = "deep";
  for (int i = 0; i < 3000; i++) {
    if (mkdirat(dir, name, 0700) != 0 || (shut_in && fchownat(dir, name, GUEST, GUEST, 0) != 0)) abort();
    int next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(dir);
    dir = next;
    if (symlinkat("/readable", dir, "out") != 0 || mknodat(dir, "fifo", S_IFIFO | 0600, 0) != 0) abort();
    name = i % 2 == 0 ? "sub" : ".removed-0";
  }
  close(dir);
  CHECK(remove_in_turns("/guest/deep") == 0 && host_mode("/guest/deep") == 0);
  CHECK(host_has("/readable", "from the host\n"));
  if (ask_flags(MKDIR, "/guest/closed/inner", RECURSIVE) != 0) abort();
  chmod(host("/guest/closed"), 0);
  CHECK(ask_flags(REMOVE, "/guest/closed", RECURSIVE) == 0 && host_mode("/guest/closed") == 0);
}

static void special_files_do_not_hold_it_up(void) {
  if (mkfifo(host("/guest/fifo"), 0666) != 0 || chmod(host("/guest/fifo"), 0666) != 0) abort();
  CHECK(ask_plain(READ, "/guest/fifo") == EINVAL);
  CHECK(ask_write("/guest/fifo", 0, "x", 0) == ENXIO);
  CHECK(ask_plain(REMOVE, "/guest/fifo") == 0);
}

static void bad_requests_get_their_answer(void) {
  struct out bad = {0};
  out_u32(&bad, 1, 77);
  send_message(bad.data, bad.length);
  receive();
  CHECK(reply.number == 77 && reply.error == EBADMSG);
  out_u32(&bad, 2, READ);
  out_str(&bad, 3, "/guest/a");
  out_u32(&bad, 99, 1);
  send_message(bad.data, bad.length);
  receive();
  CHECK(reply.number == 77 && reply.error == EBADMSG);
  send_message("", 0);
  receive();
  CHECK(reply.number == 0 && reply.error == EBADMSG);
  send_message("\1\0\0\0\xff\xff\xff\xff", 8);
  receive();
  CHECK(reply.error == EBADMSG);
  out_free(&bad);
  out_u32(&bad, 1, 78);
  out_u32(&bad, 2, READ);
  out_str(&bad, 3, "guest/a");
  send_message(bad.data, bad.length);
  receive();
  CHECK(reply.number == 78 && reply.error == EINVAL);
  out_free(&bad);
  CHECK(ask_plain(11, "/guest") == EOPNOTSUPP);
  CHECK(ask_plain(0, "/guest") == EOPNOTSUPP);
  CHECK(ask_flags(STAT, "/guest", 64) == EINVAL);
  CHECK(ask_plain(STAT, "/guest") == 0);
}

static void it_ends_with_its_socket(void) {
  close(agent);
  int status = -1;
  CHECK(waitpid(agent_pid, &status, 0) == agent_pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void) {
  start_agent();
  writing_and_reading();
  large_files_come_in_pieces();
  links_lead_no_further_than_the_root();
  stat_says_what_is_there();
  listing_in_pages();
  making_moving_removing();
  removing_what_was_nested_to_hurt();
  special_files_do_not_hold_it_up();
  bad_requests_get_their_answer();
  it_ends_with_its_socket();
  out_free(&request);
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", top);
  CHECK(system(command) == 0);
  return harness_end("files");
}
