#include "trace_record.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RECORD_MAX 16384
/* A power of two. Beyond three quarters of it nothing is remembered any more, and records may repeat. */
#define SEEN 262144

static struct {
  int fd, errnum;
  size_t waiting, length;
  size_t known;
  unsigned char out[65536 + RECORD_MAX];
  unsigned char record[RECORD_MAX];
  uint64_t seen[SEEN];
} state;

void record_to(int fd) { state.fd = fd; }

static void append(const char *text, size_t length) {
  if (length >= RECORD_MAX - state.length) length = RECORD_MAX - state.length - 1;
  memcpy(state.record + state.length, text, length);
  state.length += length;
  state.record[state.length++] = '\0';
}

void record_begin(const char *name) {
  state.length = 4;
  record_word(name);
}

void record_text(const char *text, size_t length) {
  if (state.length < RECORD_MAX) append(text, strnlen(text, length));
}

void record_word(const char *text) { record_text(text, strlen(text)); }

void record_number(long long value) {
  char text[24];
  snprintf(text, sizeof text, "%lld", value);
  record_word(text);
}

/* FNV-1a, eight bytes at a time. Two keys that collide are one in 2^40 or so, and one of them is then missing. */
bool record_seen(const void *key, size_t length, unsigned long long salt) {
  const unsigned char *bytes = key;
  uint64_t hash = 0xcbf29ce484222325u ^ salt;
  for (size_t i = 0; i < length; i += 8) {
    uint64_t word = 0;
    memcpy(&word, bytes + i, length - i < 8 ? length - i : 8);
    hash = (hash ^ word) * 0x100000001b3u;
    hash ^= hash >> 29;
  }
  hash ^= length;
  if (hash == 0) hash = 1;
  size_t at = hash & (SEEN - 1);
  for (; state.seen[at] != 0; at = (at + 1) & (SEEN - 1))
    if (state.seen[at] == hash) return true;
  if (state.known < SEEN / 4 * 3) {
    state.seen[at] = hash;
    state.known++;
  }
  return false;
}

void record_end(void) {
  if (record_seen(state.record + 4, state.length - 4, 0)) return;
  uint32_t length = (uint32_t)(state.length - 4);
  for (int i = 0; i < 4; i++) state.record[i] = (unsigned char)(length >> (8 * i));
  memcpy(state.out + state.waiting, state.record, state.length);
  state.waiting += state.length;
  if (state.waiting >= 65536) record_flush();
}

struct err record_flush(void) {
  for (size_t at = 0; at < state.waiting && state.errnum == 0;) {
    ssize_t written = write(state.fd, state.out + at, state.waiting - at);
    if (written >= 0) at += (size_t)written;
    else if (errno != EINTR) state.errnum = errno;
  }
  state.waiting = 0;
  return state.errnum == 0 ? OK : fail(ERR_SYSTEM, state.errnum, "record_flush", "the records' reader is gone");
}
