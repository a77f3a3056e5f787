/** Recognises instructions that were inserted: what assemble.ts writes, with names for what differs. */
import { type Instruction, instructionNamed } from './instructions.ts';
import type { StrictReader } from './strict-reader.ts';

/** What follows the opcode: a number, or a name for one that is the same wherever the name stands. */
export type Operand = number | string;
export type PatternLine = string | readonly [instruction: string, operand: Operand];
export type Holes = Readonly<Record<string, number>>;

export class Pattern {
  readonly instructions: readonly Instruction[];
  /** How many operands it puts on those that it found, at most. */
  readonly operands: number;
  readonly #operands: readonly (Operand | undefined)[];

  constructor(...lines: readonly PatternLine[]) {
    const pairs = lines.map((line) => (typeof line === 'string' ? [line] : line));
    this.instructions = pairs.map(([name]) => instructionNamed(name as string));
    this.#operands = pairs.map(([, operand]) => operand);
    let [height, highest] = [0, 0];
    for (const { delta } of this.instructions) {
      height += delta;
      highest = Math.max(highest, height);
    }
    this.operands = highest;
  }

  /** What its names stand for, if it stands here: then it is read. If not, nothing is. */
  match(reader: StrictReader, known: Holes = {}): Holes | undefined {
    const start = reader.position;
    const holes: Record<string, number> = { ...known };
    for (const [i, { code, immediate }] of this.instructions.entries()) {
      const operand = this.#operands[i];
      let fits = reader.opcode() === code;
      if (fits && operand !== undefined) {
        const isSigned = immediate === 'i32' || immediate === 'i64' || immediate === 'block type';
        const value = isSigned ? reader.s64() : reader.u32();
        if (typeof operand === 'string') holes[operand] ??= value;
        fits = value === (typeof operand === 'string' ? holes[operand] : operand);
      }
      if (fits) continue;
      reader.position = start;
      return undefined;
    }
    return holes;
  }
}
