/* The holder of secrets, spoken with over its two sockets; it runs in a child, as it does in earnest. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

static size_t unmapped;
static bool unmapped_wiped = true;

/* What is given back is looked at in the last moment at which it can be. */
static int look_and_unmap(void *data, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (((unsigned char *)data)[i] != 0) unmapped_wiped = false;
  unmapped++;
  return munmap(data, length);
}

#define munmap look_and_unmap
#include "../vault.c"
#undef munmap

#include "harness.h"

struct answer {
  int error;
  uint32_t id, length;
  uint8_t bytes[VAULT_VALUE_MAX];
};

static struct answer answer;

static bool receive_all(int socket, uint8_t *into, size_t length) {
  for (size_t at = 0; at < length;) {
    ssize_t got = recv(socket, into + at, length - at, 0);
    if (got <= 0) return false;
    at += (size_t)got;
  }
  return true;
}

static bool take_answer(int socket) {
  uint8_t header[REPLY_HEADER];
  memset(&answer, 0, sizeof answer);
  if (!receive_all(socket, header, sizeof header)) return false;
  answer.error = (int)read_u32(header);
  answer.id = read_u32(header + 4);
  answer.length = read_u32(header + 8);
  return answer.length <= sizeof answer.bytes && receive_all(socket, answer.bytes, answer.length);
}

static void write_request(uint8_t *into, uint8_t operation, uint32_t id, uint32_t length) {
  into[0] = operation;
  write_u32(into + 1, id);
  write_u32(into + 5, length);
}

static int ask(int socket, uint8_t operation, uint32_t id, const void *bytes, uint32_t length) {
  static uint8_t message[REQUEST_HEADER + VAULT_VALUE_MAX];
  write_request(message, operation, id, length);
  if (length > 0) memcpy(message + REQUEST_HEADER, bytes, length);
  if (!send_all(socket, message, REQUEST_HEADER + length)) return -1;
  return take_answer(socket) ? answer.error : -1;
}

struct stand {
  int owner, reader;
  pid_t pid;
};

static struct stand stand_open(bool ordinary) {
  int owner[2], reader[2];
  struct stand stand = {-1, -1, -1};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, owner) < 0 ||
      socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, reader) < 0)
    abort();
  stand.pid = fork();
  if (stand.pid == 0) {
    close(owner[0]);
    close(reader[0]);
    _exit(failed(vault_run(owner[1], reader[1], ordinary)) ? 1 : 0);
  }
  close(owner[1]);
  close(reader[1]);
  stand.owner = owner[0];
  stand.reader = reader[0];
  return stand;
}

/* Exit code of the holder, once its owner is gone. */
static int stand_close(struct stand *stand) {
  int status = -1;
  close(stand->owner);
  waitpid(stand->pid, &status, 0);
  close(stand->reader);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void values_come_and_go(bool ordinary) {
  struct stand stand = stand_open(ordinary);
  CHECK(ask(stand.owner, VAULT_PUT, 7, "first value", 11) == 0 && answer.id == 7);
  CHECK(ask(stand.owner, VAULT_PUT, 8, "second", 6) == 0);
  CHECK(ask(stand.owner, VAULT_PUT, 7, "another", 7) == EEXIST);
  CHECK(ask(stand.owner, VAULT_PUT, 9, "", 0) == EINVAL);
  CHECK(ask(stand.reader, VAULT_GET, 7, "", 0) == 0 && answer.length == 11 && memcmp(answer.bytes, "first value", 11) == 0);
  CHECK(ask(stand.reader, VAULT_GET, 8, "", 0) == 0 && answer.length == 6 && memcmp(answer.bytes, "second", 6) == 0);
  CHECK(ask(stand.owner, VAULT_COUNT, 0, "", 0) == 0 && answer.id == 2);
  CHECK(ask(stand.owner, VAULT_DROP, 7, "", 0) == 0);
  CHECK(ask(stand.owner, VAULT_DROP, 7, "", 0) == ENOENT);
  CHECK(ask(stand.reader, VAULT_GET, 7, "", 0) == ENOENT && answer.length == 0);
  CHECK(ask(stand.reader, VAULT_GET, 8, "", 0) == 0);
  CHECK(ask(stand.owner, VAULT_COUNT, 0, "", 0) == 0 && answer.id == 1);
  CHECK(stand_close(&stand) == 0);
}

static void each_side_may_do_its_own(void) {
  struct stand stand = stand_open(false);
  CHECK(ask(stand.owner, VAULT_PUT, 1, "value", 5) == 0);
  CHECK(ask(stand.owner, VAULT_GET, 1, "", 0) == EPERM && answer.length == 0);
  CHECK(ask(stand.reader, VAULT_PUT, 2, "other", 5) == EPERM);
  CHECK(ask(stand.reader, VAULT_DROP, 1, "", 0) == EPERM);
  CHECK(ask(stand.reader, VAULT_COUNT, 0, "", 0) == EPERM);
  CHECK(ask(stand.owner, 99, 1, "", 0) == EBADMSG);
  CHECK(ask(stand.reader, VAULT_GET, 1, "x", 1) == EBADMSG);
  CHECK(ask(stand.reader, VAULT_GET, 1, "", 0) == 0);
  CHECK(stand_close(&stand) == 0);
}

static void a_reader_that_goes_or_lies_is_left(void) {
  uint8_t message[REQUEST_HEADER];
  struct stand stand = stand_open(false);
  CHECK(ask(stand.owner, VAULT_PUT, 1, "value", 5) == 0);
  write_request(message, VAULT_GET, 1, VAULT_VALUE_MAX + 1);
  CHECK(send_all(stand.reader, message, sizeof message) && !take_answer(stand.reader));
  CHECK(ask(stand.owner, VAULT_COUNT, 0, "", 0) == 0 && answer.id == 1);
  CHECK(stand_close(&stand) == 0);
  stand = stand_open(false);
  write_request(message, VAULT_PUT, 1, 0xffffffff);
  CHECK(send_all(stand.owner, message, sizeof message) && !take_answer(stand.owner));
  CHECK(stand_close(&stand) == 0);
}

static void the_longest_value_in_pieces(void) {
  static uint8_t message[REQUEST_HEADER + VAULT_VALUE_MAX];
  struct stand stand = stand_open(false);
  write_request(message, VAULT_PUT, 1, VAULT_VALUE_MAX);
  memset(message + REQUEST_HEADER, 'v', VAULT_VALUE_MAX);
  for (size_t at = 0; at < sizeof message; at += 4096) {
    size_t left = sizeof message - at;
    CHECK(send_all(stand.owner, message + at, left < 4096 ? left : 4096));
    usleep(1000);
  }
  CHECK(take_answer(stand.owner) && answer.error == 0);
  CHECK(ask(stand.reader, VAULT_GET, 1, "", 0) == 0 && answer.length == VAULT_VALUE_MAX && answer.bytes[16383] == 'v');
  CHECK(stand_close(&stand) == 0);
}

/* Here and not in a child, so that the memory can be looked at. */
static void what_is_dropped_is_overwritten(void) {
  static struct vault vault;
  vault.ordinary = true;
  CHECK(value_put(&vault, 1, (const uint8_t *)"wiped later", 11) == 0);
  CHECK(memcmp(vault.values[0].data, "wiped later", 11) == 0);
  CHECK(value_drop(&vault, 1) == 0 && vault.count == 0 && vault.values[0].data == NULL);
  CHECK(unmapped == 1 && unmapped_wiped);
  /* What came in by a socket does not stay in the buffer. */
  int sockets[2];
  uint8_t message[REQUEST_HEADER + 5], in[REQUEST_HEADER + VAULT_VALUE_MAX] = {0};
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
  write_request(message, VAULT_PUT, 2, 5);
  memcpy(message + REQUEST_HEADER, "value", 5);
  struct peer peer = {.socket = sockets[1], .owns = true, .in = in, .room = sizeof in};
  CHECK(send_all(sockets[0], message, sizeof message) && serve_peer(&vault, &peer) && vault.count == 1);
  for (size_t i = 0; i < sizeof message; i++) CHECK(in[i] == 0);
  CHECK(value_drop(&vault, 2) == 0 && unmapped == 2 && unmapped_wiped);
  close(sockets[0]);
  close(sockets[1]);
}

static void secret_memory_is_read_by_nobody_else(void) {
  uint8_t *data = map_secret(4096);
  if (data == NULL) {
    harness_skip("secret memory", strerror(errno));
    return;
  }
  memcpy(data, "unseen", 6);
  int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  char seen[6];
  CHECK(pread(memory, seen, sizeof seen, (off_t)(uintptr_t)data) < 0);
  uint8_t *ordinary = map_ordinary(4096);
  CHECK(ordinary != NULL && pread(memory, seen, sizeof seen, (off_t)(uintptr_t)ordinary) == sizeof seen);
  close(memory);
  unmap_wiped(data, 4096);
  if (ordinary != NULL) unmap_wiped(ordinary, 4096);
}

int main(void) {
  values_come_and_go(false);
  values_come_and_go(true);
  each_side_may_do_its_own();
  a_reader_that_goes_or_lies_is_left();
  the_longest_value_in_pieces();
  what_is_dropped_is_overwritten();
  secret_memory_is_read_by_nobody_else();
  return harness_end("vault");
}
