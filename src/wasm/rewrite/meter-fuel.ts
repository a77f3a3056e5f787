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
import { type Costs, type CostTable, costTable } from './costs.ts';
import { FuelCode } from './fuel-code.ts';
import { mapBodies, ScratchLocals } from './map-bodies.ts';
import { addCounter, FUEL_EXPORT } from './reserved-exports.ts';

export interface FuelOptions {
  /** Costs of instructions by their names, instead of 1; whole numbers from 1. */
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
  return mapBodies(counter.module, (body, type) =>
    new Meter(body, type, counter.index, costs).meter(),
  );
}

/** A block that is open at the place that was reached. */
interface OpenBlock {
  readonly loop: boolean;
  /** Whether its end can be reached other than from the line above. */
  joined: boolean;
}

class Meter {
  readonly #body: Body;
  readonly #costs: CostTable;
  readonly #scratch: ScratchLocals;
  readonly #code: FuelCode;
  readonly #read: InstructionReader;
  readonly #out: Writer;
  /** The stretch that is being read: its price comes before it, and is known at its end. */
  readonly #stretch = new Writer(256);
  #price = 0;
  readonly #open: OpenBlock[] = [{ loop: false, joined: true }];

  constructor(body: Body, type: FunctionType, fuel: number, costs: CostTable) {
    this.#body = body;
    this.#costs = costs;
    this.#scratch = new ScratchLocals(body, type);
    this.#code = new FuelCode(fuel, hasLoop(body), this.#scratch);
    this.#read = new InstructionReader(new Reader(body.code));
    this.#out = new Writer(2 * body.code.length + 64);
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
        this.#out.bytes(this.#bytes);
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
        const { before, after } = this.#code.byLength(name);
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
    this.#out.bytes(this.#bytes);
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

  #copy(): void {
    this.#stretch.bytes(this.#bytes);
  }

  /** The instruction that was read. */
  get #bytes(): Uint8Array {
    return this.#body.code.subarray(this.#read.start, this.#read.end);
  }

  #endStretch(): void {
    if (this.#price > 0) this.#code.charge(this.#out, this.#price);
    this.#out.bytes(this.#stretch.view());
    this.#stretch.clear();
    this.#price = 0;
  }
}

function hasLoop({ code }: Body): boolean {
  const read = new InstructionReader(new Reader(code));
  while (read.next()) if (read.instruction.name === 'loop') return true;
  return false;
}
