/**
 * The opcodes of one byte and those behind 0xfc and 0xfe, in groups by what they are a part of.
 *
 * From the index of instructions of the core specification 3.0 (appendix) and, for 0xfe, from the threads proposal.
 */
import {
  arithmetic,
  COMPARE,
  COMPARE_FLOAT,
  type Group,
  group,
  plain,
  type Row,
} from './opcode-rows.ts';

const INTEGER =
  'clz ctz popcnt add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr';
const FLOAT = 'abs neg ceil floor trunc nearest sqrt add sub mul div min max copysign';

/** The same seven accesses for each operation. */
function atomics(first: number, delta: number, operation: string): Row {
  const accesses = 'i32.rmw i64.rmw i32.rmw8 i32.rmw16 i64.rmw8 i64.rmw16 i64.rmw32'.split(' ');
  const names = accesses.map(
    (access) => `${access.replace('.', '.atomic.')}.${operation}${/\d$/.test(access) ? '_u' : ''}`,
  );
  return plain(first, 'memory argument', delta, names.join(' '));
}

export const opcodes: readonly Group[] = [
  group(0x00, undefined, [
    plain(0x00, 'none', 0, 'unreachable nop'),
    plain(0x02, 'block type', 0, 'block loop'),
    plain(0x04, 'block type', -1, 'if'),
    plain(0x05, 'none', 0, 'else'),
    plain(0x0b, 'none', 0, 'end'),
    plain(0x0c, 'label', 0, 'br'),
    plain(0x0d, 'label', -1, 'br_if'),
    plain(0x0e, 'labels', -1, 'br_table'),
    plain(0x0f, 'none', 0, 'return'),
    plain(0x10, 'function', 0, 'call'),
    plain(0x11, 'indirect call', -1, 'call_indirect'),
    plain(0x1a, 'none', -1, 'drop'),
    plain(0x1b, 'none', -2, 'select'),
    plain(0x20, 'local', 1, 'local.get'),
    plain(0x21, 'local', -1, 'local.set'),
    plain(0x22, 'local', 0, 'local.tee'),
    plain(0x23, 'global', 1, 'global.get'),
    plain(0x24, 'global', -1, 'global.set'),
    plain(
      0x28,
      'memory argument',
      0,
      `i32.load i64.load f32.load f64.load i32.load8_s i32.load8_u i32.load16_s i32.load16_u
  i64.load8_s i64.load8_u i64.load16_s i64.load16_u i64.load32_s i64.load32_u`,
    ),
    plain(
      0x36,
      'memory argument',
      -2,
      `i32.store i64.store f32.store f64.store i32.store8 i32.store16
  i64.store8 i64.store16 i64.store32`,
    ),
    plain(0x3f, 'memory', 1, 'memory.size'),
    plain(0x40, 'memory', 0, 'memory.grow'),
    plain(0x41, 'i32', 1, 'i32.const'),
    plain(0x42, 'i64', 1, 'i64.const'),
    plain(0x43, '4 bytes', 1, 'f32.const'),
    plain(0x44, '8 bytes', 1, 'f64.const'),
    arithmetic(0x45, 'i32', `eqz ${COMPARE}`),
    arithmetic(0x50, 'i64', `eqz ${COMPARE}`),
    arithmetic(0x5b, 'f32', COMPARE_FLOAT),
    arithmetic(0x61, 'f64', COMPARE_FLOAT),
    arithmetic(0x67, 'i32', INTEGER),
    arithmetic(0x79, 'i64', INTEGER),
    arithmetic(0x8b, 'f32', FLOAT),
    arithmetic(0x99, 'f64', FLOAT),
    arithmetic(0xa7, 'i32', 'wrap_i64 trunc_f32_s trunc_f32_u trunc_f64_s trunc_f64_u'),
    arithmetic(
      0xac,
      'i64',
      'extend_i32_s extend_i32_u trunc_f32_s trunc_f32_u trunc_f64_s trunc_f64_u',
    ),
    arithmetic(0xb2, 'f32', 'convert_i32_s convert_i32_u convert_i64_s convert_i64_u demote_f64'),
    arithmetic(0xb7, 'f64', 'convert_i32_s convert_i32_u convert_i64_s convert_i64_u promote_f32'),
    arithmetic(
      0xbc,
      '',
      'i32.reinterpret_f32 i64.reinterpret_f64 f32.reinterpret_i32 f64.reinterpret_i64',
    ),
  ]),
  group(0x00, 'sign extension', [
    arithmetic(
      0xc0,
      '',
      'i32.extend8_s i32.extend16_s i64.extend8_s i64.extend16_s i64.extend32_s',
    ),
  ]),
  group(0x00, 'reference types', [
    plain(0x1c, 'types', -2, 'select_t'),
    plain(0x25, 'table', 0, 'table.get'),
    plain(0x26, 'table', -2, 'table.set'),
    plain(0xd0, 'heap type', 1, 'ref.null'),
    plain(0xd1, 'none', 0, 'ref.is_null'),
    plain(0xd2, 'function', 1, 'ref.func'),
  ]),
  group(0x00, 'tail calls', [
    plain(0x12, 'function', 0, 'return_call'),
    plain(0x13, 'indirect call', -1, 'return_call_indirect'),
  ]),
  group(0x00, 'exceptions', [
    plain(0x06, 'none', 0, 'try catch throw rethrow throw_ref'),
    plain(0x18, 'none', 0, 'delegate catch_all'),
    plain(0x1f, 'none', 0, 'try_table'),
  ]),
  group(0x00, 'typed function references', [
    plain(0x14, 'none', 0, 'call_ref return_call_ref'),
    plain(0xd4, 'none', 0, 'ref.as_non_null br_on_null br_on_non_null'),
  ]),
  group(0x00, 'garbage collection', [
    plain(0xd3, 'none', 0, 'ref.eq'),
    plain(0xfb, 'none', 0, 'struct_or_array'),
  ]),
  group(0xfc, 'saturating conversions', [
    arithmetic(0, 'i32', 'trunc_sat_f32_s trunc_sat_f32_u trunc_sat_f64_s trunc_sat_f64_u'),
    arithmetic(4, 'i64', 'trunc_sat_f32_s trunc_sat_f32_u trunc_sat_f64_s trunc_sat_f64_u'),
  ]),
  group(0xfc, 'bulk memory', [
    plain(8, 'data and memory', -3, 'memory.init'),
    plain(9, 'data', 0, 'data.drop'),
    plain(10, 'two memories', -3, 'memory.copy'),
    plain(11, 'memory', -3, 'memory.fill'),
    plain(12, 'element and table', -3, 'table.init'),
    plain(13, 'element', 0, 'elem.drop'),
    plain(14, 'two tables', -3, 'table.copy'),
  ]),
  group(0xfc, 'reference types', [
    plain(15, 'table', -1, 'table.grow'),
    plain(16, 'table', 1, 'table.size'),
    plain(17, 'table', -3, 'table.fill'),
  ]),
  group(0xfe, 'threads', [
    plain(0, 'memory argument', -1, 'memory.atomic.notify'),
    plain(1, 'memory argument', -2, 'memory.atomic.wait32 memory.atomic.wait64'),
    plain(3, '1 byte', 0, 'atomic.fence'),
    plain(
      0x10,
      'memory argument',
      0,
      `i32.atomic.load i64.atomic.load i32.atomic.load8_u i32.atomic.load16_u
  i64.atomic.load8_u i64.atomic.load16_u i64.atomic.load32_u`,
    ),
    plain(
      0x17,
      'memory argument',
      -2,
      `i32.atomic.store i64.atomic.store i32.atomic.store8 i32.atomic.store16
  i64.atomic.store8 i64.atomic.store16 i64.atomic.store32`,
    ),
    atomics(0x1e, -1, 'add'),
    atomics(0x25, -1, 'sub'),
    atomics(0x2c, -1, 'and'),
    atomics(0x33, -1, 'or'),
    atomics(0x3a, -1, 'xor'),
    atomics(0x41, -1, 'xchg'),
    atomics(0x48, -2, 'cmpxchg'),
  ]),
];
