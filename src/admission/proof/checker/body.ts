/**
 * Code: what every instruction costs is paid for before it, and every frame is counted or has a rank.
 *
 * Longer than other files: all rules share the state of the one function that is read, in one pass.
 */
import type { Draft } from '../../../wasm/draft.ts';
import type { Feature } from '../../../wasm/features.ts';
import { InstructionReader } from '../../../wasm/instruction-reader.ts';
import { type FunctionType, slotsOf } from '../../../wasm/module.ts';
import { OperandHeights } from '../../../wasm/operand-heights.ts';
import type { Holes, Pattern } from '../../../wasm/pattern.ts';
import { readLocals } from '../../../wasm/read-code.ts';
import { costTable } from '../../../wasm/rewrite/costs.ts';
import { GROWTHS, LENGTHS } from '../../../wasm/rewrite/fuel-code.ts';
import type { StrictReader } from '../../../wasm/strict-reader.ts';
import type { Certificate } from './certificate.ts';
import { patternsOf } from './patterns.ts';
import { violated } from './violation.ts';

/** Slots that every frame has beside its values. */
const EVERY_FRAME = 10;
const MOST_LOCALS = 50_000;
const weightOf = costTable({});
export const NOT_COVERED: readonly Feature[] = ['tail calls', 'threads', 'relaxed SIMD'];

interface Block {
  readonly kind: 'block' | 'loop' | 'if' | 'counted';
  /** Whether its end can be reached otherwise than from the line above. */
  joined: boolean;
  /** Of a counted loop: its claim, what stood when it began, and the turns that its branch back shows. */
  readonly local: number;
  readonly turns: number;
  readonly first: number;
  readonly credit: number;
  readonly fuel: number;
  shown: number;
}

export class BodyCheck {
  readonly #reader: StrictReader;
  readonly #read: InstructionReader;
  readonly #draft: Draft;
  readonly #certificate: Certificate;
  readonly #listed: ReadonlySet<number>;
  readonly #patterns: ReturnType<typeof patternsOf>;
  readonly #imported: number;
  readonly #heights: OperandHeights;
  /** Of frames, by type: parameters twice, results once. */
  readonly #slots: readonly number[];
  /** By local: the constant that it has as long as the epoch is that; whether it counts a loop that is open. */
  readonly #constants = new Int32Array(MOST_LOCALS);
  readonly #epochs = new Int32Array(MOST_LOCALS);
  readonly #locked = new Uint8Array(MOST_LOCALS);
  #epoch = 0;
  #witness = 0;
  #blocks: Block[] = [];
  /** Paid and not yet used up. */
  #credit = 0;
  /** All that was paid, once around each loop. */
  #fuel = 0;
  /** How many counted loops are open. */
  #counted = 0;
  /** The highest rank of the functions that it calls. */
  #below = 0;
  /** What holds the frame: the local that has what is left of the stack, and the slots; none where it has a rank. */
  #frame: Holes | undefined;
  /** The last constant, and the last length that was paid for: where what was read of it ended. */
  #constant = { value: 0, end: 0 };
  #length = { shift: 0, end: 0 };

  constructor(reader: StrictReader, draft: Draft, certificate: Certificate) {
    this.#reader = reader;
    this.#read = new InstructionReader(reader);
    this.#draft = draft;
    this.#certificate = certificate;
    this.#listed = new Set(certificate.opcodes);
    this.#patterns = patternsOf(draft.allGlobals.length - 2);
    this.#imported = draft.functionTypes.length - draft.functions.length;
    const byFunction = draft.functionTypes.map((type) => draft.types[type]);
    this.#heights = new OperandHeights(draft.types, byFunction);
    this.#slots = draft.types.map(({ parameters, results }) =>
      [...parameters, ...parameters, ...results].reduce((sum, type) => sum + slotsOf(type), 0),
    );
  }

  check(index: number): void {
    const [reader, start] = [this.#reader, this.#reader.position];
    const typeIndex = this.#draft.functions[index] as number;
    const type = this.#draft.types[typeIndex] as FunctionType;
    const [rank, fuel] = this.#certificate.functions[index] as readonly [number, number];
    const outer = reader.enter();
    const runs = readLocals(reader, this.#draft, type.parameters.length).locals;
    const locals = runs.reduce((sum, { count, type }) => sum + count * slotsOf(type), 0);
    [this.#below, this.#fuel, this.#frame] = [0, 0, undefined];
    this.#heights.begin(type);
    this.#epoch++;
    // The 8 that cost nothing are those that instrumenting may add.
    this.#credit = -Math.max(0, Math.floor((locals - 8) / 8));
    this.#open('block');
    if (rank === 0) this.#enterFrame(start);
    for (let loops = 0; this.#blocks.length > 0; ) {
      if (!this.#read.next()) violated('structure', reader.position, 'a function without its end');
      const { name } = this.#read.instruction;
      if (this.#isPattern(name, this.#read.start)) continue;
      if (name === 'loop') this.#loop(index, loops++, this.#read.start);
      this.#instruction(name, this.#read.start);
    }
    reader.leave(outer);
    const widest = (this.#certificate.opcodes.at(-1) ?? 0) >= 0xfd00 ? 2 : 1;
    const values = (this.#slots[typeIndex] as number) + locals + this.#heights.highest * widest;
    const slots = EVERY_FRAME + values;
    // The local that holds the rest of the stack is a part of what every frame has.
    const counted = (this.#frame as Holes | undefined)?.slots ?? Number.POSITIVE_INFINITY;
    if (counted < slots - 1) violated('frame', start, `${slots - 1} slots, ${counted} are counted`);
    if (rank > 0 && rank < slots + this.#below)
      violated('rank', start, `${slots + this.#below} slots, its rank is ${rank}`);
    if (fuel > 0 && this.#fuel > fuel) violated('fuel', start, `${this.#fuel} units, not ${fuel}`);
    const isLeft = this.#certificate.loops[this.#witness]?.[0] === index;
    if (isLeft) violated('loop', start, 'no such loop');
  }

  #enterFrame(start: number): void {
    this.#frame = this.#patterns.enter.match(this.#reader);
    const isCounted = (this.#frame?.slots ?? 0) > 0 && this.#read.next();
    if (!isCounted || this.#read.instruction.name !== 'block')
      violated('frame', start, 'it has no rank and does not count its frame');
    this.#heights.follow(this.#read);
    this.#open('block');
  }

  /** Whether a pattern begins with what was read; then all of it is read. Nothing else touches the counters. */
  #isPattern(name: string, at: number): boolean {
    const { index } = this.#read;
    const isLocal = name.startsWith('local.');
    if (isLocal && index === this.#frame?.left) violated('counters', at, 'of the stack');
    if (name === 'local.tee') return this.#payLength(at) || this.#grow(at);
    if (name === 'local.get') return this.#turn(at);
    if (!name.startsWith('global.') || index < this.#draft.allGlobals.length - 2) return false;
    const price = this.#match(this.#patterns.charge, at)?.price;
    if (price === undefined) violated('counters', at, 'used otherwise than in the patterns');
    if (price <= 0 || price > Number.MAX_SAFE_INTEGER - Math.max(0, this.#credit))
      violated('charge', at, `it pays ${price}`);
    if (this.#counted > 0) violated('charge', at, 'paid where it is paid for');
    this.#credit += price;
    this.#fuel += price;
    return true;
  }

  #match(pattern: Pattern, at: number): Holes | undefined {
    const after = this.#reader.position;
    this.#reader.position = at;
    const holes = pattern.match(this.#reader);
    if (holes === undefined) this.#reader.position = after;
    else this.#heights.touch(pattern.operands);
    return holes;
  }

  #payLength(at: number): boolean {
    const holes = this.#match(this.#patterns.length, at);
    if (holes === undefined) return false;
    this.#assign(holes.length as number, at);
    this.#length = { shift: holes.shift as number, end: this.#reader.position };
    this.#fuel = Number.POSITIVE_INFINITY;
    return true;
  }

  /** What was added is paid for when it is known to have worked. */
  #grow(at: number): boolean {
    for (const growth of this.#patterns.growths) {
      const holes = this.#match(growth, at);
      const grow = growth.instructions[1];
      if (holes === undefined || grow === undefined) continue;
      const { length = 0, result = 0, shift } = holes;
      if (shift !== GROWTHS.get(grow.name) || result === length || result === this.#frame?.left)
        violated('charge', at, 'not the pattern that pays for growth');
      this.#assign(length, at);
      this.#assign(result, at);
      this.#spend(grow.code, at);
      this.#heights.move(grow.delta);
      this.#fuel = Number.POSITIVE_INFINITY;
      return true;
    }
    return false;
  }

  /** Whether it is the one way back of a counted loop. */
  #turn(at: number): boolean {
    const loop = this.#blocks.at(-1);
    if (loop?.kind !== 'counted' || loop.local !== this.#read.index) return false;
    const { toZero, until, below } = this.#patterns;
    for (const pattern of [toZero, until, below]) {
      const holes = this.#match(pattern, at);
      if (holes === undefined) continue;
      if (loop.shown > 0) violated('loop', at, 'a second way back');
      const { step = 0, limit = 0 } = holes;
      loop.shown = turnsOf(loop.first, step, limit, pattern === below);
      for (const { code } of pattern.instructions) this.#spend(code, at);
      return true;
    }
    return false;
  }

  /** A guest's instruction has to be listed, and paid for. */
  #spend(code: number, at: number): void {
    const listed = code < 0x1000 ? code : (code >> 12) * 0x100 + (code & 0xfff);
    if (!this.#listed.has(listed) && code !== 0x0b)
      violated('opcodes', at, `0x${listed.toString(16)} is not listed`);
    this.#credit -= weightOf(code);
    if (this.#credit < 0 && this.#counted === 0) violated('charge', at, 'it is not paid for');
  }

  #instruction(name: string, at: number): void {
    const { instruction, feature, index, labels } = this.#read;
    if (feature && NOT_COVERED.includes(feature)) violated('structure', at, feature);
    if (GROWTHS.has(name)) violated('charge', at, 'what it adds is not paid for');
    const { shift, end } = this.#length;
    if (LENGTHS.has(name) && (shift !== LENGTHS.get(name) || end !== at))
      violated('charge', at, 'its length is not paid for');
    this.#heights.follow(this.#read);
    if (name === 'end') this.#end(at);
    this.#spend(instruction.code, at);
    switch (name) {
      case 'block':
      case 'if':
        this.#open(name);
        break;
      case 'else':
        this.#join();
        break;
      case 'br':
      case 'br_if':
        this.#branch(index, at);
        break;
      case 'br_table':
        for (const label of labels) this.#branch(label, at);
        break;
      case 'return':
        this.#branch(this.#blocks.length - 1, at);
        break;
      case 'call':
        this.#call(index, at);
        break;
      case 'call_indirect':
        if (!this.#frame) violated('rank', at, 'nobody knows whom it calls');
        this.#fuel = Number.POSITIVE_INFINITY;
        break;
      case 'i32.const':
        this.#constant = { value: index, end: this.#reader.position };
        break;
      case 'local.set':
      case 'local.tee':
        this.#assign(index, at);
    }
  }

  #assign(local: number, at: number): void {
    if (this.#locked[local] === 1) violated('loop', at, `local ${local} counts a loop`);
    this.#epochs[local] = this.#constant.end === at ? this.#epoch : 0;
    this.#constants[local] = this.#constant.value;
  }

  /** Here several ways meet: nothing is known of what was paid on others, nor of locals. */
  #join(): void {
    this.#epoch++;
    if (this.#counted === 0) this.#credit = Math.min(this.#credit, 0);
  }

  #open(kind: Block['kind'], local = 0, turns = 0): void {
    const stood = { credit: this.#credit, fuel: this.#fuel, first: this.#constants[local] ?? 0 };
    this.#blocks.push({ kind, joined: kind === 'if', local, turns, shown: 0, ...stood });
  }

  #loop(index: number, ordinal: number, at: number): void {
    const [f, n, local = 0, turns = 0] = this.#certificate.loops[this.#witness] ?? [];
    if (f !== index || n !== ordinal) {
      if (this.#counted > 0) violated('loop', at, 'nobody knows how often it turns');
      this.#fuel = Number.POSITIVE_INFINITY;
      this.#join();
      this.#open('loop');
      return;
    }
    const isKnown = this.#epochs[local] === this.#epoch && this.#locked[local] === 0;
    if (!isKnown) violated('loop', at, `it is not known where local ${local} begins to count`);
    this.#open('counted', local, turns);
    this.#epoch++;
    [this.#credit, this.#fuel, this.#locked[local]] = [0, 0, 1];
    this.#witness++;
    this.#counted++;
  }

  #endLoop({ local, turns, shown, credit, fuel }: Block, at: number): void {
    if (turns < Math.max(1, shown)) violated('loop', at, `${shown} turns, ${turns} are certified`);
    this.#counted--;
    this.#locked[local] = 0;
    this.#fuel = fuel + turns * this.#fuel;
    // Beyond that numbers are rounded.
    if (-this.#credit * turns > 2 ** 53 - 1) violated('loop', at, 'more than can be counted');
    this.#credit = credit + this.#credit * turns;
  }

  #end(at: number): void {
    const ended = this.#blocks.pop() as Block;
    if (ended.kind === 'counted') this.#endLoop(ended, at);
    if (ended.joined) this.#join();
    if (this.#frame === undefined || this.#blocks.length > 1) return;
    if (this.#patterns.leave.match(this.#reader, this.#frame) === undefined)
      violated('frame', this.#reader.position, 'it does not give back what it took');
    this.#blocks.pop();
  }

  #branch(label: number, at: number): void {
    const target = this.#blocks.length - 1 - label;
    const to = this.#blocks[target] ?? violated('structure', at, 'there is no such label');
    if (to.kind === 'counted') violated('loop', at, 'a way back that nobody counted');
    if (this.#frame && target === 0) violated('frame', at, 'it does not give back what it took');
    if (to.kind !== 'loop') to.joined = true;
  }

  #call(callee: number, at: number): void {
    // What hosts do is their own.
    if (callee < this.#imported) return;
    const [rank, fuel] = this.#certificate.functions[callee - this.#imported] ?? [0, 0];
    if (!this.#frame && rank === 0) violated('rank', at, `function ${callee} has none`);
    this.#below = Math.max(this.#below, rank);
    this.#fuel += fuel || Number.POSITIVE_INFINITY;
  }
}

/** Turns of a loop whose counter is `first`, then more by `step` each turn, until it is (or is not below) `limit`. */
function turnsOf(first: number, step: number, limit: number, below: boolean): number {
  const never = Number.POSITIVE_INFINITY;
  if (below) {
    const [from, to] = [first >>> 0, limit >>> 0];
    const turns = Math.max(1, Math.ceil((to - from) / step));
    return step > 0 && from + turns * step < 2 ** 32 ? turns : never;
  }
  const distance = (step > 0 ? limit - first : first - limit) >>> 0 || 2 ** 32;
  const turns = distance / Math.abs(step);
  return Number.isInteger(turns) ? turns : never;
}
