/* Fields and records: what is taken, and what is refused. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../wire.h"
#include "harness.h"

static struct span literal(const char *bytes, size_t length) { return (struct span){(const uint8_t *)bytes, length}; }

static void malformed_fields_are_bad(void) {
  static const struct {
    const char *bytes;
    size_t length;
  } cases[] = {
      {"\1\0\0\0\0\0\0", 7},                    /* header cut off */
      {"\1\0\1\0\0\0\0\0", 8},                  /* the zero is not zero */
      {"\1\0\0\0\1\0\0\0", 8},                  /* body cut off */
      {"\1\0\0\0\xff\xff\xff\xff\1", 9},        /* length near 2^32 */
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct span rest = literal(cases[i].bytes, cases[i].length);
    struct field field;
    bool bad = false;
    CHECK(!wire_next(&rest, &field, &bad) && bad);
  }
  struct span none = {0};
  struct field field;
  bool bad = true;
  CHECK(!wire_next(&none, &field, &bad) && !bad);
}

static void values_have_exact_types(void) {
  uint32_t small;
  int32_t negative;
  uint64_t large;
  const char *text;
  CHECK(wire_u32(literal("\1\2\3\xf4", 4), &small) && small == 0xf4030201u);
  CHECK(!wire_u32(literal("\1\2\3\4\5", 5), &small) && !wire_u32(literal("\1", 1), &small));
  CHECK(wire_i32(literal("\xfe\xff\xff\xff", 4), &negative) && negative == -2);
  CHECK(!wire_i32(literal("\xfe\xff\xff", 3), &negative));
  CHECK(wire_u64(literal("\1\0\0\0\0\0\0\x80", 8), &large) && large == 0x8000000000000001u);
  CHECK(!wire_u64(literal("\1\0\0\0", 4), &large));
  CHECK(wire_str(literal("ab\0", 3), &text, false) && strcmp(text, "ab") == 0);
  CHECK(!wire_str(literal("ab", 2), &text, false));
  CHECK(!wire_str(literal("a\0b\0", 4), &text, false));
  CHECK(!wire_str(literal("", 0), &text, true));
  CHECK(!wire_str(literal("\0", 1), &text, false) && wire_str(literal("\0", 1), &text, true) && text[0] == 0);
}

static void records_are_exact(void) {
  uint32_t one = 0;
  int32_t two = 0;
  const char *three = NULL, *four = NULL;
  struct span five = {0};
  const struct wire_slot slots[] = {{1, WIRE_U32, true, &one},   {2, WIRE_I32, false, &two},        {3, WIRE_STR, false, &three},
                                    {4, WIRE_EMPTY_STR, false, &four}, {5, WIRE_BYTES, false, &five}, {6, WIRE_LIST, false, NULL}};
  struct out out = {0};
  out_u32(&out, 6, 1);
  out_u32(&out, 1, 7);
  out_i32(&out, 2, -9);
  out_str(&out, 3, "x");
  out_str(&out, 4, "");
  out_bytes(&out, 5, "\0\1", 2);
  out_u32(&out, 6, 2);
  uint32_t seen;
  CHECK(!failed(wire_record((struct span){out.data, out.length}, slots, 6, &seen)));
  CHECK(seen == 0x7e && one == 7 && two == -9 && three[0] == 'x' && four[0] == 0 && five.length == 2);
  size_t whole = out.length;
  out_u32(&out, 1, 8);
  struct err error = wire_record((struct span){out.data, out.length}, slots, 6, &seen);
  CHECK(error.class == ERR_MESSAGE && error.errnum == EBADMSG && strcmp(error.what, "repeated field") == 0);
  out.length = whole;
  out_u32(&out, 7, 8);
  CHECK(strcmp(wire_record((struct span){out.data, out.length}, slots, 6, &seen).what, "unknown tag") == 0);
  out.length = whole;
  out_u32(&out, 65535, 8);
  CHECK(strcmp(wire_record((struct span){out.data, out.length}, slots, 6, &seen).what, "unknown tag") == 0);
  CHECK(strcmp(wire_record((struct span){out.data, whole - 1}, slots, 6, &seen).what, "truncated or padded field") == 0);
  CHECK(strcmp(wire_record((struct span){out.data, 12}, slots, 6, &seen).what, "missing field") == 0);
  out.length = 0;
  out_u64(&out, 1, 8);
  CHECK(strcmp(wire_record((struct span){out.data, out.length}, slots, 6, &seen).what, "field of the wrong type") == 0);
  out_free(&out);
}

static void nested_records_read_back(void) {
  struct out out = {0};
  size_t outer = out_begin(&out, 1);
  for (uint32_t i = 0; i < 1000; i++) {
    size_t inner = out_begin(&out, 2);
    out_u32(&out, 3, i);
    out_end(&out, inner);
  }
  out_end(&out, outer);
  struct span rest = {out.data, out.length};
  struct field field;
  bool bad;
  CHECK(wire_next(&rest, &field, &bad) && field.tag == 1 && rest.length == 0);
  rest = field.body;
  uint32_t count = 0, value, wrong = 0;
  while (wire_next(&rest, &field, &bad)) {
    struct span inner = field.body;
    if (!wire_next(&inner, &field, &bad) || !wire_u32(field.body, &value) || value != count) wrong++;
    count++;
  }
  CHECK(!bad && count == 1000 && wrong == 0);
  out_free(&out);
  CHECK(out.data == NULL && out.length == 0);
}

static void failure_sticks(void) {
  struct out out = {.failed = true};
  size_t mark = out_begin(&out, 1);
  out_str(&out, 2, "x");
  out_end(&out, mark);
  CHECK(out.failed && out.data == NULL && out.length == 0);
  out = (struct out){0};
  out_bytes(&out, 1, "", (size_t)UINT32_MAX + 1);
  CHECK(out.failed && out.length == 0);
  out_free(&out);
}

int main(void) {
  malformed_fields_are_bad();
  values_have_exact_types();
  records_are_exact();
  nested_records_read_back();
  failure_sticks();
  return harness_end("wire");
}
