/** Programs that attack nobody, and what they must answer whatever goes on around them. */
import assert from 'node:assert/strict';
import type { Caisson, EvaluateOptions, Evaluation } from '../../../src/index.ts';
import { build } from '../../wasm/build-module.ts';

/** @param n a number that no other call has @throws AssertionError for a wrong answer */
export type Innocent = (caisson: Caisson, n: number, options: EvaluateOptions) => Promise<void>;

const ADD = build({
  functions: [
    {
      parameters: ['i32', 'i32'],
      results: ['i32'],
      code: [['local.get', 0], ['local.get', 1], 'i32.add'],
      export: 'add',
    },
  ],
});

export const innocents: Readonly<Record<string, Innocent>> = {
  'a fresh isolate': async (caisson, n, options) => {
    const source = 'export default (a) => a.map((x) => x * x)';
    const done = await caisson.evaluate('javascript', source, { ...options, args: [[n, n + 1]] });
    answered(done, [n * n, (n + 1) * (n + 1)]);
  },
  'a kept isolate': async (caisson, n, options) => {
    const source = 'let calls = 0; export default (a) => [a, ++calls, typeof f]';
    const done = await caisson.evaluate('javascript', source, {
      ...options,
      args: [n],
      keep: 'isolate',
    });
    answered(done, [n, 1, 'undefined']);
  },
  'a kept context': async (caisson, n, options) => {
    const source = `const table = Array.from({ length: 1000 }, (_, i) => i * ${n % 7}); export default (a) => table[a]`;
    const done = await caisson.evaluate('javascript', source, {
      ...options,
      args: [n % 1000],
      keep: 'context',
    });
    answered(done, (n % 1000) * (n % 7));
  },
  'a host function': async (caisson, n, options) => {
    const source = 'export default async (a) => { console.log(a); return (await twice(a)) + 1 }';
    const done = await caisson.evaluate('javascript', source, {
      ...options,
      args: [n],
      grants: { twice: async (a: number) => a * 2 },
    });
    answered(done, 2 * n + 1);
    assert.equal(done.stdout.text, `${n}\n`);
  },
  'bytes and 4 MB': async (caisson, n, options) => {
    const source =
      'export default (b) => { b[0]++; return [b, b.buffer.byteLength, new Array(5e5).fill(1).length] }';
    const done = await caisson.evaluate('javascript', source, {
      ...options,
      args: [Uint8Array.of(n % 200, 2)],
    });
    answered(done, [Uint8Array.of((n % 200) + 1, 2), 2, 500_000]);
  },
  'an error': async (caisson, n, options) => {
    const source = 'export default (a) => { throw new RangeError("no " + a) }';
    const done = await caisson.evaluate('javascript', source, { ...options, args: [n] });
    assert.deepEqual([done.kind, done.code, done.error?.message], ['exited', 1, `no ${n}`]);
  },
  'a module of WebAssembly': async (caisson, n, options) => {
    const done = await caisson.evaluate('wasm', ADD, { ...options, export: 'add', args: [n, 1] });
    answered(done, n + 1);
  },
};

function answered({ kind, error, value }: Evaluation, expected: unknown): void {
  assert.equal(kind, 'exited', `${kind}: ${error?.name} ${error?.message}`);
  assert.deepEqual(value, expected, error?.message);
}
