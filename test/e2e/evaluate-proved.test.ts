/** A proved module in a host process behind its wall: the host checks the certificate itself. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { prove } from '../../src/admission/proof/prover/prove.ts';
import { Caisson } from '../../src/index.ts';
import { build } from '../wasm/build-module.ts';

const SPIN = build({
  functions: [{ export: 'spin', code: [['loop', -0x40], ['br', 0], 'end'] }],
});

let caisson: Caisson;
before(async () => {
  caisson = await Caisson.open();
});
after(() => caisson.close());

test('ends where its fuel ends, by its own counter', async () => {
  const { module, certificate } = prove(SPIN);
  const wasm = { fuel: 1_000_000n, certificate };
  const { kind, clock, fuel } = await caisson.evaluate('wasm', module, { export: 'spin', wasm });
  assert.deepEqual([kind, clock, fuel], ['timed-out', 'fuel', 1_000_000n]);
});

test('the clock outside ends it, too, where there is fuel without end', async () => {
  const { module, certificate } = prove(SPIN);
  const options = { export: 'spin', cpuMs: 200, wasm: { certificate } };
  const { kind, clock } = await caisson.evaluate('wasm', module, options);
  assert.deepEqual([kind, clock], ['timed-out', 'cpu']);
});

test('a certificate of another module is of no use', async () => {
  const { certificate } = prove(SPIN);
  const { kind, error } = await caisson.evaluate('wasm', SPIN, {
    export: 'spin',
    wasm: { certificate },
  });
  assert.notEqual(kind, 'timed-out');
  assert.match(error?.message ?? '', /the certificate is not true of the module/);
});
