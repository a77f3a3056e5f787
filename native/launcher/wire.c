#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIELD_HEADER 8u

static uint16_t get_u16(const uint8_t *at) { return (uint16_t)(at[0] | at[1] << 8); }

static uint32_t get_u32(const uint8_t *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void put_u32(uint8_t *at, uint32_t value) {
  for (unsigned i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (8 * i));
}

bool wire_next(struct span *rest, struct field *out, bool *bad) {
  *bad = false;
  if (rest->length == 0) return false;
  *bad = true;
  if (rest->length < FIELD_HEADER) return false;
  uint32_t length = get_u32(rest->data + 4);
  if (get_u16(rest->data + 2) != 0 || length > rest->length - FIELD_HEADER) return false;
  *out = (struct field){get_u16(rest->data), {rest->data + FIELD_HEADER, length}};
  rest->data += FIELD_HEADER + length;
  rest->length -= FIELD_HEADER + length;
  *bad = false;
  return true;
}

bool wire_u32(struct span body, uint32_t *out) {
  if (body.length != 4) return false;
  *out = get_u32(body.data);
  return true;
}

bool wire_i32(struct span body, int32_t *out) {
  uint32_t bits;
  if (!wire_u32(body, &bits)) return false;
  memcpy(out, &bits, sizeof bits);
  return true;
}

bool wire_u64(struct span body, uint64_t *out) {
  if (body.length != 8) return false;
  *out = (uint64_t)get_u32(body.data) | (uint64_t)get_u32(body.data + 4) << 32;
  return true;
}

bool wire_str(struct span body, const char **out, bool may_be_empty) {
  if (body.length == 0 || (body.length == 1 && !may_be_empty)) return false;
  if (memchr(body.data, 0, body.length) != body.data + body.length - 1) return false;
  *out = (const char *)body.data;
  return true;
}

static bool slot_read(const struct wire_slot *slot, struct span body) {
  switch (slot->type) {
    case WIRE_U32: return wire_u32(body, slot->out);
    case WIRE_I32: return wire_i32(body, slot->out);
    case WIRE_U64: return wire_u64(body, slot->out);
    case WIRE_STR: return wire_str(body, slot->out, false);
    case WIRE_EMPTY_STR: return wire_str(body, slot->out, true);
    case WIRE_BYTES: *(struct span *)slot->out = body; return true;
    case WIRE_LIST: return true;
  }
  return false;
}

struct err wire_record(struct span body, const struct wire_slot *slots, size_t count, uint32_t *seen) {
  *seen = 0;
  struct field field;
  bool bad;
  while (wire_next(&body, &field, &bad)) {
    size_t i = 0;
    while (i < count && slots[i].tag != field.tag) i++;
    if (i == count) return fail(ERR_MESSAGE, EBADMSG, "wire_record", "unknown tag");
    uint32_t bit = 1u << field.tag;
    if (*seen & bit && slots[i].type != WIRE_LIST) return fail(ERR_MESSAGE, EBADMSG, "wire_record", "repeated field");
    if (!slot_read(&slots[i], field.body)) return fail(ERR_MESSAGE, EBADMSG, "wire_record", "field of the wrong type");
    *seen |= bit;
  }
  if (bad) return fail(ERR_MESSAGE, EBADMSG, "wire_record", "truncated or padded field");
  for (size_t i = 0; i < count; i++)
    if (slots[i].required && !(*seen & 1u << slots[i].tag))
      return fail(ERR_MESSAGE, EBADMSG, "wire_record", "missing field");
  return OK;
}

/* Makes room for `length` more bytes and returns where they go; NULL once anything failed. */
static uint8_t *out_room(struct out *out, size_t length) {
  if (out->failed) return NULL;
  if (length > out->capacity - out->length) {
    size_t needed;
    bool overflow = __builtin_add_overflow(out->length, length, &needed) || needed > SIZE_MAX / 2;
    size_t capacity = overflow ? 0 : needed * 2 < 256 ? 256 : needed * 2;
    uint8_t *data = overflow ? NULL : realloc(out->data, capacity);
    if (data == NULL) {
      out->failed = true;
      return NULL;
    }
    out->data = data;
    out->capacity = capacity;
  }
  uint8_t *at = out->data + out->length;
  out->length += length;
  return at;
}

static void put_header(uint8_t *at, uint16_t tag, uint32_t length) {
  at[0] = (uint8_t)tag;
  at[1] = (uint8_t)(tag >> 8);
  at[2] = at[3] = 0;
  put_u32(at + 4, length);
}

void out_bytes(struct out *out, uint16_t tag, const void *data, size_t length) {
  if (length > UINT32_MAX) {
    out->failed = true;
    return;
  }
  uint8_t *at = out_room(out, FIELD_HEADER + length);
  if (at == NULL) return;
  put_header(at, tag, (uint32_t)length);
  if (length > 0) memcpy(at + FIELD_HEADER, data, length);
}

void out_u32(struct out *out, uint16_t tag, uint32_t value) {
  uint8_t body[4];
  put_u32(body, value);
  out_bytes(out, tag, body, sizeof body);
}

void out_i32(struct out *out, uint16_t tag, int32_t value) { out_u32(out, tag, (uint32_t)value); }

void out_u64(struct out *out, uint16_t tag, uint64_t value) {
  uint8_t body[8];
  put_u32(body, (uint32_t)value);
  put_u32(body + 4, (uint32_t)(value >> 32));
  out_bytes(out, tag, body, sizeof body);
}

void out_str(struct out *out, uint16_t tag, const char *value) { out_bytes(out, tag, value, strlen(value) + 1); }

size_t out_begin(struct out *out, uint16_t tag) {
  size_t mark = out->length;
  uint8_t *at = out_room(out, FIELD_HEADER);
  if (at != NULL) put_header(at, tag, 0);
  return mark;
}

void out_end(struct out *out, size_t mark) {
  if (out->failed) return;
  size_t length = out->length - mark - FIELD_HEADER;
  if (length > UINT32_MAX) out->failed = true;
  else put_u32(out->data + mark + 4, (uint32_t)length);
}

void out_free(struct out *out) {
  free(out->data);
  *out = (struct out){0};
}
