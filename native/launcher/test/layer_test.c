/* What an overlay's upper directory holds: made by hand, and made by a real overlay where one can be mounted. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../layer.h"
#include "harness.h"

static char top[64] = "/tmp/caisson-layer-XXXXXX";
static char printed[8 << 20];
static size_t printed_length;

static const char *in(const char *path) {
  static char buffers[4][512];
  static unsigned turn;
  char *buffer = buffers[turn++ % 4];
  snprintf(buffer, sizeof buffers[0], "%s/%s", top, path);
  return buffer;
}

static void put(const char *path, const char *content) {
  int fd = open(in(path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0 || write(fd, content, strlen(content)) != (ssize_t)strlen(content)) abort();
  close(fd);
}

/* Runs layer_print in a child with its stdout in a file. */
static struct err print_layer_after(const char *upper, const char *after) {
  static struct err *result;
  if (result == NULL) result = mmap(NULL, sizeof *result, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  char path[80];
  snprintf(path, sizeof path, "%s.out", top);
  pid_t pid = fork();
  if (pid == 0) {
    if (freopen(path, "we", stdout) == NULL) _exit(9);
    *result = layer_print(upper, after);
    fflush(stdout);
    _exit(0);
  }
  int status = -1;
  waitpid(pid, &status, 0);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t length = read(fd, printed, sizeof printed);
  close(fd);
  unlink(path);
  printed_length = length < 0 ? 0 : (size_t)length;
  return *result;
}

static struct err print_layer(const char *upper) { return print_layer_after(upper, NULL); }

struct entry {
  char type;
  unsigned mode;
  long long size, mtime;
  const char *path;
};

/* Cuts the entry at `at` into its fields; returns where the next one is, NULL when the form is wrong. */
static char *cut(char *at, struct entry *out) {
  char *fields[5], *end = printed + printed_length;
  for (int i = 0; i < 5; i++) {
    fields[i] = at;
    char *stop = memchr(at, 0, (size_t)(end - at));
    if (stop == NULL) return NULL;
    at = stop + 1;
  }
  *out = (struct entry){fields[0][0], (unsigned)strtoul(fields[1], NULL, 8), strtoll(fields[2], NULL, 10), strtoll(fields[3], NULL, 10), fields[4]};
  return at < end && *at == '\n' && fields[0][1] == 0 ? at + 1 : NULL;
}

static bool find(const char *path, struct entry *out) {
  char *at = printed;
  while (at != NULL && at < printed + printed_length) {
    at = cut(at, out);
    if (at != NULL && strcmp(out->path, path) == 0) return true;
  }
  CHECK(at != NULL);
  return false;
}

static char type_at(const char *path) {
  struct entry entry;
  return find(path, &entry) ? entry.type : '-';
}

static bool user_attributes_work(const char *path) { return setxattr(path, "user.caisson", "1", 1, 0) == 0; }

static void a_layer_made_by_hand(void) {
  if (mkdir(in("u"), 0755) != 0 || mkdir(in("u/d"), 0750) != 0 || mkdir(in("u/d/e"), 0755) != 0) abort();
  put("u/file", "12345");
  if (chmod(in("u/file"), 0711) != 0) abort();
  put("u/d/e/in ner", "");
  put("u/line\nbreak", "");
  if (symlink("/etc/passwd", in("u/link")) != 0 || symlink("..", in("u/d/up")) != 0 || mkfifo(in("u/fifo"), 0600) != 0) abort();
  CHECK(!failed(print_layer(in("u"))));
  struct entry entry;
  struct stat status;
  CHECK(find("file", &entry) && entry.type == 'f' && entry.mode == 0711 && entry.size == 5);
  CHECK(stat(in("u/file"), &status) == 0 && entry.mtime == (long long)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec);
  CHECK(find("d", &entry) && entry.type == 'd' && entry.mode == 0750);
  CHECK(type_at("d/e/in ner") == 'f' && type_at("line\nbreak") == 'f');
  CHECK(find("link", &entry) && entry.type == 'l' && entry.size == (long long)strlen("/etc/passwd"));
  CHECK(type_at("d/up") == 'l' && type_at("d/up/d") == '-' && type_at("fifo") == 's');
  size_t lines = 0;
  for (char *at = printed; at < printed + printed_length && (at = cut(at, &entry)) != NULL;) lines++;
  CHECK_THAT(lines == 8, "%zu entries", lines);
}

/* The paths that are told, in the order in which they are, each with a bar behind it. */
static const char *told(const char *after) {
  static char text[1024];
  CHECK(!failed(print_layer_after(in("order"), after)));
  text[0] = 0;
  struct entry entry;
  for (char *at = printed; at < printed + printed_length && (at = cut(at, &entry)) != NULL;) {
    strcat(text, entry.path);
    strcat(text, "|");
  }
  return text;
}

static void the_order_of_paths(void) {
  static const char *const directories[] = {"order", "order/a", "order/a!", "order/a!/x", "order/a/b", "order/ab"};
  for (size_t i = 0; i < sizeof directories / sizeof *directories; i++)
    if (mkdir(in(directories[i]), 0755) != 0) abort();
  static const char *const files[] = {"a.b", "a/b/c", "a/b!", "a!/x/y", "ab/z", "\xff", "\xfe", "\xc3\xa9"};
  char path[64];
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    snprintf(path, sizeof path, "order/%s", files[i]);
    put(path, "");
  }
  static const char all[] = "a|a!|a!/x|a!/x/y|a.b|a/b|a/b!|a/b/c|ab|ab/z|\xc3\xa9|\xef\xbf\xbd|";
  CHECK_THAT(strcmp(told(NULL), all) == 0, "%s", told(NULL));
  CHECK(type_at("\xef\xbf\xbd") == 's');
  /* After each: what leads to the rest or holds it, and the rest. */
  CHECK_THAT(strcmp(told("a!/x"), "a|a!|a!/x|a!/x/y|a.b|a/b|a/b!|a/b/c|ab|ab/z|\xc3\xa9|\xef\xbf\xbd|") == 0, "%s", told("a!/x"));
  CHECK_THAT(strcmp(told("a!/x/y"), "a|a!|a!/x|a!/x/y|a.b|a/b|a/b!|a/b/c|ab|ab/z|\xc3\xa9|\xef\xbf\xbd|") == 0, "%s", told("a!/x/y"));
  CHECK_THAT(strcmp(told("a.b"), "a|a.b|a/b|a/b!|a/b/c|ab|ab/z|\xc3\xa9|\xef\xbf\xbd|") == 0, "%s", told("a.b"));
  CHECK_THAT(strcmp(told("ab/z"), "ab|ab/z|\xc3\xa9|\xef\xbf\xbd|") == 0, "%s", told("ab/z"));
  CHECK_THAT(strcmp(told("\xc3\xa9"), "\xc3\xa9|\xef\xbf\xbd|") == 0, "%s", told("\xc3\xa9"));
  CHECK_THAT(strcmp(told("zz"), "\xc3\xa9|\xef\xbf\xbd|") == 0, "%s", told("zz"));
}

static void marks_of_overlayfs(void) {
  if (geteuid() == 0) {
    if (mknod(in("u/gone"), S_IFCHR | 0000, makedev(0, 0)) != 0 || mknod(in("u/null"), S_IFCHR | 0666, makedev(1, 3)) != 0) abort();
    CHECK(!failed(print_layer(in("u"))));
    CHECK(type_at("gone") == 'w' && type_at("null") == 's');
    unlink(in("u/null"));
  } else {
    harness_skip("whiteouts as devices", "only root may mknod");
  }
  if (!user_attributes_work(in("u/d"))) {
    harness_skip("overlay attributes", "the file system has no user.* attributes");
    return;
  }
  if (setxattr(in("u/d"), "user.overlay.opaque", "y", 1, 0) != 0 || setxattr(in("u/d/e"), "user.overlay.opaque", "x", 1, 0) != 0) abort();
  put("u/d/e/white", "");
  put("u/d/e/full", "content");
  if (setxattr(in("u/d/e/white"), "user.overlay.whiteout", "y", 1, 0) != 0 || setxattr(in("u/d/e/full"), "user.overlay.whiteout", "", 0, 0) != 0) abort();
  CHECK(!failed(print_layer(in("u"))));
  CHECK(type_at("d") == 'o' && type_at("d/e") == 'd' && type_at("d/e/white") == 'w' && type_at("d/e/full") == 'f');
  CHECK(setxattr(in("u/d/e"), "user.overlay.redirect", "/elsewhere", 10, 0) == 0);
  struct err error = print_layer(in("u"));
  CHECK(error.class == ERR_UNSUPPORTED && error.errnum == EOPNOTSUPP);
  removexattr(in("u/d/e"), "user.overlay.redirect");
  CHECK(setxattr(in("u/file"), "user.overlay.metacopy", "", 0, 0) == 0 && print_layer(in("u")).class == ERR_UNSUPPORTED);
  removexattr(in("u/file"), "user.overlay.metacopy");
}

/* What the kernel itself writes into an upper directory. */
static void a_layer_made_by_the_kernel(void) {
  if (mkdir(in("k"), 0755) != 0 || mkdir(in("k/lower"), 0755) != 0 || mkdir(in("k/lower/dir"), 0755) != 0) abort();
  put("k/lower/kept", "kept");
  put("k/lower/deleted", "deleted");
  put("k/lower/dir/inside", "inside");
  if (mkdir(in("k/upper"), 0755) != 0 || mkdir(in("k/work"), 0755) != 0 || mkdir(in("k/merged"), 0755) != 0) abort();
  uid_t uid = geteuid();
  gid_t gid = getegid();
  pid_t pid = fork();
  if (pid == 0) {
    char map[32], options[512];
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) _exit(7);
    const char *const files[] = {"/proc/self/setgroups", "/proc/self/uid_map", "/proc/self/gid_map"};
    for (int i = 0; i < 3; i++) {
      snprintf(map, sizeof map, "0 %u 1", i == 1 ? (unsigned)uid : (unsigned)gid);
      int fd = open(files[i], O_WRONLY | O_CLOEXEC);
      if (fd < 0 || write(fd, i == 0 ? "deny" : map, i == 0 ? 4 : strlen(map)) < 0) _exit(7);
      close(fd);
    }
    snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s,userxattr", in("k/lower"), in("k/upper"), in("k/work"));
    if (mount("overlay", in("k/merged"), "overlay", 0, options) != 0) _exit(7);
    if (unlink(in("k/merged/deleted")) != 0 || unlink(in("k/merged/dir/inside")) != 0 || rmdir(in("k/merged/dir")) != 0) _exit(8);
    if (mkdir(in("k/merged/dir"), 0755) != 0) _exit(8);
    put("k/merged/dir/new", "new");
    _exit(0);
  }
  int status = -1;
  waitpid(pid, &status, 0);
  if (WEXITSTATUS(status) == 7) {
    harness_skip("a real overlay", "no overlay in a user namespace here");
    return;
  }
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(!failed(print_layer(in("k/upper"))));
  CHECK(type_at("deleted") == 'w' && type_at("kept") == '-' && type_at("dir") == 'o' && type_at("dir/new") == 'f');
}

static void depth_and_links(void) {
  if (mkdir(in("deep"), 0755) != 0) abort();
  int dir = open(in("deep"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (int i = 0; i < 2000; i++) {
    if (mkdirat(dir, "d", 0755) != 0) abort();
    int next = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(dir);
    dir = next;
  }
  CHECK(!failed(print_layer(in("deep"))));
  struct entry entry;
  size_t lines = 0;
  for (char *at = printed; at < printed + printed_length && (at = cut(at, &entry)) != NULL;) lines++;
  CHECK_THAT(lines == 2000, "%zu entries", lines);
  for (int i = 0; i < 200; i++) {
    if (mkdirat(dir, "d", 0755) != 0) abort();
    int next = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(dir);
    dir = next;
  }
  close(dir);
  CHECK(print_layer(in("deep")).errnum == ENAMETOOLONG);
  if (symlink(in("u"), in("elsewhere")) != 0) abort();
  struct err error = print_layer(in("elsewhere"));
  CHECK((error.errnum == ELOOP || error.errnum == ENOTDIR) && printed_length == 0);
  CHECK(print_layer(in("none")).errnum == ENOENT);
}

int main(void) {
  if (mkdtemp(top) == NULL) abort();
  a_layer_made_by_hand();
  the_order_of_paths();
  marks_of_overlayfs();
  a_layer_made_by_the_kernel();
  depth_and_links();
  char command[256];
  snprintf(command, sizeof command, "chmod -R u+rwx %s && rm -rf %s", top, top); /* overlay's own work directory has no permission bits */
  CHECK(system(command) == 0);
  return harness_end("layer");
}
