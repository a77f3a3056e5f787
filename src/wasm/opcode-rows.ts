/** How tables of opcodes are written: rows of names whose opcodes follow each other. */
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

export interface Row {
  readonly first: number;
  readonly immediate: Immediate;
  /** See `Instruction`. */
  readonly delta: number | ((name: string) => number);
  /** `-` is a hole. */
  readonly names: readonly string[];
}

export interface Group {
  /** 0 for opcodes of one byte. */
  readonly prefix: number;
  readonly feature: Feature | RefusedFeature | undefined;
  readonly rows: readonly Row[];
}

/** Names of comparisons, in the order of their opcodes. */
export const COMPARE = 'eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u';
export const COMPARE_FLOAT = 'eq ne lt gt le ge';

const UNARY =
  /\.(?:eqz|clz|ctz|popcnt|abs|neg|not|ceil|floor|trunc|nearest|sqrt|wrap|extend|convert|demote|promote|reinterpret|splat|any_true|all_true|bitmask|extadd|extract|relaxed_trunc)/;
const TERNARY = /bitselect|madd|laneselect|dot_i8x16_i7x16_add/;

export function group(
  prefix: number,
  feature: Feature | RefusedFeature | undefined,
  rows: readonly Row[],
): Group {
  return { prefix, feature, rows };
}

export function plain(first: number, immediate: Immediate, delta: number, names: string): Row {
  return { first, immediate, delta, names: split(names) };
}

/** From operands to a result. A name without a dot gets the type before it. */
export function arithmetic(
  first: number,
  type: string,
  names: string,
  immediate: Immediate = 'none',
): Row {
  const whole = split(names).map((name) =>
    name === '-' || name.includes('.') ? name : `${type}.${name}`,
  );
  return { first, immediate, delta: deltaOf, names: whole };
}

function deltaOf(name: string): number {
  if (UNARY.test(name)) return 0;
  return TERNARY.test(name) ? -2 : -1;
}

function split(names: string): string[] {
  return names.trim().split(/\s+/);
}
