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
  };
  return mapBodies(counter.module, (body, type) => new Meter(body, type, shared).meter());
}

/** What the bodies of a module have in common, so that it is not made anew for each of a hundred thousand. */
interface Shared {
  readonly costs: CostTable;
  readonly codes: FuelCodes;
  readonly out: Writer;
  /** The stretch that is being read: its price comes before it, and is known at its end. */
  readonly stretch: Writer;
}

/** A block that is open at the place that was reached. */
interface OpenBlock {
  readonly loop: boolean;
  /** Whether its end can be reached other than from the line above. */
  joined: boolean;
}

class Meter {
  readonly #body: Body;
  readonly #scratch: ScratchLocals;
  readonly #code: FuelCode;
  readonly #read: InstructionReader;
  readonly #costs: CostTable;
  readonly #out: Writer;
  readonly #stretch: Writer;
  #price: number;
  readonly #open: OpenBlock[] = [{ loop: false, joined: true }];

  constructor(body: Body, type: FunctionType, { costs, codes, out, stretch }: Shared) {
    this.#body = body;
    this.#scratch = new ScratchLocals(body, type);
    this.#code = codes.of(hasLoop(body) ? this.#scratch.of('fuel', valueTypes.i64) : undefined);
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
        this.#copy();
        this.#endStretch();
        this.#open.push({ loop: true, joined: false });
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

  #end(): void {
    const block = this.#open.pop();
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
