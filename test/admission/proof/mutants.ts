/**
 * Longer than other files, since it is a list: one line or two for each way in which a rule can be broken.
 *
 * Mutants of a proved module: each breaks one rule on purpose, at one of all the places where it can be broken. What
 * certificates say of them is bound to their digest anew, so that nothing but the rules can refuse them.
 */
import { createHash } from 'node:crypto';
import type { Certificate } from '../../../src/admission/proof/checker/certificate.ts';
import { assemble, type Line } from '../../../src/wasm/assemble.ts';
import { decode } from '../../../src/wasm/decode.ts';
import { encode } from '../../../src/wasm/encode.ts';
import { InstructionReader } from '../../../src/wasm/instruction-reader.ts';
import { allGlobals, type Body, type Module } from '../../../src/wasm/module.ts';
import { Reader } from '../../../src/wasm/reader.ts';

export interface Mutant {
  readonly name: string;
  /** Made when it is asked for. */
  readonly module: Uint8Array;
  readonly certificate: Certificate;
}

export function certificateOf(bytes: Uint8Array): Certificate {
  return JSON.parse(new TextDecoder().decode(bytes)) as Certificate;
}

/** With the digest of the module that it goes with. */
export function bind({ module, certificate }: Pick<Mutant, 'module' | 'certificate'>): Uint8Array {
  const subject = createHash('sha256').update(module).digest('hex');
  return new TextEncoder().encode(JSON.stringify({ ...certificate, subject }));
}

interface Instruction {
  readonly name: string;
  readonly index: number;
  readonly start: number;
  readonly immediates: number;
  readonly end: number;
}

export function instructionsOf(code: Uint8Array): Instruction[] {
  const found: Instruction[] = [];
  const read = new InstructionReader(new Reader(code));
  while (read.next()) {
    const { instruction, index, start, immediates, end } = read;
    found.push({ name: instruction.name, index, start, immediates, end });
  }
  return found;
}

export function splice(
  code: Uint8Array,
  from: number,
  to: number,
  by: Uint8Array = new Uint8Array(),
): Uint8Array {
  const out = new Uint8Array(from + by.length + code.length - to);
  out.set(code.subarray(0, from));
  out.set(by, from);
  out.set(code.subarray(to), from + by.length);
  return out;
}

/** Where a charge stands in a body: from its `get` to the `end` of what it ends with. */
function chargesOf(all: readonly Instruction[]) {
  return all.flatMap((each, i) => {
    const isCharge =
      each.name === 'i64.const' &&
      all[i + 1]?.name === 'i64.sub' &&
      all[i + 5]?.name === 'i64.lt_s' &&
      /\.get$/.test(all[i - 1]?.name ?? '');
    if (!isCharge) return [];
    const last = all.findIndex(({ name }, j) => j > i && name === 'end');
    return [
      { at: i, first: all[i - 1] as Instruction, price: each, last: all[last] as Instruction },
    ];
  });
}

function constantAt(code: Uint8Array, { immediates, end }: Instruction): number {
  let value = 0;
  for (let at = end - 1; at >= immediates; at--) value = value * 128 + ((code[at] ?? 0) & 0x7f);
  return value;
}

export function* mutants(bytes: Uint8Array, certificate: Certificate): Generator<Mutant> {
  const module = decode(bytes);
  yield* codeMutants(module, certificate);
  yield* declarationMutants(module, certificate);
  yield* claimMutants(bytes, certificate);
  yield* layoutMutants(bytes, certificate);
}

function* codeMutants(module: Module, certificate: Certificate): Generator<Mutant> {
  const fuel = allGlobals(module).length - 2;
  const make = (name: string, body: number, code: Uint8Array): Mutant => ({
    name,
    certificate,
    get module() {
      const changed = (each: Body, i: number): Body => (i === body ? { ...each, code } : each);
      return encode({ ...module, bodies: module.bodies.map(changed) });
    },
  });
  for (const [body, { code }] of module.bodies.entries()) {
    const all = instructionsOf(code);
    const place = (line: readonly Line[], at: number): Uint8Array =>
      splice(code, at, at, assemble(...line));
    for (const { at, first, price, last } of chargesOf(all)) {
      const value = constantAt(code, price);
      const sub = all[at + 1] as Instruction;
      yield make('a charge is dropped', body, splice(code, first.start, last.end));
      const lower = (to: number) =>
        splice(code, price.start, price.end, assemble(['i64.const', to]));
      yield make('a charge is lower by 1', body, lower(value - 1));
      yield make('a charge is negative', body, lower(-value));
      yield make('a charge is added', body, splice(code, sub.start, sub.end, assemble('i64.add')));
      const trap = all.find(({ name }, j) => j > at && name === 'unreachable') as Instruction;
      yield make(
        'the end of fuel is ignored',
        body,
        splice(code, trap.start, trap.end, assemble('nop')),
      );
      const less = all[at + 5] as Instruction;
      yield make(
        'the comparison is turned round',
        body,
        splice(code, less.start, less.end, assemble('i64.gt_s')),
      );
      const zero = all[at + 4] as Instruction;
      yield make(
        'the comparison is with another number',
        body,
        splice(code, zero.start, zero.end, assemble(['i64.const', -64])),
      );
      yield make(
        'a jump leads past a charge',
        body,
        splice(
          splice(code, last.end, last.end, assemble('end')),
          first.start,
          first.start,
          assemble(['block', -0x40], ['br', 0]),
        ),
      );
    }
    for (const [i, { name, start, end, immediates, index }] of all.entries()) {
      if (i % 7 === 0) {
        yield make(
          'fuel is written',
          body,
          place(
            [
              ['i64.const', 99],
              ['global.set', fuel],
            ],
            start,
          ),
        );
        yield make('fuel is read', body, place([['global.get', fuel], 'drop'], start));
        yield make(
          'the stack is written',
          body,
          place(
            [
              ['i32.const', 99],
              ['global.set', fuel + 1],
            ],
            start,
          ),
        );
        yield make('something that costs is added', body, place([['i32.const', 0], 'drop'], start));
        yield make(
          'memory grows unpaid',
          body,
          place([['i32.const', 1], ['memory.grow', 0], 'drop'], start),
        );
        yield make('a loop is added', body, place([['loop', -0x40], ['br', 0], 'end'], start));
        yield make('the function is left', body, place(['return'], start));
        yield make('a tail call', body, place([['return_call', 0]], start));
        yield make('an exception', body, splice(code, start, start, Uint8Array.of(0x08, 0)));
        yield make('a thread', body, splice(code, start, start, Uint8Array.of(0xfe, 3, 0)));
        yield make(
          'a type of garbage collection',
          body,
          splice(code, start, start, Uint8Array.of(0xfb, 0, 0)),
        );
      }
      if (name === 'global.set' && (index === fuel || index === fuel + 1)) {
        yield make('a counter is not written', body, splice(code, start, end, assemble('drop')));
        if (index === fuel)
          yield make(
            'fuel goes to another counter',
            body,
            splice(code, start, end, assemble(['global.set', fuel + 1])),
          );
      }
      if (
        name === 'i32.const' &&
        all[i - 1]?.name === 'global.get' &&
        all[i - 1]?.index === fuel + 1
      ) {
        const slots = constantAt(code, { name, start, end, immediates, index });
        const to = (n: number) => splice(code, start, end, assemble(['i32.const', n]));
        yield make('a frame counts less', body, to(slots - 1));
        yield make('a frame counts nothing', body, to(0));
        yield make('a frame counts backwards', body, to(-slots));
      }
      if (
        name === 'i32.const' &&
        all[i + 1]?.name === 'i32.add' &&
        all[i + 2]?.name === 'global.set' &&
        all[i + 2]?.index === fuel + 1
      )
        yield make(
          'a frame gives back more',
          body,
          splice(code, start, end, assemble(['i32.const', 999])),
        );
      const padded = PADDED.has(name) ? end : -1;
      if (padded > 0) {
        const last = code[padded - 1] ?? 0;
        const sign = SIGNED.has(name) && (last & 0x40) !== 0 ? 0x7f : 0;
        yield make(
          'a number is longer than it need be',
          body,
          splice(code, padded - 1, padded, Uint8Array.of(last | 0x80, sign)),
        );
      }
    }
    yield make('a body is cut', body, code.subarray(0, -1));
    yield make(
      'a body goes on',
      body,
      splice(code, code.length, code.length, assemble('nop', 'end')),
    );
  }
}

const SIGNED = new Set(['i32.const', 'i64.const']);
/** Whose only immediate is one number. */
const PADDED = new Set([
  ...SIGNED,
  'local.get',
  'local.set',
  'local.tee',
  'global.get',
  'call',
  'br',
  'br_if',
]);

function* declarationMutants(module: Module, certificate: Certificate): Generator<Mutant> {
  const fuel = allGlobals(module).length - 2;
  const make = (
    name: string,
    change: Partial<Module>,
    says: Partial<Certificate> = {},
  ): Mutant => ({
    name,
    certificate: { ...certificate, ...says },
    module: encode({ ...module, ...change }),
  });
  const { exports, imports, memories, tables, globals, bodies, functions, types } = module;
  for (const index of [fuel, fuel + 1]) {
    const added = { name: 'mine', kind: 'global', index } as const;
    yield make('a counter is exported', { exports: [...exports, added] });
    yield make(
      'a counter is exported, certified',
      { exports: [...exports, added] },
      {
        exports: [...certificate.exports, ['mine', `global ${index}`]],
      },
    );
    const initial = assemble(index === fuel ? ['i64.const', 7] : ['i32.const', 2 ** 30], 'end');
    yield make('a counter begins elsewhere', {
      globals: globals.map((each, i) =>
        i === globals.length - (index === fuel ? 2 : 1) ? { ...each, initial } : each,
      ),
    });
    yield make('a counter is constant', {
      globals: globals.map((each, i) =>
        i === globals.length - (index === fuel ? 2 : 1) ? { ...each, mutable: false } : each,
      ),
    });
  }
  yield make('a global is added behind the counters', {
    globals: [...globals, ...globals.slice(-1)],
  });
  for (const [i, each] of exports.entries()) {
    const by = (to: typeof each) => exports.map((old, j) => (i === j ? to : old));
    yield make('an export is renamed', { exports: by({ ...each, name: `${each.name}x` }) });
    yield make('an export is dropped', { exports: exports.filter((_, j) => i !== j) });
    if (each.kind === 'function')
      yield make('an export leads elsewhere', {
        exports: by({ ...each, index: (each.index + 1) % (functions.length + imports.length) }),
      });
  }
  for (const [i, each] of imports.entries()) {
    const by = (to: typeof each) => imports.map((old, j) => (i === j ? to : old));
    yield make('an import is renamed', { imports: by({ ...each, name: `${each.name}_` }) });
    yield make('an import is of another module', { imports: by({ ...each, module: 'env' }) });
    const next = imports[(i + 1) % imports.length] as typeof each;
    if (imports.length > 1)
      yield make('imports are swapped', {
        imports: imports.map((old, j) =>
          j === i ? next : j === (i + 1) % imports.length ? each : old,
        ),
      });
    const { entity } = each;
    if (entity.kind === 'function') {
      const other = types.findIndex((_, t) => t !== entity.type);
      yield make('an import has another type', {
        imports: by({ ...each, entity: { kind: 'function', type: other } }),
      });
    }
  }
  for (const limits of memories) {
    yield make('the memory may grow further', {
      memories: [{ ...limits, maximum: (limits.maximum ?? 0) + 1 }],
    });
    yield make('the memory has no end', { memories: [{ ...limits, maximum: undefined }] });
    yield make('the memory is shared', { memories: [{ ...limits, shared: true }] });
    yield make('there are two memories', { memories: [limits, limits] });
    yield make(
      'there are two memories, certified',
      { memories: [limits, limits] },
      { memories: [...certificate.memories, ...certificate.memories] },
    );
  }
  for (const [i, table] of tables.entries()) {
    const limits = { ...table.limits, maximum: 2 ** 31 };
    yield make('a table may grow further', {
      tables: tables.map((each, j) => (i === j ? { ...each, limits } : each)),
    });
  }
  for (let i = 0; i + 1 < bodies.length && i < 60; i++) {
    const swapped = bodies.toSpliced(i, 2, ...bodies.slice(i, i + 2).reverse());
    const swappedTypes = functions.toSpliced(i, 2, ...functions.slice(i, i + 2).reverse());
    yield make('functions are reordered', { bodies: swapped, functions: swappedTypes });
  }
  yield make('a function is added', {
    bodies: [...bodies, ...bodies.slice(0, 1)],
    functions: [...functions, ...functions.slice(0, 1)],
  });
  yield make('there is a start function', { start: module.imports.length });
  yield make('a custom section is added', {
    customSections: [
      { name: 'metadata.code.branch_hint', content: Uint8Array.of(0), after: 'data' },
    ],
  });
}

function* claimMutants(module: Uint8Array, certificate: Certificate): Generator<Mutant> {
  const make = (name: string, says: Partial<Certificate>): Mutant => ({
    name,
    module,
    certificate: { ...certificate, ...says },
  });
  const { functions, loops, opcodes, stack } = certificate;
  for (const [i, [rank, fuel]] of functions.entries()) {
    const by = (...to: [number, number]) => ({
      functions: functions.map((each, j) => (i === j ? to : each)),
    });
    if (rank > 0) {
      yield make('a rank is lower', by(rank - 1, fuel));
      yield make('a rank is none', by(0, fuel));
      yield make('a rank is above all', by(stack.uncounted + 1, fuel));
    } else yield make('a counted function has a rank', by(Math.max(1, stack.uncounted), fuel));
    if (fuel > 1) yield make('a bound is lower', by(rank, fuel - 1));
    if (fuel === 0) yield make('a bound is invented', by(rank, 10 ** 6));
  }
  for (const [i, [f, loop, local, turns]] of loops.entries()) {
    const by = (...to: [number, number, number, number]) => ({
      loops: loops.map((each, j) => (i === j ? to : each)),
    });
    yield make('a loop turns less', by(f, loop, local, turns - 1));
    yield make('a loop is counted by another local', by(f, loop, local + 1, turns));
    yield make('a loop is another one', by(f, loop + 1, local, turns));
    yield make('a loop is of another function', by(f + 1, loop, local, turns));
    yield make('a loop is not said to be counted', { loops: loops.filter((_, j) => j !== i) });
    yield make('a loop is said twice', { loops: [...loops.slice(0, i + 1), ...loops.slice(i)] });
  }
  yield make('a loop that is not there', {
    loops: [...loops, [functions.length - 1, 10 ** 6, 0, 1]],
  });
  yield make('a loop beyond all functions', { loops: [...loops, [functions.length, 0, 0, 1]] });
  for (const code of opcodes)
    yield make('an opcode is not allowed', { opcodes: opcodes.filter((each) => each !== code) });
  yield make('the counter holds more', { stack: { ...stack, counted: stack.counted + 1 } });
  yield make('there are fewer functions', { functions: functions.slice(1) });
  yield make('there are more functions', { functions: [...functions, [10, 0]] });
  yield make('opcodes are out of order', { opcodes: [...opcodes].reverse() });
}

/** Sections as they stand: number, and where they begin and end. */
function sectionsOf(bytes: Uint8Array): { id: number; start: number; end: number }[] {
  const found = [];
  const reader = new Reader(bytes, 8);
  while (!reader.atEnd) {
    const start = reader.position;
    const id = reader.byte();
    reader.take(reader.u32());
    found.push({ id, start, end: reader.position });
  }
  return found;
}

function* layoutMutants(bytes: Uint8Array, certificate: Certificate): Generator<Mutant> {
  const make = (name: string, module: Uint8Array): Mutant => ({ name, module, certificate });
  for (const { start, end, id } of sectionsOf(bytes)) {
    const section = bytes.subarray(start, end);
    yield make('a section is there twice', splice(bytes, end, end, section));
    if (id !== 0) yield make('a section is gone', splice(bytes, start, end));
    yield make(
      'a section stands at the end',
      Uint8Array.from([...splice(bytes, start, end), ...section, ...section]),
    );
    yield make('a section is cut', splice(bytes, end - 1, end));
    let size = start + 1;
    while ((bytes[size] ?? 0) >= 0x80) size++;
    yield make(
      'the size of a section is longer than it need be',
      splice(bytes, size, size + 1, Uint8Array.of((bytes[size] ?? 0) | 0x80, 0)),
    );
  }
  yield make('bytes follow', splice(bytes, bytes.length, bytes.length, Uint8Array.of(0)));
  yield make(
    'a section of tags',
    splice(bytes, bytes.length, bytes.length, Uint8Array.of(13, 1, 0)),
  );
  yield make('another version', splice(bytes, 4, 5, Uint8Array.of(2)));
  for (let cut = 1; cut < bytes.length; cut += Math.ceil(bytes.length / 40))
    yield make('it is cut', bytes.subarray(0, cut));
}
