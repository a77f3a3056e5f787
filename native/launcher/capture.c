/* Kept output: all of it up to the limit; beyond, the first half and the last half of the limit. */
#include <stdlib.h>
#include <string.h>

#include "state.h"

static bool grow(struct capture *capture, size_t wanted) {
  if (wanted <= capture->capacity) return true;
  size_t capacity = capture->capacity ? capture->capacity : 4096;
  while (capacity < wanted) capacity *= 2;
  if (capacity > capture->limit) capacity = capture->limit;
  uint8_t *bytes = realloc(capture->bytes, capacity);
  if (!bytes) return false;
  capture->bytes = bytes;
  capture->capacity = capacity;
  return true;
}

void capture_take(struct capture *capture, const uint8_t *bytes, size_t length) {
  capture->total += length;
  size_t room = capture->limit - capture->length;
  size_t first = length < room ? length : room;
  if (first > 0) {
    if (!grow(capture, capture->length + first)) return;
    memcpy(capture->bytes + capture->length, bytes, first);
    capture->length += first;
    bytes += first;
    length -= first;
  }
  if (length == 0) return;
  if (capture->head == 0) {
    capture->head = capture->limit / 2;
    capture->turn = capture->head;
  }
  size_t tail = capture->limit - capture->head;
  if (length > tail) {
    bytes += length - tail;
    length = tail;
  }
  while (length > 0) {
    size_t part = capture->limit - capture->turn;
    if (part > length) part = length;
    memcpy(capture->bytes + capture->turn, bytes, part);
    capture->turn += part;
    if (capture->turn == capture->limit) capture->turn = capture->head;
    bytes += part;
    length -= part;
  }
}

static void reverse(uint8_t *bytes, size_t length) {
  for (size_t i = 0; i < length / 2; i++) {
    uint8_t byte = bytes[i];
    bytes[i] = bytes[length - 1 - i];
    bytes[length - 1 - i] = byte;
  }
}

/* Turns the ring of the tail so that it reads in order (three reversals rotate in place). */
void capture_finish(struct capture *capture) {
  if (capture->head == 0 || capture->turn == capture->head) return;
  size_t shift = capture->turn - capture->head, tail = capture->limit - capture->head;
  uint8_t *ring = capture->bytes + capture->head;
  reverse(ring, shift);
  reverse(ring + shift, tail - shift);
  reverse(ring, tail);
  capture->turn = capture->head;
}

/* Finished, to `most` bytes at most: more of its middle goes. True where it did. */
bool capture_shrink(struct capture *capture, size_t most) {
  if (capture->length <= most) return false;
  size_t head = most / 2, tail = most - head;
  memmove(capture->bytes + head, capture->bytes + capture->length - tail, tail);
  capture->head = head;
  capture->length = most;
  return true;
}
