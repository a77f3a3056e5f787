/**
 * Code: what every instruction costs is paid for before it, and every frame is counted or has a rank.
 *
 * Longer than other files: all rules share the state of the one function that is read, in one pass.
 */
import { type Bytes, shortest } from './bytes.ts';
import { type ModuleCheck, slotsOf } from './module.ts';
import * as opcodes from './opcodes.ts';
import { violated } from './violation.ts';

/** Slots that every frame has beside its values. */
const EVERY_FRAME = 10;
const MOST_LOCALS = 50_000;
/** Numbers are exact as far as that. */
const MOST_PAID = 2 ** 53 - 1;
const NOT_THE_PATTERN = 'the counters are used otherwise than in the patterns';

interface Block {
  kind: 'block' | 'loop' | 'if' | 'else' | 'counted';
  /** Height of the operands below it. */
  readonly base: number;
  readonly parameters: number;
  readonly results: number;
  /** Whether its end can be reached otherwise than from the line above. */
  joined: boolean;
  /** Of a counted loop: its claim, the turns that its branch back shows, and what stood when it began. */
  readonly local: number;
  readonly turns: number;
  readonly first: number;
  readonly credit: number;
  readonly fuel: number;
  shown: number;
}

export class BodyCheck {
  readonly #module: ModuleCheck;
  readonly #bytes: Bytes;
  readonly #allowed = new Uint8Array(0x10000);
  /** By local: the constant that it has as long as the epoch is that; whether it counts a loop that is open. */
  readonly #constants = new Int32Array(MOST_LOCALS);
  readonly #epochs = new Int32Array(MOST_LOCALS);
  readonly #locked = new Uint8Array(MOST_LOCALS);
  #epoch = 0;
  #witness = 0;
  #blocks: Block[] = [];
  #height = 0;
  #highest = 0;
  /** Paid and not yet used up. */
  #credit = 0;
  /** All that was paid, once around each loop. */
  #fuel = 0;
  /** How many counted loops are open. */
  #counted = 0;
  #price = 0;
  #rank = 0;
  #below = 0;
  /** The locals that hold the fuel and what is left of the stack; -1 for none. */
  #held = -1;
  #stack = -1;
  #get: number[] = [];
  #pay: number[] = [];
  #load: number[] = [];
  /** Where the last pattern ended that stored the fuel; value and end of the last others. */
  #stored = 0;
  #teed = [0, 0];
  #constant = [0, 0];
  #length = [0, 0];

  constructor(module: ModuleCheck) {
    this.#module = module;
    this.#bytes = module.bytes;
    for (const code of module.certificate.opcodes) this.#allowed[code] = 1;
  }

  check(index: number): void {
    const { certificate, functions, importedFunctions, hasVectors } = this.#module;
    const bytes = this.#bytes;
    const [start, outer] = [bytes.at, bytes.end];
    const type = functions[importedFunctions + index];
    const claims = certificate.functions[index];
    if (!type || !claims) violated('structure', start, 'a body of no certified function');
    const size = bytes.u32();
    bytes.skip(size);
    bytes.end = bytes.at;
    bytes.at -= size;
    const locals = this.#locals(type.parameters);
    const [rank, price, fuel] = claims;
    [this.#rank, this.#price, this.#fuel, this.#below] = [rank, price, 0, 0];
    [this.#height, this.#highest, this.#epoch, this.#stack] = [0, 0, this.#epoch + 1, -1];
    // The 8 that cost nothing are those that instrumenting may add.
    this.#credit = price - Math.max(0, Math.floor((locals - 8) / 8));
    this.#blocks = [];
    this.#push('block', 0, type.results);
    const slots = rank > 0 ? 0 : this.#enterFrame(start);
    this.#holdFuel();
    for (let loops = 0; this.#blocks.length > 0; ) {
      const at = bytes.at;
      const code = bytes.byte();
      if (code === 0x03) this.#loop(index, loops++, at);
      else if (code === 0x0b) this.#end(at, slots);
      else if (code >= 0x20 && code <= 0x24) this.#variable(code, at);
      else this.#instruction(code, at);
      if (this.#height > this.#highest) this.#highest = this.#height;
    }
    if (bytes.at !== bytes.end) violated('structure', bytes.at, 'code behind the function');
    bytes.end = outer;
    const values = locals - (slots ? 1 : 0) + this.#highest * (hasVectors ? 2 : 1);
    const frame = EVERY_FRAME + type.slots + values;
    if (slots && slots < frame) violated('frame', start, `${frame} slots, ${slots} are counted`);
    const whole = frame + this.#below;
    if (!slots && rank < whole) violated('rank', start, `${whole} slots, its rank is ${rank}`);
    const used = price + this.#fuel;
    if (fuel > 0 && used > fuel) violated('fuel', start, `${used} units, not ${fuel}`);
    if (certificate.loops[this.#witness]?.[0] === index) violated('loop', start, 'no such loop');
  }

  #locals(parameters: number): number {
    let [count, slots] = [parameters, 0];
    for (let left = this.#bytes.count(); left > 0; left--) {
      const run = this.#bytes.u32();
      count += run;
      slots += run * slotsOf(this.#module.value());
      if (count > MOST_LOCALS) violated('structure', this.#bytes.at, 'more than 50,000 locals');
    }
    return slots;
  }

  /** How many slots are counted. */
  #enterFrame(start: number): number {
    const bytes = this.#bytes;
    const stack = shortest(this.#module.counters + 1);
    const [begins, slots] = [bytes.take([0x23, ...stack, 0x41]), bytes.signed(32)];
    if (!begins || !bytes.take([0x6b, 0x22]) || slots <= 0)
      violated('frame', start, 'it has no rank and does not count its frame');
    this.#stack = bytes.u32();
    const left = shortest(this.#stack);
    if (!bytes.take([0x24, ...stack, 0x20, ...left, 0x41, 0, 0x48, 4, 0x40, 0, 0x0b, 2]))
      violated('frame', bytes.at, 'it does not stop where the stack ends');
    this.#open('block');
    return slots;
  }

  #holdFuel(): void {
    const bytes = this.#bytes;
    const global = shortest(this.#module.counters);
    const holds = bytes.take([0x23, ...global, 0x21]);
    this.#held = holds ? bytes.u32() : -1;
    const held = shortest(Math.max(0, this.#held));
    if (holds && this.#held === this.#stack) violated('counters', bytes.at, NOT_THE_PATTERN);
    const store = holds ? [0x20, ...held, 0x24, ...global] : [];
    const set = holds ? [0x21, ...held] : [0x24, ...global];
    this.#get = holds ? [0x20, ...held] : [0x23, ...global];
    this.#pay = [0x7d, ...set, ...this.#get, 0x42, 0, 0x53, 4, 0x40, ...store, 0, 0x0b];
    this.#load = holds ? [0x23, ...global, ...set] : [];
    if (holds) this.#touch(1);
  }

  #touch(more: number): void {
    this.#highest = Math.max(this.#highest, this.#height + more);
  }

  #spend(price: number, at: number): void {
    this.#credit -= price;
    if (this.#credit < 0 && this.#counted === 0) violated('charge', at, 'it is not paid for');
  }

  /** Here several ways meet: nothing is known of what was paid on others, nor of locals. */
  #join(): void {
    this.#epoch++;
    if (this.#price === 0 && this.#counted === 0) this.#credit = Math.min(this.#credit, 0);
  }

  #open(kind: Block['kind'], local = 0, turns = 0): void {
    const { at } = this.#bytes;
    const index = this.#bytes.signed(33);
    const type = this.#module.types[index];
    if (index < 0) this.#bytes.at = at;
    if (index < 0 && index !== -0x40) this.#module.value();
    else if (index === -0x40) this.#bytes.skip(1);
    else if (!type) violated('structure', at, 'there is no such type');
    this.#push(
      kind,
      type?.parameters ?? 0,
      type?.results ?? (index === -0x40 ? 0 : 1),
      local,
      turns,
    );
  }

  #push(kind: Block['kind'], parameters: number, results: number, local = 0, turns = 0): void {
    const base = this.#height - parameters;
    const stood = { credit: this.#credit, fuel: this.#fuel, first: this.#constants[local] ?? 0 };
    const joined = kind === 'if';
    this.#blocks.push({
      kind,
      base,
      parameters,
      results,
      joined,
      local,
      turns,
      ...stood,
      shown: 0,
    });
  }

  #loop(index: number, ordinal: number, at: number): void {
    this.#allow(0x03, at);
    const [f, n, local = 0, turns = 0] = this.#module.certificate.loops[this.#witness] ?? [];
    const isCounted = f === index && n === ordinal;
    if (!isCounted && (this.#price > 0 || this.#counted > 0))
      violated('loop', at, 'nobody knows what it costs');
    if (isCounted && (this.#epochs[local] !== this.#epoch || this.#locked[local] !== 0))
      violated('loop', at, `it is not known where local ${local} begins to count`);
    if (!isCounted) {
      this.#fuel = Number.POSITIVE_INFINITY;
      this.#join();
      this.#open('loop');
      return;
    }
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
    const spent = -this.#credit * turns;
    // Beyond that numbers are rounded.
    if (spent > Number.MAX_SAFE_INTEGER) violated('loop', at, 'more than can be counted');
    this.#credit = credit;
    this.#spend(spent, at);
  }

  #end(at: number, slots: number): void {
    const bytes = this.#bytes;
    const ended = this.#blocks.pop() as Block;
    this.#height = ended.base + ended.results;
    if (ended.kind === 'counted') this.#endLoop(ended, at);
    if (ended.joined) this.#join();
    if (this.#blocks.length > (slots ? 1 : 0)) return;
    this.#leave(at);
    if (this.#credit < 0) violated('charge', at, 'locals that are not paid for');
    if (slots === 0) return;
    const [local, stack] = [shortest(this.#stack), shortest(this.#module.counters + 1)];
    const giveBack = [0x20, ...local, 0x41, ...shortest(slots, true), 0x6a, 0x24, ...stack, 0x0b];
    if (!bytes.take(giveBack)) violated('frame', bytes.at, 'it does not give back what it took');
    this.#blocks.pop();
  }

  /** Where the function is left or calls another one, the global has to be right. */
  #leave(at: number): void {
    if (this.#held >= 0 && this.#stored !== at) violated('counters', at, 'fuel is not given back');
  }

  #branch(label: number, at: number): void {
    const target = this.#blocks.length - 1 - label;
    const to = this.#blocks[target] ?? violated('structure', at, 'there is no such label');
    if (to.kind === 'counted') violated('loop', at, 'a way back that nobody counted');
    const exit = this.#stack >= 0 ? 1 : 0;
    if (target < exit) violated('frame', at, 'it is left without giving back what it took');
    if (target === exit) this.#leave(at);
    if (to.kind !== 'loop') to.joined = true;
  }

  #allow(code: number, at: number): void {
    if (this.#allowed[code] !== 1) violated('opcodes', at, `0x${code.toString(16)} is not allowed`);
  }

  #instruction(first: number, at: number): void {
    const bytes = this.#bytes;
    const table = first === 0xfc ? opcodes.more : first === 0xfd ? opcodes.vector : opcodes.plain;
    const number = table === opcodes.plain ? first : bytes.u32();
    const code = table === opcodes.plain ? first : first * 256 + number;
    const letter = table[number] ?? '-';
    if (letter === '-') violated('structure', at, `not covered: ${opcodes.proposalOf(first)}`);
    this.#allow(code, at);
    this.#spend(opcodes.prices[code] as number, at);
    const [follows, change] = opcodes.letters[letter] as [string | number, number];
    this.#height += change;
    if (letter === 'c') this.#control(code, at);
    else if (code === 0xd2) this.#module.refer(bytes.u32(), at);
    else if (follows === 'memory' || follows === 'lane') {
      if (bytes.u32() >= 0x40) violated('structure', bytes.at, 'multiple memories: not covered');
      bytes.u32();
      bytes.skip(follows === 'lane' ? 1 : 0);
    } else if (follows === 'i32') this.#constant = [bytes.signed(32), bytes.at];
    else if (follows === 'i64') bytes.signed(64);
    else if (Number(follows) > 0) bytes.skip(Number(follows));
    else for (let left = -Number(follows); left > 0; left--) bytes.u32();
    const [growth, length] = [opcodes.growths[code], opcodes.lengths[code]];
    if (growth !== undefined) this.#grown(growth, at);
    if (length !== undefined && (this.#length[0] !== length || this.#length[1] !== at))
      violated('charge', at, 'its length is not paid for');
  }

  #control(code: number, at: number): void {
    const bytes = this.#bytes;
    // What takes a condition, or an index.
    if ([0x04, 0x0d, 0x0e, 0x11].includes(code)) this.#height--;
    if (code === 0x1c) this.#height -= 2;
    if (code === 0x02) this.#open('block');
    else if (code === 0x04) this.#open('if');
    else if (code === 0x05) this.#else(at);
    else if (code === 0x0c || code === 0x0d) this.#branch(bytes.u32(), at);
    else if (code === 0x0f) this.#branch(this.#blocks.length - 1, at);
    else if (code === 0x10) this.#call(bytes.u32(), at);
    else if (code === 0x11) this.#callIndirect(at);
    else
      for (let left = bytes.count() - (code === 0x0e ? 0 : 1); left >= 0; left--)
        if (code === 0x0e) this.#branch(bytes.u32(), at);
        else this.#module.value();
  }

  #else(at: number): void {
    const open = this.#blocks.at(-1);
    if (open?.kind !== 'if') violated('structure', at, 'an else without its if');
    open.kind = 'else';
    this.#height = open.base + open.parameters;
    this.#join();
  }

  #call(index: number, at: number): void {
    const { functions, importedFunctions, certificate } = this.#module;
    const type = functions[index] ?? violated('structure', at, 'there is no such function');
    const [rank, price, fuel] = certificate.functions[index - importedFunctions] ?? [1, 0, 0];
    const isImported = index < importedFunctions;
    this.#spend(price, at);
    if (!isImported && this.#rank > 0 && rank === 0) violated('rank', at, `${index} has no rank`);
    if (!isImported) this.#below = Math.max(this.#below, rank);
    if (!isImported) this.#fuel += fuel > 0 ? fuel - price : Number.POSITIVE_INFINITY;
    this.#called(type.results - type.parameters, at);
  }

  #callIndirect(at: number): void {
    const type = this.#module.types[this.#bytes.u32()];
    this.#bytes.u32();
    if (!type) violated('structure', at, 'there is no such type');
    if (this.#rank > 0) violated('rank', at, 'nobody knows whom it calls');
    this.#fuel = Number.POSITIVE_INFINITY;
    this.#called(type.results - type.parameters - 1, at);
  }

  #called(delta: number, at: number): void {
    this.#leave(at);
    this.#height += delta;
    if (this.#held >= 0) this.#touch(1);
    if (!this.#bytes.take(this.#load)) violated('counters', this.#bytes.at, 'fuel is not read');
  }

  /** Locals and globals: those that hold the counters are touched by the patterns alone. */
  #variable(code: number, at: number): void {
    const bytes = this.#bytes;
    const index = bytes.u32();
    const isLocal = code <= 0x22;
    if (
      this.#held < 0
        ? code === 0x23 && index === this.#module.counters
        : code === 0x20 && index === this.#held
    ) {
      this.#pattern(at);
      return;
    }
    if (isLocal ? index === this.#held || index === this.#stack : index >= this.#module.counters)
      violated('counters', at, NOT_THE_PATTERN);
    if (code === 0x21 || code === 0x22) this.#assign(index, at);
    if (code === 0x20 && this.#turn(index, at)) return;
    if (code === 0x22) {
      this.#teed = [index, bytes.at];
      if (this.#isLength()) return;
    }
    this.#allow(code, at);
    this.#spend(1, at);
    if (code !== 0x22) this.#height += code === 0x20 || code === 0x23 ? 1 : -1;
  }

  #assign(local: number, at: number): void {
    if (this.#locked[local] === 1) violated('loop', at, `local ${local} counts a loop`);
    const [value = 0, end] = this.#constant;
    this.#epochs[local] = end === at ? this.#epoch : 0;
    this.#constants[local] = value;
  }

  /** Whether the `local.tee` that was read belongs to a pattern that pays for a length. */
  #isLength(): boolean {
    const bytes = this.#bytes;
    const { at } = bytes;
    const grows = bytes.peek() === 0x40 || (bytes.peek() === 0xfc && bytes.peek(1) === 15);
    const pays = bytes.take(this.#get) && bytes.peek() === 0x20;
    bytes.at = at;
    return grows || pays;
  }

  /** What follows where the fuel was read. */
  #pattern(at: number): void {
    const bytes = this.#bytes;
    const next = bytes.byte();
    if (next === 0x24 && this.#held >= 0 && bytes.u32() === this.#module.counters) {
      this.#stored = bytes.at;
      this.#touch(1);
    } else if (next === 0x42) {
      const price = bytes.signed(64);
      if (price <= 0 || price > MOST_PAID - this.#credit || !bytes.take(this.#pay))
        violated('charge', at, 'not the pattern that pays');
      if (this.#price > 0 || this.#counted > 0) violated('charge', at, 'paid where it is paid for');
      this.#credit += price;
      this.#fuel += price;
      this.#touch(2);
    } else if (next === 0x20 && bytes.u32() === this.#teed[0] && this.#teed[1] === at) {
      const [extends_, shift] = [bytes.take([0xad, 0x42]), bytes.byte()];
      if (!extends_ || !bytes.take([0x88, ...this.#pay]))
        violated('charge', at, 'not the pattern that pays for a length');
      this.#length = [shift, bytes.at];
      this.#fuel = Number.POSITIVE_INFINITY;
      this.#touch(3);
    } else violated('counters', at, NOT_THE_PATTERN);
  }

  /** After `memory.grow` and `table.grow`: what was added is paid for. */
  #grown(shift: number, at: number): void {
    const bytes = this.#bytes;
    const [length, end] = this.#teed;
    const [tees, result] = [bytes.take([0x22]), bytes.u32()];
    const given = [...this.#get, 0x20, ...shortest(length as number), 0xad, 0x42, shift, 0x86];
    const worked = [0x42, 0, 0x20, ...shortest(result), 0x41, 0x7f, 0x47, 0x1b];
    const isFree = result !== length && result !== this.#held && result !== this.#stack;
    if (end !== at || !tees || !isFree || !bytes.take([...given, ...worked, ...this.#pay]))
      violated('charge', at, 'not the pattern that pays for growth');
    this.#assign(result, at);
    this.#fuel = Number.POSITIVE_INFINITY;
    this.#touch(5);
  }

  /** `local.get`: whether it begins the one way back of a counted loop. */
  #turn(local: number, at: number): boolean {
    const bytes = this.#bytes;
    const loop = this.#blocks.at(-1);
    const after = bytes.at;
    if (loop?.kind !== 'counted' || loop.local !== local || !bytes.take([0x41])) return false;
    const step = bytes.signed(32);
    const adds = bytes.take([0x6a, 0x22, ...shortest(local)]);
    const compares = adds && bytes.take([0x41]);
    const [limit, code] = compares ? [bytes.signed(32), bytes.byte()] : [0, 0x47];
    if (!adds || (code !== 0x47 && code !== 0x49) || !bytes.take([0x0d, 0])) {
      bytes.at = after;
      return false;
    }
    if (loop.shown > 0) violated('loop', at, 'a second way back');
    for (const each of [0x20, 0x41, 0x6a, 0x22, 0x0d, ...(compares ? [code] : [])])
      this.#allow(each, at);
    loop.shown = turnsOf(loop.first, step, limit, code === 0x49);
    this.#spend(compares ? 7 : 5, at);
    this.#touch(2);
    return true;
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
