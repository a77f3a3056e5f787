/** Every instruction of core WebAssembly: its opcode, its immediates and what it does to the height of the stack. */
import type { Feature, RefusedFeature } from './features.ts';
import type { Immediate } from './opcode-rows.ts';
import { opcodes } from './opcodes.ts';
import { vectorOpcodes } from './vector-opcodes.ts';

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

const ALL: readonly Instruction[] = [...opcodes, ...vectorOpcodes].flatMap(
  ({ prefix, feature, rows }) =>
    rows.flatMap(({ first, immediate, delta, names }) =>
      names.flatMap((name, index) => {
        if (name === '-') return [];
        const change = typeof delta === 'number' ? delta : delta(name);
        const code = prefix * 0x1000 + first + index;
        return [{ code, name, immediate, delta: change, feature }];
      }),
    ),
);
const BY_NAME: ReadonlyMap<string, Instruction> = new Map(ALL.map((each) => [each.name, each]));
/** By prefix, then by number: no hashing for each instruction that is read. */
const BY_CODE: readonly (readonly (Instruction | undefined)[])[] = byCode();

function byCode(): (Instruction | undefined)[][] {
  const table: (Instruction | undefined)[][] = [];
  for (const instruction of ALL) {
    const prefix = instruction.code >> 12;
    const row = table[prefix] ?? [];
    row[instruction.code & 0xfff] = instruction;
    table[prefix] = row;
  }
  return table;
}

/** The instruction, or none that is known. `prefix` is 0 for opcodes of one byte. */
export function instructionOf(prefix: number, number: number): Instruction | undefined {
  return BY_CODE[prefix]?.[number];
}

export function isPrefix(byte: number): boolean {
  return byte >= 0xfc && byte <= 0xfe;
}

/** The instruction of a name that is known. */
export function instructionNamed(name: string): Instruction {
  const instruction = BY_NAME.get(name);
  if (instruction === undefined) throw new Error(`no instruction ${name}`);
  return instruction;
}

export function allInstructions(): readonly Instruction[] {
  return ALL;
}
