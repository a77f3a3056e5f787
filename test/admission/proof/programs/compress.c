/* A compressor: runs of literals, and copies of what came before, found by a hash of four bytes. */
typedef unsigned char u8;
typedef unsigned int u32;

u8 input[1 << 16], packed[1 << 17], output[1 << 16];
static u32 seen[4096];

static u32 four(u32 at) {
  return input[at] | input[at + 1] << 8 | input[at + 2] << 16 | (u32)input[at + 3] << 24;
}
static u32 hash(u32 value) { return value * 2654435761u >> 20; }

static u32 number(u32 to, u32 value) {
  for (; value >= 128; value >>= 7) packed[to++] = (u8)(value | 128);
  packed[to++] = (u8)value;
  return to;
}

static u32 literals(u32 to, u32 from, u32 end) {
  to = number(to, end - from);
  while (from < end) packed[to++] = input[from++];
  return to;
}

u32 compress(u32 length) {
  u32 to = 0, from = 0, at = 0;
  for (u32 i = 0; i < 4096; i++) seen[i] = 0;
  while (at + 4 <= length) {
    u32 slot = hash(four(at)), before = seen[slot];
    seen[slot] = at + 1;
    if (before == 0 || four(before - 1) != four(at)) { at++; continue; }
    u32 same = 4;
    while (at + same < length && input[before - 1 + same] == input[at + same]) same++;
    to = literals(to, from, at);
    to = number(number(to, same), at - (before - 1));
    from = at += same;
  }
  return literals(to, from, length);
}

static u32 reading;
static u32 next(void) {
  u32 value = 0, shift = 0;
  for (; packed[reading] >= 128; shift += 7) value |= (packed[reading++] & 127u) << shift;
  return value | (u32)packed[reading++] << shift;
}

u32 expand(u32 length) {
  u32 to = 0;
  reading = 0;
  while (reading < length) {
    for (u32 left = next(); left > 0; left--) output[to++] = packed[reading++];
    if (reading >= length) break;
    u32 same = next(), back = next();
    for (; same > 0; same--, to++) output[to] = output[to - back];
  }
  return to;
}

static volatile u32 hole[4];
static u32 depth(u32 n) {
  if (n == 0) return 0;
  u32 below = depth(n - 1);
  hole[n & 3] = below;
  return below + 1;
}
/** Goes as deep as it is told. */
u32 dive(u32 n) { return depth(n); }

u8 *input_at(void) { return input; }
u8 *output_at(void) { return output; }
