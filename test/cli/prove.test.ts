/** `caisson prove`: what one made, another one checks; a byte more, and it says what is wrong and where. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { build } from '../wasm/build-module.ts';
import { makePlace } from './caisson.ts';

/** (func (export "spin") (param i32) (result i32) (loop …)) */
const SPIN = build({
  functions: [
    {
      parameters: ['i32'],
      results: ['i32'],
      export: 'spin',
      code: [
        ['loop', -0x40],
        ...[['local.get', 0] as const, ['i32.const', 1] as const, 'i32.sub'],
        ...[['local.tee', 0] as const, ['br_if', 0] as const],
        'end',
        ['local.get', 0],
      ],
    },
  ],
  memory: { minimum: 1 },
});

describe('caisson prove', () => {
  test('makes a module and a certificate, and checks them', () => {
    using place = makePlace();
    writeFileSync(join(place.work, 'spin.wasm'), SPIN);
    const made = place.caisson(['prove', 'spin.wasm', '--memory', '1MiB']);
    assert.equal(made.status, 0, made.stderr);
    assert.match(
      made.stdout,
      /^spin\.proved\.wasm {2}\d+B {2}sha256:[0-9a-f]{64}\nspin\.proved\.wasm\.pcc/,
    );
    assert.match(made.stdout, /memoryPages: 16\n/);
    const both = ['spin.proved.wasm', 'spin.proved.wasm.pcc'];
    const checked = place.caisson(['prove', '--check', ...both]);
    assert.deepEqual([checked.status, checked.stderr], [0, '']);
    assert.match(checked.stdout, /^spin\.proved\.wasm: proved, sha256:/);

    const path = join(place.work, 'spin.proved.wasm');
    const bytes = readFileSync(path);
    writeFileSync(path, Uint8Array.of(...bytes, 0));
    const refused = place.caisson(['prove', '--check', '--json', ...both]);
    assert.equal(refused.status, 65);
    const { valid, obligation } = JSON.parse(refused.stdout);
    assert.deepEqual([valid, obligation], [false, 'subject']);
  });

  test('says what it does not prove', () => {
    using place = makePlace();
    writeFileSync(join(place.work, 'none.wasm'), 'no module');
    assert.match(place.caisson(['prove', 'none.wasm']).stderr, /WebAssembly module/);
    assert.match(place.caisson(['prove', 'gone.wasm']).stderr, /cannot be read/);
    assert.match(place.caisson(['prove', '--check', 'none.wasm']).stderr, /needs a certificate/);
    assert.match(place.caisson(['prove', 'none.wasm', 'x']).stderr, /nothing to do with it/);
    assert.match(place.caisson(['prove', 'none.wasm', '--stack', '-1']).stderr, /slots/);
  });
});
