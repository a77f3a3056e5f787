/** The instructions that fuel adds to a function. */
import { assemble, type Line } from '../assemble.ts';
import { EMPTY_BLOCK } from '../instruction-reader.ts';
import { valueTypes } from '../module.ts';
import type { Writer } from '../writer.ts';
import type { ScratchLocals } from './map-bodies.ts';

const NOTHING = new Uint8Array();
const UNCHANGED = { before: NOTHING, after: NOTHING };

/** Bytes that cost as much as an instruction, as a power of two: 8. */
const BYTES_SHIFT = 3;
const PAGE_SHIFT = 16;

/** Instructions that work through a length, by the shift that makes units of it. */
const LENGTHS = new Map([
  ['memory.fill', BYTES_SHIFT],
  ['memory.copy', BYTES_SHIFT],
  ['memory.init', BYTES_SHIFT],
  ['table.fill', 0],
  ['table.copy', 0],
  ['table.init', 0],
]);
/** Those that make something longer: they may fail, and then cost nothing more. */
const GROWTHS = new Map([
  ['memory.grow', PAGE_SHIFT - BYTES_SHIFT],
  ['table.grow', 0],
]);

export class FuelCode {
  /** From the global to where the function holds it. */
  readonly load: Uint8Array;
  /** Back to the global. */
  readonly store: Uint8Array;
  readonly #get: Uint8Array;
  readonly #set: Uint8Array;
  /** Traps when the fuel is negative, which then stands in the global. */
  readonly #check: Uint8Array;
  readonly #scratch: ScratchLocals;

  /** @param held Whether the function holds its fuel in a local. */
  constructor(fuel: number, held: boolean, scratch: ScratchLocals) {
    this.#scratch = scratch;
    const local = held ? scratch.of('fuel', valueTypes.i64) : 0;
    const get: Line = held ? ['local.get', local] : ['global.get', fuel];
    const store: Line[] = held ? [get, ['global.set', fuel]] : [];
    this.load = held ? assemble(['global.get', fuel], ['local.set', local]) : NOTHING;
    this.store = assemble(...store);
    this.#get = assemble(get);
    this.#set = held ? assemble(['local.set', local]) : assemble(['global.set', fuel]);
    this.#check = assemble(
      get,
      ['i64.const', 0],
      'i64.lt_s',
      ['if', EMPTY_BLOCK],
      ...store,
      'unreachable',
      'end',
    );
  }

  /** A price that is known. */
  charge(out: Writer, price: number): void {
    out.bytes(this.#get);
    out.bytes(assemble(['i64.const', price], 'i64.sub'));
    out.bytes(this.#set).bytes(this.#check);
  }

  /** What stands around an instruction whose price is a length: the i32 on top of the stack, read as unsigned. */
  byLength(name: string): { readonly before: Uint8Array; readonly after: Uint8Array } {
    const length = LENGTHS.get(name);
    if (length !== undefined) return this.#before(length);
    const growth = GROWTHS.get(name);
    return growth === undefined ? UNCHANGED : this.#around(growth);
  }

  #before(shift: number) {
    const length = this.#scratch.of('length', valueTypes.i32);
    const units = assemble(
      ['local.get', length],
      'i64.extend_i32_u',
      ['i64.const', shift],
      'i64.shr_u',
    );
    return {
      before: concatenate(assemble(['local.tee', length]), this.#subtract(units)),
      after: NOTHING,
    };
  }

  /** Paid once it is known to have worked: a memory that may not grow says -1, as without fuel. */
  #around(shift: number) {
    const length = this.#scratch.of('length', valueTypes.i32);
    const result = this.#scratch.of('result', valueTypes.i32);
    const units = assemble(
      ['local.get', length],
      'i64.extend_i32_u',
      ['i64.const', shift],
      'i64.shl',
      ['i64.const', 0],
      ['local.get', result],
      ['i32.const', -1],
      'i32.ne',
      'select',
    );
    return {
      before: assemble(['local.tee', length]),
      after: concatenate(assemble(['local.tee', result]), this.#subtract(units)),
    };
  }

  #subtract(units: Uint8Array): Uint8Array {
    return concatenate(this.#get, units, assemble('i64.sub'), this.#set, this.#check);
  }
}

function concatenate(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
