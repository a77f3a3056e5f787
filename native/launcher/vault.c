#include "vault.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "sys.h"

enum { REQUEST_HEADER = 9, REPLY_HEADER = 12, SEND_SECONDS = 2 };

struct value {
  uint8_t *data; /* NULL: free */
  uint32_t id, length;
  size_t mapped;
};

/* One side that speaks to us; `in` is secret memory, since values come in by it. */
struct peer {
  int socket;
  bool owns;
  uint8_t *in;
  size_t filled, room;
};

struct vault {
  bool ordinary;
  uint32_t count;
  struct value values[VAULT_VALUES_MAX];
};

/* memory */

static size_t whole_pages(size_t length) { return (length + 4095) / 4096 * 4096; }

static void *map_ordinary(size_t length) {
  void *data = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return NULL;
  if (mlock(data, length) == 0 && madvise(data, length, MADV_DONTDUMP) == 0 && madvise(data, length, MADV_DONTFORK) == 0)
    return data;
  int error = errno;
  munmap(data, length);
  errno = error;
  return NULL;
}

/* memfd_secret(2): its pages leave the kernel's direct map, count as locked, and are cleared by the kernel when they go. */
static void *map_secret(size_t length) {
  int fd = sys_memfd_secret(O_CLOEXEC);
  if (fd < 0) return NULL;
  void *data = MAP_FAILED;
  if (ftruncate(fd, (off_t)length) == 0) data = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  int error = errno;
  close(fd);
  errno = error;
  return data == MAP_FAILED ? NULL : data;
}

static void *map_memory(bool ordinary, size_t length) { return ordinary ? map_ordinary(length) : map_secret(length); }

static void unmap_wiped(void *data, size_t length) {
  explicit_bzero(data, length);
  munmap(data, length);
}

/* values */

static struct value *value_find(struct vault *vault, uint32_t id) {
  for (size_t i = 0; i < VAULT_VALUES_MAX; i++)
    if (vault->values[i].data != NULL && vault->values[i].id == id) return &vault->values[i];
  return NULL;
}

static int value_put(struct vault *vault, uint32_t id, const uint8_t *bytes, uint32_t length) {
  if (length == 0) return EINVAL;
  if (value_find(vault, id) != NULL) return EEXIST;
  struct value *free_one = NULL;
  for (size_t i = 0; i < VAULT_VALUES_MAX && free_one == NULL; i++)
    if (vault->values[i].data == NULL) free_one = &vault->values[i];
  if (free_one == NULL) return ENOSPC;
  size_t mapped = whole_pages(length);
  uint8_t *data = map_memory(vault->ordinary, mapped);
  if (data == NULL) return errno;
  memcpy(data, bytes, length);
  *free_one = (struct value){data, id, length, mapped};
  vault->count++;
  return 0;
}

static int value_drop(struct vault *vault, uint32_t id) {
  struct value *value = value_find(vault, id);
  if (value == NULL) return ENOENT;
  unmap_wiped(value->data, value->mapped);
  *value = (struct value){0};
  vault->count--;
  return 0;
}

/* messages */

static uint32_t read_u32(const uint8_t *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void write_u32(uint8_t *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (8 * i));
}

/* From where the bytes lie: the kernel copies them into the socket, nobody else does. False: the peer does not read. */
static bool send_all(int socket, const uint8_t *bytes, size_t length) {
  for (size_t sent = 0; sent < length;) {
    ssize_t done = send(socket, bytes + sent, length - sent, MSG_NOSIGNAL);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    sent += (size_t)done;
  }
  return true;
}

static bool reply(int socket, int error, uint32_t id, const uint8_t *bytes, uint32_t length) {
  uint8_t header[REPLY_HEADER];
  write_u32(header, (uint32_t)error);
  write_u32(header + 4, id);
  write_u32(header + 8, length);
  return send_all(socket, header, sizeof header) && send_all(socket, bytes, length);
}

static bool carry_out(struct vault *vault, const struct peer *peer, uint8_t operation, uint32_t id, const uint8_t *bytes,
                      uint32_t length) {
  bool get = operation == VAULT_GET;
  if (get == peer->owns) return reply(peer->socket, EPERM, id, NULL, 0);
  if (operation == VAULT_PUT) return reply(peer->socket, value_put(vault, id, bytes, length), id, NULL, 0);
  if (length != 0) return reply(peer->socket, EBADMSG, id, NULL, 0);
  if (operation == VAULT_DROP) return reply(peer->socket, value_drop(vault, id), id, NULL, 0);
  if (operation == VAULT_COUNT) return reply(peer->socket, 0, vault->count, NULL, 0);
  if (!get) return reply(peer->socket, EBADMSG, id, NULL, 0);
  const struct value *value = value_find(vault, id);
  if (value == NULL) return reply(peer->socket, ENOENT, id, NULL, 0);
  return reply(peer->socket, 0, id, value->data, value->length);
}

/* Reads once and answers what is whole. False: the peer is gone, or not to be spoken with any more. */
static bool serve_peer(struct vault *vault, struct peer *peer) {
  ssize_t got = recv(peer->socket, peer->in + peer->filled, peer->room - peer->filled, MSG_DONTWAIT);
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  if (got == 0) return false;
  peer->filled += (size_t)got;
  size_t at = 0, before = peer->filled;
  bool goes_on = true;
  while (goes_on && peer->filled - at >= REQUEST_HEADER) {
    const uint8_t *header = peer->in + at;
    uint32_t id = read_u32(header + 1), length = read_u32(header + 5);
    if (length > VAULT_VALUE_MAX) {
      goes_on = false;
      break;
    }
    if (peer->filled - at < REQUEST_HEADER + length) break;
    goes_on = carry_out(vault, peer, header[0], id, header + REQUEST_HEADER, length);
    at += REQUEST_HEADER + length;
  }
  memmove(peer->in, peer->in + at, peer->filled - at);
  peer->filled -= at;
  explicit_bzero(peer->in + peer->filled, before - peer->filled);
  return goes_on;
}

static struct err serve(struct vault *vault, struct peer peers[2]) {
  for (;;) {
    struct pollfd ready[2] = {{peers[0].socket, POLLIN, 0}, {peers[1].socket, POLLIN, 0}};
    if (poll(ready, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return fail(ERR_SYSTEM, errno, "vault", "poll");
    }
    /* The owner first: what it drops is gone for a reader that asks in the same moment. */
    if (ready[0].revents != 0 && !serve_peer(vault, &peers[0])) return OK;
    if (ready[1].revents != 0 && !serve_peer(vault, &peers[1])) {
      close(peers[1].socket);
      peers[1].socket = -1;
    }
  }
}

/* Nobody of our user may read or trace this process, and it leaves no core file. */
static struct err close_off(void) {
  struct rlimit none = {0, 0}, locked;
  if (prctl(PR_SET_DUMPABLE, 0ul, 0ul, 0ul, 0ul) < 0) return fail(ERR_SYSTEM, errno, "vault", "PR_SET_DUMPABLE");
  if (setrlimit(RLIMIT_CORE, &none) < 0) return fail(ERR_SYSTEM, errno, "vault", "RLIMIT_CORE");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1ul, 0ul, 0ul, 0ul) < 0) return fail(ERR_SYSTEM, errno, "vault", "PR_SET_NO_NEW_PRIVS");
  /* Secret memory counts as locked. As much as we may; too little is told by the value that finds no room. */
  if (getrlimit(RLIMIT_MEMLOCK, &locked) == 0) {
    locked.rlim_cur = locked.rlim_max;
    (void)setrlimit(RLIMIT_MEMLOCK, &locked);
  }
  return OK;
}

struct err vault_run(int owner, int reader, bool ordinary) {
  static struct vault vault; /* large for a stack */
  vault = (struct vault){.ordinary = ordinary};
  TRY(close_off());
  struct timeval patience = {.tv_sec = SEND_SECONDS};
  struct peer peers[2] = {{.socket = owner, .owns = true, .room = REQUEST_HEADER + VAULT_VALUE_MAX},
                          {.socket = reader, .room = REQUEST_HEADER + VAULT_VALUE_MAX}};
  const char *how = ordinary ? "mlock" : "memfd_secret";
  for (size_t i = 0; i < 2; i++) {
    if (setsockopt(peers[i].socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0)
      return fail(ERR_SYSTEM, errno, "vault", "SO_SNDTIMEO");
    peers[i].in = map_memory(ordinary, whole_pages(peers[i].room));
    if (peers[i].in == NULL) return fail(ERR_UNSUPPORTED, errno, "vault", how);
  }
  struct err result = serve(&vault, peers);
  for (size_t i = 0; i < VAULT_VALUES_MAX; i++)
    if (vault.values[i].data != NULL) (void)value_drop(&vault, vault.values[i].id);
  for (size_t i = 0; i < 2; i++) unmap_wiped(peers[i].in, whole_pages(peers[i].room));
  return result;
}

void vault_facts(struct out *out) {
  volatile uint8_t *page = map_secret(4096);
  int error = page == NULL ? errno : 0;
  if (page != NULL) {
    page[0] = 1;
    unmap_wiped((void *)page, 4096);
  }
  out_i32(out, 29, error);
}
