/**
 * Fuel: every instruction costs, and nothing runs that was not paid for. docs/wasm-rewriting.md has the model.
 *
 * A function's code is cut into stretches without a way in or out but at their ends; each begins with its whole price:
 * subtract, compare with zero, trap. Where a function has a loop, its fuel is held in a local, which an engine keeps in
 * a register, and given back at calls and exits; else in the global itself. Measured by bench/suites/wasm-fuel.ts.
 */
import { assemble } from '../assemble.ts';
import { InstructionReader } from '../instruction-reader.ts';
import { type Body, type FunctionType, type Module, valueTypes } from '../module.ts';
import { Reader } from '../reader.ts';
import { Writer } from '../writer.ts';
import { type Costs, type CostTable, costOfLocals, costTable } from './costs.ts';
import { type FuelCode, FuelCodes } from './fuel-code.ts';
import { mapBodies, ScratchLocals } from './map-bodies.ts';
import { addCounter, FUEL_EXPORT } from './reserved-exports.ts';

export interface FuelOptions {
  /** Costs of instructions by their names, instead of what they cost by default; whole numbers from 1. */
  readonly costs?: Costs;
  /**
   * Of a function that is defined, by the number of the loop in it: turns of loops that are paid for before they begin.
   * Where it is given, fuel always stays in the global. Proofs need both (src/admission/proof/); fuel stays the same, as
   * long as nothing traps.
   */
  readonly ahead?: (definedFunction: number) => ReadonlyMap<number, { readonly turns: number }>;
}

/**
 * Exports the global {@link FUEL_EXPORT}, 0 at first: set it before every call.
 *
 * @throws CaissonError `WASM_REFUSED` where the module exports that name, `REQUEST_INVALID` for costs that are none
 */
export function meterFuel(module: Module, options: FuelOptions = {}): Module {
  const costs = costTable(options.costs ?? {});
  const zero = assemble(['i64.const', 0], 'end');
  const counter = addCounter(module, FUEL_EXPORT, valueTypes.i64, zero);
  const shared: Shared = {
    costs,
    codes: new FuelCodes(counter.index),
    out: new Writer(4096),
    stretch: new Writer(1024),
    ahead: options.ahead,
  };
  return mapBodies(counter.module, (body, type, index) =>
    new Meter(body, type, shared, index).meter(),
  );
}

/** What the bodies of a module have in common, so that it is not made anew for each of a hundred thousand. */
interface Shared {
  readonly costs: CostTable;
  readonly codes: FuelCodes;
  readonly out: Writer;
  /** The stretch that is being read: its price comes before it, and is known at its end. */
  readonly stretch: Writer;
  readonly ahead: FuelOptions['ahead'];
}

/** A block that is open at the place that was reached. */
interface OpenBlock {
  readonly loop: boolean;
  /** Whether its end can be reached other than from the line above. */
  joined: boolean;
  /** Of a loop that is paid for ahead: how often it turns, and the price of what stands before it. */
  readonly counted?: { readonly turns: number; readonly before: number };
}

class Meter {
  readonly #body: Body;
  readonly #scratch: ScratchLocals;
  readonly #code: FuelCode;
  readonly #read: InstructionReader;
  readonly #costs: CostTable;
  readonly #out: Writer;
  readonly #stretch: Writer;
  readonly #turns: ReadonlyMap<number, { readonly turns: number }> | undefined;
  #loops = 0;
  #price: number;
  readonly #open: OpenBlock[] = [{ loop: false, joined: true }];

  constructor(body: Body, type: FunctionType, shared: Shared, index: number) {
    const { costs, codes, out, stretch, ahead } = shared;
    this.#turns = ahead?.(index);
    this.#body = body;
    this.#scratch = new ScratchLocals(body, type);
    this.#code = codes.of(
      ahead === undefined && hasLoop(body) ? this.#scratch.of('fuel', valueTypes.i64) : undefined,
    );
    this.#read = new InstructionReader(new Reader(body.code));
    this.#costs = costs;
    this.#out = out.clear();
    this.#stretch = stretch.clear();
    this.#price = costOfLocals(body.locals);
  }

  meter(): Body {
    this.#out.bytes(this.#code.load);
    while (this.#read.next()) {
      this.#price += this.#costs(this.#read.instruction.code);
      this.#instruction();
    }
    this.#endStretch();
    return { locals: this.#scratch.all, code: this.#out.finish() };
  }

  #instruction(): void {
    const { name } = this.#read.instruction;
    switch (name) {
      case 'block':
        this.#copy();
        this.#open.push({ loop: false, joined: false });
        break;
      case 'loop':
        this.#loop();
        break;
      case 'if':
        this.#copy();
        this.#endStretch();
        this.#open.push({ loop: false, joined: true });
        break;
      case 'else':
        this.#endStretch();
        this.#copyTo(this.#out);
        break;
      case 'end':
        this.#end();
        break;
      case 'br':
      case 'br_if':
        this.#branch([this.#read.index]);
        break;
      case 'br_table':
        this.#branch(this.#read.labels);
        break;
      case 'return':
      case 'return_call':
      case 'return_call_indirect':
      case 'unreachable':
        this.#stretch.bytes(this.#code.store);
        this.#copy();
        this.#endStretch();
        break;
      case 'call':
      case 'call_indirect':
        this.#stretch.bytes(this.#code.store);
        this.#copy();
        this.#stretch.bytes(this.#code.load);
        break;
      default: {
        const { before, after } = this.#code.byLength(name, this.#scratch);
        this.#stretch.bytes(before);
        this.#copy();
        this.#stretch.bytes(after);
      }
    }
  }

  #loop(): void {
    const counted = this.#turns?.get(this.#loops++);
    this.#copy();
    if (counted === undefined) {
      this.#endStretch();
      this.#open.push({ loop: true, joined: false });
      return;
    }
    const { turns } = counted;
    this.#open.push({ loop: true, joined: false, counted: { turns, before: this.#price } });
    this.#price = 0;
  }

  #end(): void {
    const block = this.#open.pop();
    if (block?.counted) this.#price = block.counted.before + block.counted.turns * this.#price;
    if (this.#open.length === 0) this.#stretch.bytes(this.#code.store);
    if (!block?.joined) {
      this.#copy();
      return;
    }
    // Who branches here comes out behind the `end`: there the next stretch begins.
    this.#endStretch();
    this.#copyTo(this.#out);
  }

  #branch(labels: readonly number[]): void {
    // The one way back of a loop that was paid for as a whole.
    if (this.#open.at(-1 - (labels[0] ?? 0))?.counted) {
      this.#copy();
      return;
    }
    for (const label of labels) {
      const block = this.#open.at(-1 - label);
      if (block && !block.loop) block.joined = true;
    }
    const returns = labels.includes(this.#open.length - 1);
    if (returns) this.#stretch.bytes(this.#code.store);
    this.#copy();
    this.#endStretch();
  }

  /** The instruction that was read becomes a part of the stretch. */
  #copy(): void {
    this.#copyTo(this.#stretch);
  }

  #copyTo(out: Writer): void {
    out.bytes(this.#body.code, this.#read.start, this.#read.end);
  }

  #endStretch(): void {
    if (this.#price > 0) this.#code.charge(this.#out, this.#price);
    this.#out.append(this.#stretch);
    this.#stretch.clear();
    this.#price = 0;
  }
}

function hasLoop({ code }: Body): boolean {
  const read = new InstructionReader(new Reader(code));
  while (read.next()) if (read.instruction.name === 'loop') return true;
  return false;
}
