/**
 * Every attack of `light-walls/` against host processes: it ends in one of the ways that are its own, in time, and the
 * next evaluation is answered.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Caisson } from '../../src/index.ts';
import { type Attack, limits } from './light-walls/attack.ts';
import { isolateAttacks } from './light-walls/isolate-attacks.ts';
import { smallModule, wasmAttacks } from './light-walls/wasm-attacks.ts';

let caisson: Caisson;
before(async () => {
  caisson = await Caisson.open();
});
after(() => caisson.close());

const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));

async function stand({ language, source, options, ends, check }: Attack): Promise<void> {
  const evaluation = await caisson.evaluate(language, source, { ...limits, ...options });
  const { kind, error } = evaluation;
  assert.ok(ends.includes(kind), `${kind}: ${JSON.stringify(error)}`);
  check?.(evaluation);
  if (language === 'wasm') {
    const next = await caisson.evaluate('wasm', smallModule, { ...limits, export: 'run' });
    assert.deepEqual([next.kind, next.code], ['exited', 0], next.error?.message);
  } else {
    const next = await caisson.evaluate('javascript', 'typeof f + 6 * 7', limits);
    assert.equal(next.value, 'undefined42', next.kind);
  }
  assert.deepEqual(unhandled.splice(0), []);
}

describe('isolate', () => {
  for (const attack of isolateAttacks) test(attack.name, () => stand(attack));
});

test('in this process: what lies beside a small Buffer of the caller is not seen', async () => {
  const source =
    'export default async (a) => { const b = await bytes(); return [a.buffer.byteLength, b.buffer.byteLength] }';
  const { value } = await caisson.evaluate('javascript', source, {
    args: [Buffer.from('hi')],
    grants: { bytes: () => Buffer.from('granted') },
    placement: 'inline',
  });
  assert.deepEqual(value, [2, 7]);
});

describe('wasm', () => {
  for (const attack of wasmAttacks) test(attack.name, () => stand(attack));
});
