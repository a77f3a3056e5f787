#include "trace_call.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys.h"
#include "trace_calls.h"
#include "trace_record.h"

#define DNS_PORT 53
#define DNS_MAX 512
#define PAGE 4096u
/* CLONE_NEW*, the only flags of clone(2) that a filter judges. */
#define CLONE_NAMESPACES 0x7e020080ull

typedef const struct seccomp_notif *notif;

/* Whether anything was connected to a port 53: until then a send without an address cannot be a query. */
static bool resolver_used;

/* Bytes of the caller's memory; less than `length` where a page is missing. */
static size_t peek_at(pid_t pid, uint64_t address, void *into, size_t length) {
  struct iovec local = {into, length};
  struct iovec remote = {(void *)(uintptr_t)address, length};
  ssize_t got = process_vm_readv(pid, &local, 1, &remote, 1, 0);
  return got < 0 ? 0 : (size_t)got;
}

static size_t peek(notif n, uint64_t address, void *into, size_t length) {
  return peek_at((pid_t)n->pid, address, into, length);
}

/* Page by page: what follows a string need not be mapped. */
bool trace_call_string(pid_t pid, uint64_t address, char into[]) {
  for (size_t at = 0; at < PATH_MAX;) {
    size_t rest = PAGE - ((address + at) & (PAGE - 1));
    if (rest > PATH_MAX - at) rest = PATH_MAX - at;
    if (at == 0 && rest > 256) rest = 256;
    size_t got = peek_at(pid, address + at, into + at, rest);
    if (memchr(into + at, '\0', got) != NULL) return true;
    if (got < rest) return false;
    at += got;
  }
  return false;
}

/* Absolute, its links unresolved. A relative one is joined with what the kernel says of its directory. */
static bool path_of(notif n, int directory_at, int path_at, char into[2 * PATH_MAX]) {
  char given[PATH_MAX], link[64];
  if (!trace_call_string((pid_t)n->pid, n->data.args[path_at], given) || given[0] == '\0') return false;
  if (given[0] == '/') {
    memcpy(into, given, strlen(given) + 1);
    return true;
  }
  int directory = directory_at < 0 ? AT_FDCWD : (int)n->data.args[directory_at];
  if (directory == AT_FDCWD) snprintf(link, sizeof link, "/proc/%u/cwd", n->pid);
  else snprintf(link, sizeof link, "/proc/%u/fd/%d", n->pid, directory);
  ssize_t length = readlink(link, into, PATH_MAX - 1);
  if (length <= 0 || into[0] != '/') return false;
  into[length] = '/';
  memcpy(into + length + 1, given, strlen(given) + 1);
  return true;
}

static const char *state_of(const char *path, bool follow) {
  struct stat status;
  if (fstatat(AT_FDCWD, path, &status, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0) return "-";
  switch (status.st_mode & S_IFMT) {
    case S_IFREG:
      return "f";
    case S_IFDIR:
      return "d";
    case S_IFLNK:
      return "l";
    default:
      return "s";
  }
}

uint64_t trace_call_flags(notif n, const struct trace_call *call) {
  uint64_t how = 0;
  switch (call->flags) {
    case FLAGS_ARGUMENT:
      return (uint32_t)n->data.args[call->flags_at];
    case FLAGS_CREAT:
      return O_WRONLY | O_CREAT | O_TRUNC;
    case FLAGS_HOW:
      return peek(n, n->data.args[call->flags_at], &how, sizeof how) == sizeof how ? how : 0;
    default:
      return 0;
  }
}

static bool looks_only(const char *op) {
  static const char *const ops[] = {"stat", "exec", "link-read", "chdir"};
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
    if (strcmp(op, ops[i]) == 0) return true;
  return false;
}

static void note_path(notif n, const struct trace_call *call, bool (*valid)(unsigned long long)) {
  char first[2 * PATH_MAX], second[2 * PATH_MAX];
  if (!path_of(n, call->directory, call->path, first)) return;
  bool two = call->kind == TRACE_TWO_PATHS;
  if (two && !path_of(n, call->second_directory, call->second_path, second)) return;
  uint64_t flags = trace_call_flags(n, call);
  bool opens = strcmp(call->op, "open") == 0;
  /* What only looks says nothing new the second time: that the place was empty then, or is not now, the run's own doing
     has told. */
  bool looks = opens ? (flags & (O_ACCMODE | O_CREAT | O_TRUNC)) == 0 : looks_only(call->op);
  if (looks && record_seen(first, strlen(first), 1 + ((uint64_t)(unsigned)call->number << 32 | (uint32_t)flags))) return;
  if (!valid(n->id)) return;
  bool follow = call->no_follow != ~0u && (flags & call->no_follow) == 0;
  if (opens && (flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) follow = false;
  record_begin("path");
  record_word(call->op);
  record_word(state_of(first, follow));
  record_number(opens ? (long long)flags : 0);
  record_word(first);
  if (two) record_word(second);
  record_end();
}

/* The thread's process: pidfd_open(2) takes no other thread than the first. */
static int open_process(unsigned pid) {
  int fd = sys_pidfd_open((pid_t)pid);
  if (fd >= 0) return fd;
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%u/status", pid);
  int status = open(path, O_RDONLY | O_CLOEXEC);
  if (status < 0) return -1;
  ssize_t got = read(status, text, sizeof text - 1);
  close(status);
  if (got <= 0) return -1;
  text[got] = '\0';
  const char *line = strstr(text, "\nTgid:");
  return line == NULL ? -1 : sys_pidfd_open((pid_t)strtol(line + 6, NULL, 10));
}

static int borrow(notif n, int fd) {
  int process = open_process(n->pid);
  if (process < 0) return -1;
  int mine = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
  close(process);
  return mine;
}

static uint16_t port_of(const struct sockaddr_storage *address) {
  if (address->ss_family == AF_INET) return ntohs(((const struct sockaddr_in *)address)->sin_port);
  if (address->ss_family == AF_INET6) return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
  return 0;
}

static void note_address(const char *op, int type, const struct sockaddr_storage *address, size_t length) {
  char text[INET6_ADDRSTRLEN] = "";
  record_begin("net");
  record_word(op);
  record_number(type);
  if (address->ss_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
    inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, sizeof text);
    record_word("4");
  } else if (address->ss_family == AF_INET6 && length >= offsetof(struct sockaddr_in6, sin6_scope_id)) {
    inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, text, sizeof text);
    record_word("6");
  } else if (address->ss_family == AF_UNIX && length > offsetof(struct sockaddr_un, sun_path)) {
    const char *path = ((const struct sockaddr_un *)address)->sun_path;
    size_t rest = length - offsetof(struct sockaddr_un, sun_path);
    char name[sizeof(struct sockaddr_un) + 2] = "@";
    if (path[0] == '\0') memcpy(name + 1, path + 1, strnlen(path + 1, rest - 1));
    else memcpy(name, path, strnlen(path, rest));
    record_word("u");
    record_number(0);
    record_word(name);
    record_end();
    return;
  } else {
    return;
  }
  record_number(port_of(address));
  record_word(text);
  record_end();
}

static int type_of(notif n, int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  int mine = borrow(n, fd);
  if (mine < 0) return 0;
  if (getsockopt(mine, SOL_SOCKET, SO_TYPE, &type, &size) != 0) type = 0;
  close(mine);
  return type;
}

static size_t peek_address(notif n, uint64_t at, uint64_t length, struct sockaddr_storage *into) {
  memset(into, 0, sizeof *into);
  return length > sizeof *into ? 0 : peek(n, at, into, (size_t)length);
}

static void note_query(notif n, uint64_t at, uint64_t length, bool (*valid)(unsigned long long)) {
  unsigned char query[DNS_MAX];
  char hex[2 * DNS_MAX + 1] = "";
  size_t got = peek(n, at, query, length > DNS_MAX ? DNS_MAX : (size_t)length);
  if (got == 0 || !valid(n->id)) return;
  for (size_t i = 0; i < got; i++) snprintf(hex + 2 * i, 3, "%02x", query[i]);
  record_begin("dns");
  record_word(hex);
  record_end();
}

static bool leads_to_resolver(notif n, int fd) {
  struct sockaddr_storage peer;
  socklen_t size = sizeof peer;
  int mine = resolver_used ? borrow(n, fd) : -1;
  if (mine < 0) return false;
  bool yes = getpeername(mine, (struct sockaddr *)&peer, &size) == 0 && port_of(&peer) == DNS_PORT;
  close(mine);
  return yes;
}

static void note_named(notif n, const char *op, uint64_t at, uint64_t length, bool (*valid)(unsigned long long)) {
  struct sockaddr_storage address;
  size_t got = peek_address(n, at, length, &address);
  int type = type_of(n, (int)n->data.args[0]);
  if (got < sizeof(sa_family_t) || !valid(n->id)) return;
  if (port_of(&address) == DNS_PORT) resolver_used = true;
  note_address(op, type, &address, got);
}

static void note_message(notif n, const struct msghdr *message, bool (*valid)(unsigned long long)) {
  struct iovec part;
  struct sockaddr_storage address;
  bool query = false;
  if (message->msg_name != NULL) {
    uint64_t at = (uintptr_t)message->msg_name;
    note_named(n, "send", at, message->msg_namelen, valid);
    peek_address(n, at, message->msg_namelen, &address);
    query = port_of(&address) == DNS_PORT;
  } else {
    query = leads_to_resolver(n, (int)n->data.args[0]);
  }
  if (!query || message->msg_iovlen == 0) return;
  if (peek(n, (uintptr_t)message->msg_iov, &part, sizeof part) != sizeof part) return;
  note_query(n, (uintptr_t)part.iov_base, part.iov_len, valid);
}

static void note_sendto(notif n, bool (*valid)(unsigned long long)) {
  const __u64 *args = n->data.args;
  struct sockaddr_storage address;
  bool query;
  if (args[4] != 0) {
    note_named(n, "send", args[4], args[5], valid);
    peek_address(n, args[4], args[5], &address);
    query = port_of(&address) == DNS_PORT;
  } else {
    query = leads_to_resolver(n, (int)args[0]);
  }
  if (query) note_query(n, args[1], args[2], valid);
}

/* struct mmsghdr is a msghdr and a length, padded to its alignment. */
static void note_messages(notif n, bool (*valid)(unsigned long long)) {
  struct mmsghdr each;
  uint64_t count = n->data.args[2] > 8 ? 8 : (unsigned)n->data.args[2];
  for (uint64_t i = 0; i < count; i++) {
    if (peek(n, n->data.args[1] + i * sizeof each, &each, sizeof each) != sizeof each) return;
    note_message(n, &each.msg_hdr, valid);
  }
}

static void note_listen(notif n) {
  struct sockaddr_storage address = {0};
  socklen_t size = sizeof address;
  int type = 0;
  socklen_t type_size = sizeof type;
  int mine = borrow(n, (int)n->data.args[0]);
  if (mine < 0) return;
  bool known = getsockname(mine, (struct sockaddr *)&address, &size) == 0 &&
               getsockopt(mine, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0;
  close(mine);
  if (known) note_address("listen", type, &address, size);
}

static void note_number(notif n, unsigned long long detail) {
  record_begin("call");
  record_number(n->data.arch);
  record_number(n->data.nr);
  record_number((long long)detail);
  record_end();
}

void trace_call_note(notif n, bool (*valid)(unsigned long long id)) {
  bool ours = n->data.arch == trace_arch && (unsigned)n->data.nr < 0x40000000u;
  const struct trace_call *call = ours ? trace_call_of(n->data.nr) : NULL;
  struct msghdr message;
  switch (call == NULL ? TRACE_NONE : call->kind) {
    case TRACE_PATH:
    case TRACE_TWO_PATHS:
      return note_path(n, call, valid);
    case TRACE_CONNECT:
      return note_named(n, "connect", n->data.args[1], (uint32_t)n->data.args[2], valid);
    case TRACE_BIND:
      return note_named(n, "bind", n->data.args[1], (uint32_t)n->data.args[2], valid);
    case TRACE_LISTEN:
      return note_listen(n);
    case TRACE_SENDTO:
      return note_sendto(n, valid);
    case TRACE_SENDMSG:
      if (peek(n, n->data.args[1], &message, sizeof message) == sizeof message) note_message(n, &message, valid);
      return;
    case TRACE_SENDMMSG:
      return note_messages(n, valid);
    case TRACE_SOCKET:
      return note_number(n, (n->data.args[0] & 0xffff) << 16 | (n->data.args[1] & 0xf));
    case TRACE_CLONE:
      return note_number(n, n->data.args[0] & CLONE_NAMESPACES);
    default:
      return note_number(n, 0);
  }
}
