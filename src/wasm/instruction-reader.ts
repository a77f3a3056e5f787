/**
 * Walks over instructions one by one, without building a tree. After `next()` the fields say what was read; the same
 * object is used again and again, so that a body of a million instructions allocates nothing.
 */
import { type Feature, isRefused } from './features.ts';
import { type Instruction, instructionNamed, instructionOf, isPrefix } from './instructions.ts';
import type { ValueType } from './module.ts';
import { refusedFeature } from './problem.ts';
import type { Reader } from './reader.ts';
import { readHeapType, readValueType } from './value-types.ts';

/** A block without parameters and results. */
export const EMPTY_BLOCK = -0x40;

export class InstructionReader {
  instruction: Instruction = instructionNamed('nop');
  /** What the instruction is a part of, if not of the first version. */
  feature: Feature | undefined;
  /** Where the instruction begins, in the bytes of the reader. */
  start = 0;
  /** Where its immediates begin. */
  immediates = 0;
  /** The first index among the immediates: label, function, type, local, global, table, segment, memory; the i32. */
  index = 0;
  /** The second one. */
  second = 0;
  /** Of `block`, `loop`, `if`: a type index, or a negative number: {@link EMPTY_BLOCK} or a type's byte - 0x80. */
  blockType = EMPTY_BLOCK;
  /** Of `br_table`: all labels, the default last. */
  readonly labels: number[] = [];
  readonly #reader: Reader;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** First byte after the instruction. */
  get end(): number {
    return this.#reader.position;
  }

  get reader(): Reader {
    return this.#reader;
  }

  /** Reads one instruction; false at the end of the bytes. */
  next(): boolean {
    const reader = this.#reader;
    if (reader.atEnd) return false;
    this.start = reader.position;
    const first = reader.byte();
    const instruction = isPrefix(first)
      ? instructionOf(first, reader.u32())
      : instructionOf(0, first);
    if (instruction === undefined) {
      const code = [...reader.bytes.subarray(this.start, reader.position)];
      const shown = code.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
      throw reader.malformed(`there is no instruction ${shown}`, this.start);
    }
    const { feature } = instruction;
    if (feature !== undefined && isRefused(feature))
      throw refusedFeature(feature, instruction.name, reader.place(this.start));
    this.instruction = instruction;
    this.feature = feature;
    this.immediates = reader.position;
    this.#readImmediates(instruction);
    return true;
  }

  #readImmediates({ immediate, name }: Instruction): void {
    const reader = this.#reader;
    switch (immediate) {
      case 'none':
        return;
      case 'label':
      case 'function':
      case 'local':
      case 'global':
      case 'table':
      case 'element':
      case 'data':
        this.index = reader.u32();
        return;
      case 'indirect call':
      case 'two tables':
      case 'element and table':
        this.index = reader.u32();
        this.second = reader.u32();
        return;
      case 'i32':
        this.index = reader.s32();
        return;
      case 'i64':
        reader.skipS64();
        return;
      case '1 byte':
        reader.take(1);
        return;
      case '4 bytes':
        reader.take(4);
        return;
      case '8 bytes':
        reader.take(8);
        return;
      case '16 bytes':
        reader.take(16);
        return;
      case 'memory argument':
        this.#memoryArgument(name);
        return;
      case 'memory argument and lane':
        this.#memoryArgument(name);
        reader.take(1);
        return;
      case 'memory':
        this.#memory(name);
        return;
      case 'two memories':
        this.#memory(name);
        this.#memory(name);
        return;
      case 'data and memory':
        this.index = reader.u32();
        this.#memory(name);
        return;
      case 'block type':
        this.#blockType();
        return;
      case 'labels':
        this.#labels();
        return;
      case 'types':
        for (let left = reader.count('types of select', 1); left > 0; left--) readValueType(reader);
        return;
      case 'heap type':
        readHeapType(reader);
        return;
      default:
        immediate satisfies never;
    }
  }

  /** Bit 6 of the alignment says that a memory is named (core specification 3.0, 5.4.7). */
  #memoryArgument(name: string): void {
    const align = this.#reader.u32();
    if (align & 0x40)
      throw refusedFeature('multiple memories', name, this.#reader.place(this.start));
    if (align > 4) throw this.#reader.malformed('an alignment above 16 bytes', this.start);
    this.#reader.u32();
  }

  #memory(name: string): void {
    if (this.#reader.u32() !== 0)
      throw refusedFeature('multiple memories', name, this.#reader.place(this.start));
  }

  #blockType(): void {
    const reader = this.#reader;
    const offset = reader.position;
    this.blockType = reader.s33();
    if (this.blockType >= 0 || this.blockType === EMPTY_BLOCK) return;
    reader.position = offset;
    readValueType(reader) satisfies ValueType;
  }

  #labels(): void {
    const reader = this.#reader;
    this.labels.length = 0;
    const count = reader.count('labels', reader.end);
    for (let i = 0; i <= count; i++) this.labels.push(reader.u32());
  }
}
