/**
 * Random programs that are valid, end, and use what rewriting has to get right: blocks of every kind with parameters
 * and results, branches out of them, tables of labels, calls (direct, indirect, tail), early returns, traps, memory,
 * bulk operations, all number types. The same seed gives the same program.
 */
import type { Line } from '../../src/wasm/assemble.ts';
import { type FunctionType, type ValueTypeName, valueTypes } from '../../src/wasm/module.ts';
import { SeededRandom } from '../seeded-random.ts';
import { type FunctionSketch, type ModuleSketch, typeOf } from './build-module.ts';

type Num = 'i32' | 'i64' | 'f32' | 'f64';
const NUMBERS: readonly Num[] = ['i32', 'i64', 'f32', 'f64'];

const BINARY: Record<Num, readonly string[]> = {
  i32: 'add sub mul and or xor shl shr_u rotl div_u rem_s'.split(' '),
  i64: 'add sub mul and or xor shl shr_s rotr div_s rem_u'.split(' '),
  f32: 'add sub mul div min max copysign'.split(' '),
  f64: 'add sub mul div min max copysign'.split(' '),
};
const UNARY: Record<Num, readonly string[]> = {
  i32: 'clz ctz popcnt extend8_s'.split(' '),
  i64: 'clz ctz popcnt extend32_s'.split(' '),
  f32: 'abs neg sqrt ceil nearest'.split(' '),
  f64: 'abs neg sqrt floor trunc'.split(' '),
};
const CONVERSIONS: Record<Num, Partial<Record<Num, string>>> = {
  i32: { i64: 'i32.wrap_i64', f32: 'i32.trunc_sat_f32_s', f64: 'i32.trunc_sat_f64_u' },
  i64: { i32: 'i64.extend_i32_s', f32: 'i64.trunc_sat_f32_u', f64: 'i64.trunc_sat_f64_s' },
  f32: { i32: 'f32.convert_i32_s', i64: 'f32.convert_i64_u', f64: 'f32.demote_f64' },
  f64: { i32: 'f64.convert_i32_u', i64: 'f64.convert_i64_s', f32: 'f64.promote_f32' },
};

export function randomNumbers(seed: number): () => number {
  const random = new SeededRandom(seed);
  return () => random.next();
}

const FUNCTIONS = 6;
/** Every function can be called from those before it, so that no call comes back. */
const SHARED_TYPE: { parameters: Num[]; results: Num[] } = {
  parameters: ['i32', 'f64'],
  results: ['i32'],
};

export interface Flavour {
  /** Without bulk operations and growth, whose price depends on lengths. */
  readonly withoutBulk?: boolean;
}

export function randomModule(seed: number, { withoutBulk = false }: Flavour = {}): ModuleSketch {
  const random = randomNumbers(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const signatures = Array.from({ length: FUNCTIONS }, (_, index) =>
    index % 2 === 1
      ? SHARED_TYPE
      : {
          parameters: Array.from({ length: Math.floor(random() * 4) }, () => pick(NUMBERS)),
          results: Array.from({ length: Math.floor(random() * 3) }, () => pick(NUMBERS)),
        },
  );
  const types: FunctionType[] = [];
  const functions = signatures.map((signature, index): FunctionSketch => {
    const writer = new FunctionWriter(random, signatures, index, types, withoutBulk);
    return { ...signature, ...writer.write(), export: `f${index}` };
  });
  return {
    types,
    functions,
    memory: { minimum: 1, maximum: 3 },
    tables: [
      {
        element: valueTypes.funcref,
        limits: { minimum: FUNCTIONS, maximum: 20, shared: false },
      },
    ],
    // Every function stands in the table at its own index.
    elements: {
      count: 1,
      content: Uint8Array.of(0, 0x41, 0, 0x0b, FUNCTIONS, ...signatures.keys()),
    },
    data: { count: 1, content: Uint8Array.of(1, 8, 1, 2, 3, 4, 5, 6, 7, 8) },
    globals: NUMBERS.map((type) => ({
      type,
      initial: constant(type, 1),
      export: `g_${type}`,
    })),
  };
}

function constant(type: Num, value: number): Line {
  if (type === 'i32' || type === 'i64') return [`${type}.const`, Math.trunc(value)];
  const bytes = type === 'f32' ? new Float32Array([value]) : new Float64Array([value]);
  return [`${type}.const`, ...new Uint8Array(bytes.buffer)];
}

interface Signature {
  readonly parameters: readonly Num[];
  readonly results: readonly Num[];
}

class FunctionWriter {
  readonly #random: () => number;
  readonly #signatures: readonly Signature[];
  readonly #index: number;
  readonly #types: FunctionType[];
  readonly #locals: Num[];
  readonly #lines: Line[] = [];
  /** What a branch to each open label takes, innermost last. */
  readonly #labels: (readonly Num[])[] = [];
  /** Loops may not be branched to but by their counter, or they would not end. */
  readonly #loops = new Set<number>();
  #counters = 0;
  readonly #withoutBulk: boolean;

  constructor(
    random: () => number,
    signatures: readonly Signature[],
    index: number,
    types: FunctionType[],
    withoutBulk: boolean,
  ) {
    this.#withoutBulk = withoutBulk;
    this.#random = random;
    this.#signatures = signatures;
    this.#index = index;
    this.#types = types;
    this.#locals = [...this.#signature.parameters, ...NUMBERS];
  }

  get #signature(): Signature {
    return this.#signatures[this.#index] ?? { parameters: [], results: [] };
  }

  write(): { code: Line[]; locals: ValueTypeName[] } {
    this.#labels.push(this.#signature.results);
    this.#statements(4, 3 + this.#below(4));
    for (const type of this.#signature.results) this.#expression(type, 3);
    const { parameters } = this.#signature;
    const locals = [
      ...this.#locals.slice(parameters.length),
      ...Array.from({ length: this.#counters }, () => 'i32' as const),
    ];
    return { code: this.#lines, locals };
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #emit(...lines: Line[]): void {
    this.#lines.push(...lines);
  }

  #statements(depth: number, count: number): void {
    for (let i = 0; i < count; i++) this.#statement(depth);
  }

  #statement(depth: number): void {
    const shallow = depth <= 0;
    switch (this.#below(shallow ? 6 : 14)) {
      case 0:
      case 1:
        this.#setLocal();
        return;
      case 2: {
        const type = NUMBERS[this.#below(4)] as Num;
        this.#expression(type, 2);
        this.#emit(['global.set', NUMBERS.indexOf(type)]);
        return;
      }
      case 3: {
        const type = this.#below(2) ? 'i32' : 'i64';
        this.#address();
        this.#expression(type, 2);
        this.#emit([`${type}.store`, 0, this.#below(100)]);
        return;
      }
      case 4:
        if (this.#withoutBulk) this.#setLocal();
        else this.#bulk();
        return;
      case 5:
        this.#exit();
        return;
      case 6:
      case 7:
        this.#block(depth, 'block');
        return;
      case 8:
      case 9:
        this.#block(depth, 'if');
        return;
      case 10:
      case 11:
        this.#loop(depth);
        return;
      case 12:
        this.#switch(depth);
        return;
      default:
        this.#call();
        return;
    }
  }

  #setLocal(): void {
    const index = this.#below(this.#locals.length);
    this.#expression(this.#locals[index] as Num, 3);
    this.#emit(['local.set', index]);
  }

  /** Mostly within the memory; now and then beyond it, which traps. */
  #address(): void {
    this.#expression('i32', 1);
    this.#emit(['i32.const', this.#below(40) === 0 ? 0x3ffff : 0x3fff], 'i32.and');
  }

  #bulk(): void {
    const small = (): void => {
      this.#expression('i32', 1);
      this.#emit(['i32.const', 0xff], 'i32.and');
    };
    switch (this.#below(6)) {
      case 0:
        for (let i = 0; i < 3; i++) small();
        this.#emit(['memory.fill', 0]);
        return;
      case 1:
        for (let i = 0; i < 3; i++) small();
        this.#emit(['memory.copy', 0, 0]);
        return;
      case 2:
        small();
        this.#emit(['i32.const', 2], ['i32.const', this.#below(8)]);
        this.#emit(['memory.init', 0, 0]);
        return;
      case 3:
        this.#emit(['i32.const', this.#below(3)], ['memory.grow', 0]);
        this.#emit(['global.set', 0]);
        return;
      case 4:
        this.#emit(['ref.null', 0x70], ['i32.const', this.#below(5)], ['table.grow', 0]);
        this.#emit(['global.set', 0]);
        return;
      default:
        this.#emit(['i32.const', 1], ['i32.const', 3], ['i32.const', this.#below(3)]);
        this.#emit(['table.copy', 0, 0]);
        return;
    }
  }

  /** Leaves, if its condition holds, what encloses it. */
  #exit(): void {
    const label = this.#below(this.#labels.length);
    const depth = this.#labels.length - 1 - label;
    if (this.#loops.has(label)) {
      this.#setLocal();
      return;
    }
    const taken = this.#labels[label] ?? [];
    if (this.#below(2) && taken.length < 2) {
      for (const type of taken) this.#expression(type, 2);
      this.#expression('i32', 2);
      this.#emit(['br_if', depth]);
      this.#emit(...taken.map(() => 'drop'));
      return;
    }
    this.#expression('i32', 2);
    this.#emit(['if', -0x40]);
    switch (this.#below(8)) {
      case 0:
        this.#emit('unreachable');
        break;
      case 1:
      case 2:
        for (const type of this.#signature.results) this.#expression(type, 1);
        this.#emit('return');
        break;
      case 3:
        this.#tailCall();
        break;
      default:
        for (const type of taken) this.#expression(type, 1);
        this.#emit(['br', depth + 1]);
    }
    this.#emit('end');
  }

  #tailCall(): void {
    const target = this.#signatures.findIndex(
      ({ results }, index) =>
        index > this.#index && results.join() === this.#signature.results.join(),
    );
    if (target < 0) {
      this.#emit('nop');
      return;
    }
    for (const type of this.#signatures[target]?.parameters ?? []) this.#expression(type, 1);
    if (this.#below(2)) {
      this.#emit(['return_call', target]);
      return;
    }
    this.#emit(['i32.const', target], ['return_call_indirect', target, 0]);
  }

  #type(parameters: readonly Num[], results: readonly Num[]): number {
    this.#types.push(typeOf({ parameters, results }));
    return this.#signatures.length + this.#types.length - 1;
  }

  #block(depth: number, kind: 'block' | 'if'): void {
    const some = (most: number): Num[] =>
      Array.from({ length: this.#below(most + 1) }, () => NUMBERS[this.#below(4)] as Num);
    const [parameters, results] = [some(2), some(2)];
    for (const type of parameters) this.#expression(type, 2);
    if (kind === 'if') this.#expression('i32', 2);
    this.#emit([kind, this.#type(parameters, results)]);
    this.#labels.push(results);
    const arm = (): void => {
      for (const type of [...parameters].reverse())
        this.#emit(['local.set', this.#locals.lastIndexOf(type)]);
      this.#statements(depth - 1, 1 + this.#below(3));
      for (const type of results) this.#expression(type, 2);
    };
    arm();
    if (kind === 'if') {
      this.#emit('else');
      arm();
    }
    this.#labels.pop();
    this.#emit('end');
    for (const type of [...results].reverse())
      this.#emit(['local.set', this.#locals.lastIndexOf(type)]);
  }

  #loop(depth: number): void {
    const counter = this.#locals.length + this.#counters++;
    this.#emit(['i32.const', this.#below(6)], ['local.set', counter]);
    this.#emit(['loop', -0x40]);
    this.#loops.add(this.#labels.length);
    this.#labels.push([]);
    this.#statements(depth - 1, 1 + this.#below(3));
    this.#emit(['local.get', counter], ['i32.const', 1], 'i32.sub', ['local.tee', counter]);
    this.#emit(['i32.const', 0], 'i32.gt_s', ['br_if', 0]);
    this.#labels.pop();
    this.#loops.delete(this.#labels.length);
    this.#emit('end');
  }

  #switch(depth: number): void {
    this.#emit(['block', -0x40], ['block', -0x40], ['block', -0x40]);
    this.#expression('i32', 2);
    this.#emit(['i32.const', 3], 'i32.and', ['br_table', 2, 0, 1, 2], 'end');
    this.#labels.push([], []);
    this.#statements(depth - 2, 1);
    this.#emit('end');
    this.#labels.pop();
    this.#statements(depth - 2, 1);
    this.#emit('end');
    this.#labels.pop();
  }

  #call(): void {
    const target = this.#index + 1 + this.#below(this.#signatures.length - this.#index);
    const callee = this.#signatures[target];
    if (callee === undefined) {
      this.#setLocal();
      return;
    }
    for (const type of callee.parameters) this.#expression(type, 2);
    if (this.#below(3) === 0) this.#emit(['i32.const', target], ['call_indirect', target, 0]);
    else this.#emit(['call', target]);
    for (const type of [...callee.results].reverse())
      this.#emit(['local.set', this.#locals.lastIndexOf(type)]);
  }

  #expression(type: Num, depth: number): void {
    const choice = depth <= 0 ? this.#below(3) : this.#below(9);
    if (choice === 0) {
      this.#emit(constant(type, (this.#random() - 0.5) * 2 ** this.#below(31)));
      return;
    }
    if (choice <= 2) {
      const known = this.#locals.lastIndexOf(type);
      this.#emit(choice === 1 ? ['local.get', known] : ['global.get', NUMBERS.indexOf(type)]);
      return;
    }
    if (choice <= 5) {
      this.#expression(type, depth - 1);
      this.#expression(type, depth - 1);
      const operation = BINARY[type][this.#below(BINARY[type].length)] ?? 'add';
      // A division by zero now and then; most programs are to come to their end.
      if (/^(?:div|rem)_/.test(operation) && this.#below(30) > 0)
        this.#emit([`${type}.const`, 1], `${type}.or`);
      this.#emit(`${type}.${operation}`);
      return;
    }
    if (choice === 6) {
      this.#expression(type, depth - 1);
      this.#emit(`${type}.${UNARY[type][this.#below(UNARY[type].length)]}`);
      return;
    }
    if (choice === 7 && type !== 'f32' && type !== 'f64') {
      this.#address();
      this.#emit([`${type}.load`, 0, 0]);
      return;
    }
    const from = NUMBERS[this.#below(4)] as Num;
    this.#expression(from, depth - 1);
    const conversion = CONVERSIONS[type][from];
    if (conversion !== undefined) this.#emit(conversion);
  }
}
