/** The instructions that fuel adds to a function. */
import { assemble, type Line } from '../assemble.ts';
import { EMPTY_BLOCK } from '../instruction-reader.ts';
import { instructionNamed } from '../instructions.ts';
import { valueTypes } from '../module.ts';
import type { Writer } from '../writer.ts';
import type { ScratchLocals } from './map-bodies.ts';

const I64_CONST = instructionNamed('i64.const').code;
const NOTHING = new Uint8Array();
const UNCHANGED = { before: NOTHING, after: NOTHING };

/** Bytes that cost as much as an instruction, as a power of two: 8. */
const BYTES_SHIFT = 3;
const PAGE_SHIFT = 16;

/** Instructions that work through a length, by the shift that makes units of it. */
export const LENGTHS: ReadonlyMap<string, number> = new Map([
  ['memory.fill', BYTES_SHIFT],
  ['memory.copy', BYTES_SHIFT],
  ['memory.init', BYTES_SHIFT],
  ['table.fill', 0],
  ['table.copy', 0],
  ['table.init', 0],
]);
/** Those that make something longer: they may fail, and then cost nothing more. */
export const GROWTHS: ReadonlyMap<string, number> = new Map([
  ['memory.grow', PAGE_SHIFT - BYTES_SHIFT],
  ['table.grow', 0],
]);

export class FuelCode {
  /** From the global to where the function holds it. */
  readonly load: Uint8Array;
  /** Back to the global. */
  readonly store: Uint8Array;
  readonly #get: Uint8Array;
  /** Subtracts what is on the stack, and traps when that leaves less than nothing, which then stands in the global. */
  readonly #pay: Uint8Array;

  /** @param held The local that holds the fuel of a function; undefined: it stays in the global. */
  constructor(fuel: number, held: number | undefined) {
    const inGlobal = held === undefined;
    const get: Line = inGlobal ? ['global.get', fuel] : ['local.get', held];
    const set: Line = inGlobal ? ['global.set', fuel] : ['local.set', held];
    const store: Line[] = inGlobal ? [] : [get, ['global.set', fuel]];
    this.load = inGlobal ? NOTHING : assemble(['global.get', fuel], set);
    this.store = assemble(...store);
    this.#get = assemble(get);
    this.#pay = assemble(
      'i64.sub',
      set,
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
    out.bytes(this.#get).byte(I64_CONST).signed(price).bytes(this.#pay);
  }

  /** What stands around an instruction whose price is a length: the i32 on top of the stack, read as unsigned. */
  byLength(
    name: string,
    scratch: ScratchLocals,
  ): { readonly before: Uint8Array; readonly after: Uint8Array } {
    const length = LENGTHS.get(name);
    if (length !== undefined) return this.#before(length, scratch);
    const growth = GROWTHS.get(name);
    return growth === undefined ? UNCHANGED : this.#around(growth, scratch);
  }

  #before(shift: number, scratch: ScratchLocals) {
    const length = scratch.of('length', valueTypes.i32);
    const units = assemble(
      ['local.get', length],
      'i64.extend_i32_u',
      ['i64.const', shift],
      'i64.shr_u',
    );
    return {
      before: concatenate(assemble(['local.tee', length]), this.#charge(units)),
      after: NOTHING,
    };
  }

  /** Paid once it is known to have worked: a memory that may not grow says -1, as without fuel. */
  #around(shift: number, scratch: ScratchLocals) {
    const length = scratch.of('length', valueTypes.i32);
    const result = scratch.of('result', valueTypes.i32);
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
      after: concatenate(assemble(['local.tee', result]), this.#charge(units)),
    };
  }

  #charge(units: Uint8Array): Uint8Array {
    return concatenate(this.#get, units, this.#pay);
  }
}

/** Of one module: functions that hold their fuel in the same local share their code. */
export class FuelCodes {
  readonly #fuel: number;
  readonly #byLocal = new Map<number | undefined, FuelCode>();

  constructor(fuel: number) {
    this.#fuel = fuel;
  }

  of(held: number | undefined): FuelCode {
    const known = this.#byLocal.get(held);
    if (known !== undefined) return known;
    const code = new FuelCode(this.#fuel, held);
    this.#byLocal.set(held, code);
    return code;
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
