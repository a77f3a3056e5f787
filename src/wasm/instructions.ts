/**
 * Every instruction of core WebAssembly: its opcode, its immediates and what it does to the height of the stack.
 *
 * From the index of instructions of the core specification 3.0 (appendix) and, for 0xfe, from the threads proposal.
 */
import type { Feature, RefusedFeature } from './features.ts';

/** What follows the opcode. */
export type Immediate =
  | 'none'
  | 'block type'
  | 'label'
  | 'labels'
  | 'function'
  /** Type, then table. */
  | 'indirect call'
  | 'types'
  | 'local'
  | 'global'
  | 'table'
  | 'two tables'
  /** Element segment, then table. */
  | 'element and table'
  | 'element'
  | 'data'
  /** Alignment, then offset. */
  | 'memory argument'
  | 'memory argument and lane'
  | 'memory'
  | 'two memories'
  /** Data segment, then memory. */
  | 'data and memory'
  | 'i32'
  | 'i64'
  | '1 byte'
  | '4 bytes'
  | '8 bytes'
  | '16 bytes'
  | 'heap type';

export interface Instruction {
  /** The opcode; after one of the prefixes 0xfc, 0xfd, 0xfe: prefix · 0x1000 + number. */
  readonly code: number;
  /** `i32.add` */
  readonly name: string;
  readonly immediate: Immediate;
  /** Values pushed less values popped; for control instructions, which depend on types, the popped condition alone. */
  readonly delta: number;
  readonly feature: Feature | RefusedFeature | undefined;
}

const SINGLE: (Instruction | undefined)[] = [];
const PREFIXED: ReadonlyMap<number, (Instruction | undefined)[]> = new Map([
  [0xfc, []],
  [0xfd, []],
  [0xfe, []],
]);
const BY_NAME = new Map<string, Instruction>();

/** The instruction, or none that this table knows. `prefix` is 0 for opcodes of one byte. */
export function instructionOf(prefix: number, number: number): Instruction | undefined {
  return prefix === 0 ? SINGLE[number] : PREFIXED.get(prefix)?.[number];
}

export function isPrefix(byte: number): boolean {
  return PREFIXED.has(byte);
}

/** The instruction of a name that this table has. */
export function instructionNamed(name: string): Instruction {
  const instruction = BY_NAME.get(name);
  if (instruction === undefined) throw new Error(`no instruction ${name}`);
  return instruction;
}

/** Every instruction, in the order of their opcodes. */
export function allInstructions(): readonly Instruction[] {
  return [...BY_NAME.values()];
}

/** A prefix stands before all rows of its instructions; features before those of theirs. */
let prefix = 0;
let feature: Feature | RefusedFeature | undefined;

/** Consecutive opcodes from `first`; `-` is a hole. */
function row(first: number, immediate: Immediate, delta: number, names: string): void {
  const table = prefix === 0 ? SINGLE : PREFIXED.get(prefix);
  for (const [index, name] of names.trim().split(/\s+/).entries()) {
    if (name === '-') continue;
    const code = prefix * 0x1000 + first + index;
    const instruction = { code, name, immediate, delta, feature };
    if (table) table[first + index] = instruction;
    BY_NAME.set(name, instruction);
  }
}

const UNARY =
  /\.(?:eqz|clz|ctz|popcnt|abs|neg|not|ceil|floor|trunc|nearest|sqrt|wrap|extend|convert|demote|promote|reinterpret|splat|any_true|all_true|bitmask|extadd|extract|relaxed_trunc)/;
const TERNARY = /bitselect|madd|laneselect|dot_i8x16_i7x16_add/;

/** Arithmetic: no immediates but perhaps a lane; names without a dot get the type before them. */
function arithmetic(
  first: number,
  type: string,
  names: string,
  immediate: Immediate = 'none',
): void {
  for (const [index, short] of names.trim().split(/\s+/).entries()) {
    if (short === '-') continue;
    const name = short.includes('.') ? short : `${type}.${short}`;
    row(first + index, immediate, UNARY.test(name) ? 0 : TERNARY.test(name) ? -2 : -1, name);
  }
}

const COMPARE = 'eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u';
const COMPARE_FLOAT = 'eq ne lt gt le ge';
const INTEGER =
  'clz ctz popcnt add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr';
const FLOAT = 'abs neg ceil floor trunc nearest sqrt add sub mul div min max copysign';

row(0x00, 'none', 0, 'unreachable nop');
row(0x02, 'block type', 0, 'block loop');
row(0x04, 'block type', -1, 'if');
row(0x05, 'none', 0, 'else');
row(0x0b, 'none', 0, 'end');
row(0x0c, 'label', 0, 'br');
row(0x0d, 'label', -1, 'br_if');
row(0x0e, 'labels', -1, 'br_table');
row(0x0f, 'none', 0, 'return');
row(0x10, 'function', 0, 'call');
row(0x11, 'indirect call', -1, 'call_indirect');
row(0x1a, 'none', -1, 'drop');
row(0x1b, 'none', -2, 'select');
row(0x20, 'local', 1, 'local.get');
row(0x21, 'local', -1, 'local.set');
row(0x22, 'local', 0, 'local.tee');
row(0x23, 'global', 1, 'global.get');
row(0x24, 'global', -1, 'global.set');
row(
  0x28,
  'memory argument',
  0,
  `i32.load i64.load f32.load f64.load i32.load8_s i32.load8_u i32.load16_s i32.load16_u
  i64.load8_s i64.load8_u i64.load16_s i64.load16_u i64.load32_s i64.load32_u`,
);
row(
  0x36,
  'memory argument',
  -2,
  `i32.store i64.store f32.store f64.store i32.store8 i32.store16
  i64.store8 i64.store16 i64.store32`,
);
row(0x3f, 'memory', 1, 'memory.size');
row(0x40, 'memory', 0, 'memory.grow');
row(0x41, 'i32', 1, 'i32.const');
row(0x42, 'i64', 1, 'i64.const');
row(0x43, '4 bytes', 1, 'f32.const');
row(0x44, '8 bytes', 1, 'f64.const');
arithmetic(0x45, 'i32', `eqz ${COMPARE}`);
arithmetic(0x50, 'i64', `eqz ${COMPARE}`);
arithmetic(0x5b, 'f32', COMPARE_FLOAT);
arithmetic(0x61, 'f64', COMPARE_FLOAT);
arithmetic(0x67, 'i32', INTEGER);
arithmetic(0x79, 'i64', INTEGER);
arithmetic(0x8b, 'f32', FLOAT);
arithmetic(0x99, 'f64', FLOAT);
arithmetic(0xa7, 'i32', 'wrap_i64 trunc_f32_s trunc_f32_u trunc_f64_s trunc_f64_u');
arithmetic(
  0xac,
  'i64',
  'extend_i32_s extend_i32_u trunc_f32_s trunc_f32_u trunc_f64_s trunc_f64_u',
);
arithmetic(0xb2, 'f32', 'convert_i32_s convert_i32_u convert_i64_s convert_i64_u demote_f64');
arithmetic(0xb7, 'f64', 'convert_i32_s convert_i32_u convert_i64_s convert_i64_u promote_f32');
arithmetic(
  0xbc,
  '',
  'i32.reinterpret_f32 i64.reinterpret_f64 f32.reinterpret_i32 f64.reinterpret_i64',
);

feature = 'sign extension';
arithmetic(0xc0, '', 'i32.extend8_s i32.extend16_s i64.extend8_s i64.extend16_s i64.extend32_s');

feature = 'reference types';
row(0x1c, 'types', -2, 'select_t');
row(0x25, 'table', 0, 'table.get');
row(0x26, 'table', -2, 'table.set');
row(0xd0, 'heap type', 1, 'ref.null');
row(0xd1, 'none', 0, 'ref.is_null');
row(0xd2, 'function', 1, 'ref.func');

feature = 'tail calls';
row(0x12, 'function', 0, 'return_call');
row(0x13, 'indirect call', -1, 'return_call_indirect');

feature = 'exceptions';
row(0x06, 'none', 0, 'try catch throw rethrow throw_ref');
row(0x18, 'none', 0, 'delegate catch_all');
row(0x1f, 'none', 0, 'try_table');

feature = 'typed function references';
row(0x14, 'none', 0, 'call_ref return_call_ref');
row(0xd4, 'none', 0, 'ref.as_non_null br_on_null br_on_non_null');

feature = 'garbage collection';
row(0xd3, 'none', 0, 'ref.eq');
row(0xfb, 'none', 0, 'struct_or_array');

prefix = 0xfc;
feature = 'saturating conversions';
arithmetic(0, 'i32', 'trunc_sat_f32_s trunc_sat_f32_u trunc_sat_f64_s trunc_sat_f64_u');
arithmetic(4, 'i64', 'trunc_sat_f32_s trunc_sat_f32_u trunc_sat_f64_s trunc_sat_f64_u');
feature = 'bulk memory';
row(8, 'data and memory', -3, 'memory.init');
row(9, 'data', 0, 'data.drop');
row(10, 'two memories', -3, 'memory.copy');
row(11, 'memory', -3, 'memory.fill');
row(12, 'element and table', -3, 'table.init');
row(13, 'element', 0, 'elem.drop');
row(14, 'two tables', -3, 'table.copy');
feature = 'reference types';
row(15, 'table', -1, 'table.grow');
row(16, 'table', 1, 'table.size');
row(17, 'table', -3, 'table.fill');

prefix = 0xfd;
feature = 'SIMD';
row(
  0,
  'memory argument',
  0,
  `v128.load v128.load8x8_s v128.load8x8_u v128.load16x4_s v128.load16x4_u v128.load32x2_s v128.load32x2_u
  v128.load8_splat v128.load16_splat v128.load32_splat v128.load64_splat`,
);
row(11, 'memory argument', -2, 'v128.store');
row(12, '16 bytes', 1, 'v128.const');
row(13, '16 bytes', -1, 'i8x16.shuffle');
arithmetic(
  14,
  'i8x16',
  'swizzle splat i16x8.splat i32x4.splat i64x2.splat f32x4.splat f64x2.splat',
);
arithmetic(21, 'i8x16', 'extract_lane_s extract_lane_u replace_lane', '1 byte');
arithmetic(24, 'i16x8', 'extract_lane_s extract_lane_u replace_lane', '1 byte');
for (const [index, type] of ['i32x4', 'i64x2', 'f32x4', 'f64x2'].entries())
  arithmetic(27 + 2 * index, type, 'extract_lane replace_lane', '1 byte');
arithmetic(35, 'i8x16', COMPARE);
arithmetic(45, 'i16x8', COMPARE);
arithmetic(55, 'i32x4', COMPARE);
arithmetic(65, 'f32x4', COMPARE_FLOAT);
arithmetic(71, 'f64x2', COMPARE_FLOAT);
arithmetic(77, 'v128', 'not and andnot or xor bitselect any_true');
row(
  84,
  'memory argument and lane',
  -1,
  'v128.load8_lane v128.load16_lane v128.load32_lane v128.load64_lane',
);
row(
  88,
  'memory argument and lane',
  -2,
  'v128.store8_lane v128.store16_lane v128.store32_lane v128.store64_lane',
);
row(92, 'memory argument', 0, 'v128.load32_zero v128.load64_zero');
arithmetic(94, '', 'f32x4.demote_f64x2_zero f64x2.promote_low_f32x4');
arithmetic(
  96,
  'i8x16',
  `abs neg popcnt all_true bitmask narrow_i16x8_s narrow_i16x8_u
  f32x4.ceil f32x4.floor f32x4.trunc f32x4.nearest shl shr_s shr_u
  add add_sat_s add_sat_u sub sub_sat_s sub_sat_u f64x2.ceil f64x2.floor min_s min_u max_s max_u f64x2.trunc avgr_u`,
);
arithmetic(
  124,
  'i16x8',
  `extadd_pairwise_i8x16_s extadd_pairwise_i8x16_u i32x4.extadd_pairwise_i16x8_s i32x4.extadd_pairwise_i16x8_u
  abs neg q15mulr_sat_s all_true bitmask narrow_i32x4_s narrow_i32x4_u
  extend_low_i8x16_s extend_high_i8x16_s extend_low_i8x16_u extend_high_i8x16_u shl shr_s shr_u
  add add_sat_s add_sat_u sub sub_sat_s sub_sat_u f64x2.nearest mul min_s min_u max_s max_u - avgr_u
  extmul_low_i8x16_s extmul_high_i8x16_s extmul_low_i8x16_u extmul_high_i8x16_u`,
);
arithmetic(
  160,
  'i32x4',
  `abs neg - all_true bitmask - - extend_low_i16x8_s extend_high_i16x8_s extend_low_i16x8_u extend_high_i16x8_u
  shl shr_s shr_u add - - sub - - - mul min_s min_u max_s max_u dot_i16x8_s -
  extmul_low_i16x8_s extmul_high_i16x8_s extmul_low_i16x8_u extmul_high_i16x8_u`,
);
arithmetic(
  192,
  'i64x2',
  `abs neg - all_true bitmask - - extend_low_i32x4_s extend_high_i32x4_s extend_low_i32x4_u extend_high_i32x4_u
  shl shr_s shr_u add - - sub - - - mul eq ne lt_s gt_s le_s ge_s
  extmul_low_i32x4_s extmul_high_i32x4_s extmul_low_i32x4_u extmul_high_i32x4_u`,
);
arithmetic(224, 'f32x4', 'abs neg - sqrt add sub mul div min max pmin pmax');
arithmetic(236, 'f64x2', 'abs neg - sqrt add sub mul div min max pmin pmax');
arithmetic(
  248,
  'i32x4',
  `trunc_sat_f32x4_s trunc_sat_f32x4_u f32x4.convert_i32x4_s f32x4.convert_i32x4_u
  trunc_sat_f64x2_s_zero trunc_sat_f64x2_u_zero f64x2.convert_low_i32x4_s f64x2.convert_low_i32x4_u`,
);
feature = 'relaxed SIMD';
arithmetic(
  256,
  '',
  `i8x16.relaxed_swizzle i32x4.relaxed_trunc_f32x4_s i32x4.relaxed_trunc_f32x4_u
  i32x4.relaxed_trunc_f64x2_s_zero i32x4.relaxed_trunc_f64x2_u_zero
  f32x4.relaxed_madd f32x4.relaxed_nmadd f64x2.relaxed_madd f64x2.relaxed_nmadd
  i8x16.relaxed_laneselect i16x8.relaxed_laneselect i32x4.relaxed_laneselect i64x2.relaxed_laneselect
  f32x4.relaxed_min f32x4.relaxed_max f64x2.relaxed_min f64x2.relaxed_max
  i16x8.relaxed_q15mulr_s i16x8.relaxed_dot_i8x16_i7x16_s i32x4.relaxed_dot_i8x16_i7x16_add_s`,
);

prefix = 0xfe;
feature = 'threads';
row(0, 'memory argument', -1, 'memory.atomic.notify');
row(1, 'memory argument', -2, 'memory.atomic.wait32 memory.atomic.wait64');
row(3, '1 byte', 0, 'atomic.fence');
row(
  0x10,
  'memory argument',
  0,
  `i32.atomic.load i64.atomic.load i32.atomic.load8_u i32.atomic.load16_u
  i64.atomic.load8_u i64.atomic.load16_u i64.atomic.load32_u`,
);
row(
  0x17,
  'memory argument',
  -2,
  `i32.atomic.store i64.atomic.store i32.atomic.store8 i32.atomic.store16
  i64.atomic.store8 i64.atomic.store16 i64.atomic.store32`,
);
for (const [index, operation] of ['add', 'sub', 'and', 'or', 'xor', 'xchg', 'cmpxchg'].entries())
  row(
    0x1e + 7 * index,
    'memory argument',
    operation === 'cmpxchg' ? -2 : -1,
    ['i32.rmw', 'i64.rmw', 'i32.rmw8', 'i32.rmw16', 'i64.rmw8', 'i64.rmw16', 'i64.rmw32']
      .map((access) => access.replace('.', '.atomic.'))
      .map((access) => `${access}.${operation}${/\d$/.test(access) ? '_u' : ''}`)
      .join(' '),
  );
