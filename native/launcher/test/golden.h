/* The messages of protocol/golden, built field by field. Names are the files' names without ".hex". */
#ifndef CAISSON_TEST_GOLDEN_H
#define CAISSON_TEST_GOLDEN_H

#include "../wire.h"

enum golden_kind { GOLDEN_PLAN, GOLDEN_HOST_PLAN, GOLDEN_JOB, GOLDEN_FRAME };

struct golden {
  const char *name;
  enum golden_kind kind;
  void (*build)(struct out *out); /* of a frame: its body */
  uint16_t type;                  /* of a frame */
  uint32_t id;
};

extern const struct golden goldens[];
extern const size_t golden_count;

/* The whole message. The caller frees it. */
struct out golden_bytes(const struct golden *golden);
struct out golden_named(const char *name);

/* Appends bytes as they are, without a field around them. */
void out_raw(struct out *out, const void *data, size_t length);

/* A plan's record with its header before it. */
struct out plan_wrapped(struct span record);
struct out host_plan_wrapped(struct span record);

/* The record with the first field of `tag` replaced (or appended); with data NULL and length SIZE_MAX, left out. */
struct out record_patched(struct span record, uint16_t tag, const void *data, size_t length);
#define ABSENT NULL, SIZE_MAX

static inline struct span span_of(const struct out *out) { return (struct span){out->data, out->length}; }

#endif
