/** Programs that nobody thought of: made from a grammar, and attacks with pieces changed. The same numbers give the same. */
import type { Attack } from './attack.ts';
import { isolateAttacks } from './isolate-attacks.ts';
import { smallModule, wasmAttacks } from './wasm-attacks.ts';

type Random = () => number;

const NAMES = [
  'a',
  'b',
  'f',
  'globalThis',
  'Promise',
  'Object',
  'Array',
  'Error',
  'console',
  'Map',
];
const KEYS = ['then', 'constructor', '__proto__', 'prototype', 'toString', 'length', 'a', 'get'];
const LITERALS = [
  '0',
  '-1',
  '1e9',
  '2n ** 99n',
  '"x"',
  'null',
  'undefined',
  '[]',
  '{}',
  '/a+/',
  'NaN',
];
const PIECES = [
  'await ',
  'throw ',
  'new ',
  'delete ',
  '...',
  'void ',
  '(() => 1)()',
  'for (;;) ',
  'try { ',
  ' } catch {}',
  'Symbol.species',
  'Proxy',
  'Reflect.ownKeys(globalThis)',
  'f(',
  ')',
  '}',
  '{',
  '=>',
  'async ',
  'yield ',
  '"',
  '`${',
  '\\u{10ffff}',
];

export function randomProgram(random: Random): Attack {
  const body = Array.from({ length: 1 + number(random, 8) }, () => statement(random, 3)).join(' ');
  const source = `export default async (a = {}, b = []) => { ${body} return ${expression(random, 3)} }`;
  return any('javascript', source);
}

/** An attack, or a valid module, with a few pieces taken out, doubled, replaced or put in. */
export function mutated(random: Random): Attack {
  const from = pick(random, [...isolateAttacks, ...wasmAttacks]);
  const { language, source, options = {} } = from;
  if (source instanceof Uint8Array) {
    const bytes = random() < 0.5 ? smallModule : source;
    return any('wasm', mutatedBytes(random, bytes), options);
  }
  if (typeof source !== 'string' || source.length > 20_000) return from;
  let text = source;
  for (let i = 1 + number(random, 4); i > 0; i--) {
    const at = number(random, text.length);
    const end = Math.min(text.length, at + number(random, 20));
    const piece = pick(random, [
      '',
      text.slice(at, end).repeat(2),
      pick(random, PIECES),
      expression(random, 2),
      statement(random, 1),
    ]);
    text = text.slice(0, at) + piece + text.slice(random() < 0.5 ? at : end);
  }
  return any(language, text, options);
}

function mutatedBytes(random: Random, bytes: Uint8Array): Uint8Array {
  const changed = Buffer.from(bytes.subarray(0, 100_000));
  for (let i = 1 + number(random, 6); i > 0 && changed.length > 8; i--) {
    const at = 8 + number(random, changed.length - 8);
    changed[at] = pick(random, [0, 1, 0x7f, 0x80, 0xff, 0x0b, 0x40, number(random, 256)]);
  }
  return random() < 0.2 ? changed.subarray(0, number(random, changed.length)) : changed;
}

function statement(random: Random, depth: number): string {
  const value = () => expression(random, depth - 1);
  const inner = () => (depth > 0 ? statement(random, depth - 1) : ';');
  return pick(random, [
    () => `${pick(random, NAMES)} = ${value()};`,
    () => `${value()};`,
    () => `try { ${inner()} } catch (e) { ${inner()} }`,
    () =>
      `for (let i = 0; i < ${pick(random, ['3', '1e3', '1e7', 'Infinity'])}; i++) { ${inner()} }`,
    () => `for (const k in ${value()}) { ${inner()} }`,
    () => `if (${value()}) { ${inner()} }`,
    () => `console.log(${value()}, ${value()});`,
    () => `setTimeout(() => { ${inner()} }, ${number(random, 20)});`,
    () => `Promise.resolve().then(() => { ${inner()} });`,
    () => `Object.defineProperty(${value()}, '${pick(random, KEYS)}', { get() { ${inner()} } });`,
    () => `throw ${value()};`,
  ])();
}

function expression(random: Random, depth: number): string {
  if (depth <= 0) return pick(random, [...LITERALS, ...NAMES]);
  const inner = () => expression(random, depth - 1);
  return pick(random, [
    () => pick(random, LITERALS),
    () => pick(random, NAMES),
    () => `(${inner()})?.[${JSON.stringify(pick(random, KEYS))}]`,
    () => `[${inner()}, ...[${inner()}]]`,
    () => `({ ${pick(random, KEYS)}: ${inner()}, get b() { return ${inner()} } })`,
    () => `await f(${inner()})`,
    () => `f(${inner()}).catch(() => ${inner()})`,
    () => `new Proxy(Object(${inner()}), { get: () => ${inner()} })`,
    () => `(function g(n) { return n > 0 ? g(n - 1) : ${inner()} })(${number(random, 2000)})`,
    () => `new Array(${pick(random, ['3', '1e4', '1e8'])}).fill(${inner()})`,
    () => `String(${inner()}).repeat(${pick(random, ['2', '1e4', '1e8'])})`,
    () => `new Uint8Array(${pick(random, ['8', '1e6', '1e8'])})`,
    () => `(${inner()}) + (${inner()})`,
    () => `Object.assign(Object(${inner()}), { ${pick(random, KEYS)}: ${inner()} })`,
    () => `new Error(${inner()}, { cause: ${inner()} })`,
  ])();
}

function any(
  language: Attack['language'],
  source: string | Uint8Array,
  options: Attack['options'] = { grants: { f: async (a: unknown) => a } },
): Attack {
  // How it ends nobody knows: only that it does.
  const ends = ['exited', 'timed-out', 'out-of-memory', 'signaled'] as const;
  const shown = typeof source === 'string' ? source : Buffer.from(source).toString('hex');
  return { name: `made up: ${shown.slice(0, 2000)}`, language, source, options, ends };
}

function number(random: Random, below: number): number {
  return Math.floor(random() * below);
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[number(random, from.length)] as T;
}
