/**
 * Loops of which it is known how often they turn: a local begins at a constant, and every turn ends by adding to it and
 * comparing it with another. Only those without branches inside are taken, so that what is paid for them ahead is what
 * they cost, to the instruction.
 */
import { InstructionReader } from '../../../wasm/instruction-reader.ts';
import type { Body } from '../../../wasm/module.ts';
import { Reader } from '../../../wasm/reader.ts';

export interface CountedLoop {
  readonly local: number;
  readonly turns: number;
}

/** More turns are paid for one by one: what is paid ahead is spent even when a trap ends the loop. */
const MOST_TURNS = 65_536;
const NO_CONSTANT = { value: 0, end: -1 };

interface Open {
  readonly ordinal: number;
  readonly isLoop: boolean;
  joined: boolean;
  /** How many instructions had been found by then after which the way is not known. */
  readonly winds: number;
  /** Turns of loops within one turn of it. */
  inner: number;
  readonly known: ReadonlyMap<number, number>;
  /** How often each local is written. */
  readonly writes: Map<number, number>;
  counted: CountedLoop | undefined;
}

interface Step {
  readonly name: string;
  readonly index: number;
  readonly value: number;
}

/** By the number of the loop in its function. */
export function countedLoops({ code }: Body): ReadonlyMap<number, CountedLoop> {
  return new Search(code).search();
}

/** Instructions after which it is not known what comes next, or that pay for a length. */
const WINDING =
  /^(?:if|else|br|br_if|br_table|return|unreachable|(?:memory|table)\.(?:grow|fill|copy|init))$/;

class Search {
  readonly #found = new Map<number, CountedLoop>();
  readonly #code: Uint8Array;
  readonly #read: InstructionReader;
  readonly #open: Open[] = [];
  #known = new Map<number, number>();
  #last: Step[] = [];
  #constant = NO_CONSTANT;
  #loops = 0;
  #winds = 0;

  constructor(code: Uint8Array) {
    this.#code = code;
    this.#read = new InstructionReader(new Reader(code));
  }

  search(): ReadonlyMap<number, CountedLoop> {
    const read = this.#read;
    this.#push(-1, false);
    while (read.next()) {
      const { name } = read.instruction;
      const value = name === 'i32.const' ? new Reader(this.#code, read.immediates).s32() : 0;
      this.#step({ name, index: read.index, value });
      this.#last = [...this.#last.slice(-6), { name, index: read.index, value }];
      if (name === 'i32.const') this.#constant = { value, end: read.end };
    }
    return this.#found;
  }

  #step({ name, index }: Step): void {
    switch (name) {
      case 'block':
        this.#push(-1, false);
        return;
      case 'if':
        this.#wind();
        this.#push(-1, false);
        this.#top.joined = true;
        return;
      case 'else':
        this.#known = new Map();
        return;
      case 'loop':
        this.#push(this.#loops++, true);
        this.#known = new Map();
        return;
      case 'end':
        this.#end();
        return;
      case 'br_if':
        if (index === 0 && this.#back()) return;
        break;
      case 'local.set':
      case 'local.tee':
        this.#write(index);
        return;
    }
    if (!WINDING.test(name)) return;
    this.#wind();
    const labels = name === 'br_table' ? this.#read.labels : name.startsWith('br') ? [index] : [];
    for (const label of labels) {
      const to = this.#open.at(-1 - label);
      if (to !== undefined && !to.isLoop) to.joined = true;
    }
  }

  get #top(): Open {
    return this.#open.at(-1) as Open;
  }

  #push(ordinal: number, isLoop: boolean): void {
    this.#open.push({
      ordinal,
      isLoop,
      joined: false,
      winds: this.#winds,
      inner: 1,
      known: this.#known,
      writes: new Map(),
      counted: undefined,
    });
  }

  #wind(): void {
    this.#winds++;
  }

  #write(local: number): void {
    const { value, end } = this.#constant;
    if (end === this.#read.start) this.#known.set(local, value);
    else this.#known.delete(local);
    const { writes } = this.#top;
    writes.set(local, (writes.get(local) ?? 0) + 1);
  }

  #end(): void {
    const ended = this.#open.pop() as Open;
    if (ended.joined) this.#known = new Map();
    const outer = this.#open.at(-1);
    if (outer) outer.inner = Math.max(outer.inner, ended.inner);
    for (const [local, count] of ended.writes)
      outer?.writes.set(local, (outer.writes.get(local) ?? 0) + count);
    if (!ended.isLoop) return;
    const { counted, winds, writes, ordinal } = ended;
    const turns = (counted?.turns ?? 0) * ended.inner;
    const isStraight = winds === this.#winds && turns <= MOST_TURNS;
    if (!isStraight || counted === undefined || writes.get(counted.local) !== 1) this.#wind();
    else {
      this.#found.set(ordinal, counted);
      if (outer) outer.inner = Math.max(outer.inner, turns);
    }
  }

  /** Whether this `br_if` is the way back of a loop whose turns are known. */
  #back(): boolean {
    const loop = this.#top;
    if (!loop.isLoop || loop.counted !== undefined) return false;
    const last = [...this.#last];
    const compare = last.at(-1)?.name ?? '';
    const compares = compare === 'i32.ne' || compare === 'i32.lt_u';
    const limit = compares ? last.splice(-2)[0] : { name: 'i32.const', index: 0, value: 0 };
    const [get, step, add, tee] = last.slice(-4);
    const fits =
      limit?.name === 'i32.const' &&
      get?.name === 'local.get' &&
      step?.name === 'i32.const' &&
      add?.name === 'i32.add' &&
      tee?.name === 'local.tee' &&
      tee.index === get.index;
    const first = fits ? loop.known.get(get.index) : undefined;
    if (!fits || first === undefined) return false;
    const turns = turnsUntil(first, step.value, limit.value, compare === 'i32.lt_u');
    if (turns === undefined || turns > MOST_TURNS) return false;
    loop.counted = { local: get.index, turns };
    return true;
  }
}

function turnsUntil(
  first: number,
  step: number,
  limit: number,
  below: boolean,
): number | undefined {
  if (step === 0) return undefined;
  if (below) {
    const [from, to] = [first >>> 0, limit >>> 0];
    if (step < 0) return undefined;
    const turns = Math.max(1, Math.ceil((to - from) / step));
    return from + turns * step < 2 ** 32 ? turns : undefined;
  }
  const distance = (step > 0 ? limit - first : first - limit) >>> 0;
  const turns = distance / Math.abs(step);
  return distance > 0 && Number.isInteger(turns) ? turns : undefined;
}
