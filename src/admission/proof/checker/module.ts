/** The sections of a module, in one pass: each entry is what the certificate says, in that order. */
import { BodyCheck } from './body.ts';
import { type Bytes, shortest } from './bytes.ts';
import type { Certificate } from './certificate.ts';
import { type Obligation, violated } from './violation.ts';

const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
/** By number of the section: where it stands. Custom ones are last; tags (13) are not covered. */
const ORDER = [13, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 10];
const VALUES: Readonly<Record<number, string>> = {
  ...{ 127: 'i32', 126: 'i64', 125: 'f32', 124: 'f64', 123: 'v128' },
  ...{ 112: 'funcref', 111: 'externref' },
};
/** `i32.const` … `f64.const`, `global.get`, `ref.null`, `end`, and what extended constants add. */
const CONSTANT = new Set([0x41, 0x42, 0x43, 0x44, 0x23, 0xd0, 0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e]);

export interface FunctionType {
  readonly text: string;
  readonly parameters: number;
  readonly results: number;
  /** Of a frame: parameters twice, results once. */
  readonly slots: number;
}

export class ModuleCheck {
  readonly types: FunctionType[] = [];
  /** Of all functions, imported ones first. */
  readonly functions: FunctionType[] = [];
  readonly certificate: Certificate;
  readonly bytes: Bytes;
  importedFunctions = 0;
  readonly #globals: string[] = [];
  #memories = 0;
  /** Entries that were read, by section. */
  readonly #read = ORDER.map(() => 0);

  constructor(bytes: Bytes, certificate: Certificate) {
    this.bytes = bytes;
    this.certificate = certificate;
  }

  /** The fuel's index; that of the stack is the next. */
  get counters(): number {
    return this.#globals.length - 2;
  }

  get hasVectors(): boolean {
    return (this.certificate.opcodes.at(-1) ?? 0) >= 0xfd00;
  }

  check(): void {
    const { bytes } = this;
    const { end } = bytes;
    if (!bytes.take(HEADER)) violated('structure', 0, 'no core module of version 1');
    for (let last = 0; bytes.at < end; ) {
      const start = bytes.at;
      const id = bytes.byte();
      const order = ORDER[id] ?? violated('structure', start, `section ${id} is not covered`);
      if (order <= last) violated('structure', start, `section ${id} is out of order`);
      last = order;
      const size = bytes.u32();
      bytes.skip(size);
      bytes.end = bytes.at;
      bytes.at -= size;
      this.#section(id, start);
      if (bytes.at !== bytes.end) violated('structure', bytes.at, `more than section ${id} holds`);
      bytes.end = end;
    }
    const { imports, exports, memories, tables, functions, stack } = this.certificate;
    const listed = { 2: imports, 3: functions, 4: tables, 5: memories, 7: exports, 10: functions };
    for (const [id, { length }] of Object.entries(listed))
      if (this.#read[Number(id)] !== length)
        violated('structure', end, `too little in section ${id}`);
    const counters = ['mutable i64 66,0,11', `mutable i32 65,${shortest(stack.counted, true)},11`];
    for (const [i, name] of ['caisson.fuel', 'caisson.stack'].entries()) {
      const index = this.counters + i;
      const isThere = exports.some((each) => each.join() === `${name},global ${index}`);
      if (this.#globals[index] !== counters[i] || !isThere)
        violated('counters', end, `${name} is not exported, or is ${this.#globals[index]}`);
    }
  }

  #section(id: number, start: number): void {
    const { bytes } = this;
    if (id === 8) violated('counters', start, 'a start function runs before there is fuel');
    // The others mean something to some engines; names do not.
    if (id === 0 && bytes.name() !== 'name') violated('structure', start, 'a custom section');
    if (id === 0) bytes.skip(bytes.end - bytes.at);
    else if (id === 12) bytes.u32();
    else {
      const body = id === 10 ? new BodyCheck(this) : undefined;
      for (let left = bytes.count(); left > 0; left--) {
        if (body) body.check(this.#read[id] as number);
        else this.#entry(id, bytes.at);
        (this.#read[id] as number)++;
      }
    }
  }

  #entry(id: number, at: number): void {
    const { bytes, certificate } = this;
    const entry = this.#read[id] as number;
    switch (id) {
      case 1:
        this.types.push(this.#type());
        break;
      case 2: {
        const found = JSON.stringify([bytes.name(), bytes.name(), this.#imported()]);
        this.#same('imports', at, found, JSON.stringify(certificate.imports[entry]));
        break;
      }
      case 3:
        this.functions.push(this.#typeIndex());
        break;
      case 4:
        this.#same('tables', at, this.#table(), certificate.tables[entry]);
        break;
      case 5:
        this.#same('memory', at, this.#memory(), certificate.memories[entry]);
        break;
      case 6:
        this.#globals.push(`${this.#global()} ${this.#constant().join()}`);
        break;
      case 7: {
        const [name, kind, index] = [bytes.name(), this.#kind(), bytes.u32()];
        const found = JSON.stringify([name, `${kind} ${index}`]);
        this.#same('exports', at, found, JSON.stringify(certificate.exports[entry]));
        if (kind === 'function') this.refer(index, at);
        const counter = index > this.counters ? 'caisson.stack' : 'caisson.fuel';
        if (kind === 'global' && index >= this.counters && name !== counter)
          violated('counters', at, `${counter} is exported as ${name}`);
        break;
      }
      case 9:
        this.#element(at);
        break;
      default: {
        const flags = bytes.u32();
        if (flags > 1) violated('structure', at, 'a data segment of a named memory');
        if (flags === 0) this.#constant();
        bytes.skip(bytes.u32());
      }
    }
  }

  #same(obligation: Obligation, at: number, found: string, said?: string): void {
    if (found !== said)
      violated(obligation, at, `${found}; the certificate says ${said ?? 'none'}`);
  }

  /** Functions that are paid for by their callers have to know them all. */
  refer(index: number, at: number): void {
    const price = this.certificate.functions[index - this.importedFunctions]?.[1] ?? 0;
    if (price > 0) violated('reference', at, `function ${index} does not pay for itself`);
  }

  #type(): FunctionType {
    const { bytes } = this;
    if (bytes.byte() !== 0x60) violated('structure', bytes.at - 1, 'a type of garbage collection');
    const list = () => Array.from({ length: bytes.count() }, () => this.value());
    const [parameters, results] = [list(), list()];
    const slots = [...parameters, ...parameters, ...results].map((type) => slotsOf(type));
    return {
      text: `function (${parameters.join(', ')}) -> (${results.join(', ')})`,
      parameters: parameters.length,
      results: results.length,
      slots: slots.reduce((sum, each) => sum + each, 0),
    };
  }

  value(): string {
    const { at } = this.bytes;
    const name = VALUES[this.bytes.byte()];
    // The height of operands is doubled where there are vectors: the opcodes say so before there is code.
    if (name === 'v128' && !this.hasVectors) violated('opcodes', at, 'a vector');
    return name ?? violated('structure', at, 'no type of values that is covered');
  }

  #typeIndex(): FunctionType {
    const type = this.types[this.bytes.u32()];
    return type ?? violated('structure', this.bytes.at, 'there is no such type');
  }

  #kind(): string {
    const kind = ['function', 'table', 'memory', 'global'][this.bytes.byte()];
    return kind ?? violated('structure', this.bytes.at - 1, 'exceptions are not covered');
  }

  #imported(): string {
    const kind = this.#kind();
    if (kind === 'table') return `table ${this.#table()}`;
    if (kind === 'memory') return `memory ${this.#memory()}`;
    if (kind === 'global') return `global ${this.#globals[this.#globals.push(this.#global()) - 1]}`;
    this.importedFunctions++;
    return (this.functions[this.functions.push(this.#typeIndex()) - 1] as FunctionType).text;
  }

  #table(): string {
    return `${this.value()} ${this.#limits()}`;
  }

  #memory(): string {
    if (this.#memories++ > 0) violated('structure', this.bytes.at, 'multiple memories');
    return this.#limits();
  }

  #limits(): string {
    const { at } = this.bytes;
    const flags = this.bytes.byte();
    const [minimum, maximum] = [this.bytes.u32(), flags & 1 ? this.bytes.u32() : ''];
    const proposal = ['', 'threads', 'memory64', ''][(flags >> 1) & 3] || 'custom page sizes';
    if (flags > 1) violated('structure', at, `${proposal}: not covered`);
    if (maximum === '') violated('memory', at, 'no maximum');
    return `${minimum}..${maximum}`;
  }

  #global(): string {
    const type = this.value();
    return this.bytes.byte() === 1 ? `mutable ${type}` : type;
  }

  /** The bytes of a constant expression; the engine knows which are well-typed. */
  #constant(): number[] {
    const { bytes } = this;
    const start = bytes.at;
    for (let code = bytes.byte(); code !== 0x0b; code = bytes.byte()) {
      const at = bytes.at - 1;
      if (code === 0xd2) this.refer(bytes.u32(), at);
      else if (code === 0xfd && this.hasVectors && bytes.byte() === 0x0c) bytes.skip(16);
      else if (!CONSTANT.has(code)) violated('structure', at, 'not constant');
      else if (code === 0x41 || code === 0x42) bytes.signed(code === 0x41 ? 32 : 64);
      else if (code === 0x43 || code === 0x44) bytes.skip(code === 0x43 ? 4 : 8);
      else if (code === 0x23) bytes.u32();
      else if (code === 0xd0) bytes.byte();
    }
    return [...bytes.all.subarray(start, bytes.at)];
  }

  /** Core specification 5.5.12. */
  #element(at: number): void {
    const { bytes } = this;
    const flags = bytes.u32();
    if (flags > 7) violated('structure', at, `an element segment with flags ${flags}`);
    if ((flags & 3) === 2) bytes.u32();
    if ((flags & 1) === 0) this.#constant();
    if ((flags & 3) !== 0) bytes.byte();
    for (let left = bytes.count(); left > 0; left--)
      if (flags & 4) this.#constant();
      else this.refer(bytes.u32(), bytes.at);
  }
}

export function slotsOf(type: string): number {
  return type === 'v128' ? 2 : 1;
}
