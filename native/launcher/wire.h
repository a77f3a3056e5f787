/* Reading and writing records of fields (protocol/PROTOCOL.md). Reading allocates nothing and copies nothing. */
#ifndef CAISSON_WIRE_H
#define CAISSON_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* A stretch of bytes inside a message. */
struct span {
  const uint8_t *data;
  size_t length;
};

struct field {
  uint16_t tag;
  struct span body;
};

/* Takes the next field off `rest`. Returns false at the end or on malformed bytes; then *bad says which. */
bool wire_next(struct span *rest, struct field *out, bool *bad);

/* Typed views of a field's body; false when length or content is not of that type. */
bool wire_u32(struct span body, uint32_t *out);
bool wire_i32(struct span body, int32_t *out);
bool wire_u64(struct span body, uint64_t *out);
/* NUL-terminated, no NUL inside, not empty unless `may_be_empty`. *out points into the message. */
bool wire_str(struct span body, const char **out, bool may_be_empty);

/* How a record is described: one slot for each tag that may occur. A list may repeat and has no `out`: the caller walks the
   record again with wire_next and picks its tag. Tags are below 32. */
enum wire_type { WIRE_U32, WIRE_I32, WIRE_U64, WIRE_STR, WIRE_EMPTY_STR, WIRE_BYTES, WIRE_LIST };

struct wire_slot {
  uint16_t tag;
  enum wire_type type;
  bool required;
  void *out; /* uint32_t, int32_t, uint64_t, const char *, const char * (may be empty), struct span, NULL */
};

/* Reads a record into its slots. Bit n of *seen: tag n occurred; slots of absent tags are left alone. Refuses (ERR_MESSAGE,
   EBADMSG, what = the reason) unknown tags, a second occurrence of what is no list, wrong types, missing required tags. */
struct err wire_record(struct span body, const struct wire_slot *slots, size_t count, uint32_t *seen);

/* A growing buffer for records that the launcher sends. An allocation failure sticks: `failed` is set. */
struct out {
  uint8_t *data;
  size_t length;
  size_t capacity;
  bool failed;
};

void out_bytes(struct out *out, uint16_t tag, const void *data, size_t length);
void out_u32(struct out *out, uint16_t tag, uint32_t value);
void out_i32(struct out *out, uint16_t tag, int32_t value);
void out_u64(struct out *out, uint16_t tag, uint64_t value);
void out_str(struct out *out, uint16_t tag, const char *value);
/* Nested record: begin returns a mark, end patches the length. */
size_t out_begin(struct out *out, uint16_t tag);
void out_end(struct out *out, size_t mark);
void out_free(struct out *out);

#endif
