/**
 * Mutated modules: nothing but a CaissonError comes out of the decoder, it takes and refuses what the engine takes and
 * refuses, and rewriting makes nothing valid that was not.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCaissonError } from '../../src/core/error.ts';
import { decode } from '../../src/wasm/decode.ts';
import { encode } from '../../src/wasm/encode.ts';
import type { Module } from '../../src/wasm/module.ts';
import { rewrite } from '../../src/wasm/rewrite/rewrite.ts';
import { build } from './build-module.ts';
import { engine } from './engine.ts';
import { randomModule, randomNumbers } from './random-module.ts';

/** Take CAISSON_FUZZ_ROUNDS=1000000 for a long run. */
const ROUNDS = Number(process.env.CAISSON_FUZZ_ROUNDS ?? 4_000);
const WHOLE = { fuel: {}, stackSlots: 65_536, deterministic: true, memoryPages: 65_536 } as const;
/** Bytes that mean much: section numbers, types, opcodes, continued numbers. */
const TELLING = [
  0, 1, 2, 3, 4, 5, 0x0b, 0x0c, 0x10, 0x20, 0x23, 0x40, 0x6f, 0x70, 0x7f, 0x80, 0xfc, 0xfd, 0xff,
];

function mutate(bytes: Uint8Array, random: () => number): Uint8Array {
  const below = (limit: number): number => Math.floor(random() * limit);
  const byte = (): number => (below(2) ? below(256) : (TELLING[below(TELLING.length)] ?? 0));
  let mutated = [...bytes];
  for (let left = 1 + below(3); left > 0; left--) {
    const at = below(mutated.length);
    switch (below(6)) {
      case 0:
      case 1:
      case 2:
        mutated[at] = byte();
        break;
      case 3:
        mutated.splice(at, below(4));
        break;
      case 4:
        mutated.splice(at, 0, ...Array.from({ length: 1 + below(4) }, byte));
        break;
      default:
        // One part of the module a second time at another place.
        mutated.splice(at, 0, ...mutated.slice(below(mutated.length)).slice(0, below(40)));
    }
    if (below(50) === 0) mutated = mutated.slice(0, at);
  }
  return Uint8Array.from(mutated);
}

/** The module, or the code of its refusal; anything else thrown is a fault of ours. */
function attempt<T>(run: () => T): T | string {
  try {
    return run();
  } catch (error) {
    if (isCaissonError(error)) return error.code;
    throw error;
  }
}

test(`${ROUNDS} mutated modules`, () => {
  const random = randomNumbers(ROUNDS);
  const seen = { taken: 0, valid: 0, WASM_MALFORMED: 0, WASM_TOO_LARGE: 0, WASM_REFUSED: 0 };
  let source = new Uint8Array();
  for (let round = 0; round < ROUNDS; round++) {
    if (round % 20 === 0) source = Uint8Array.from(build(randomModule(round / 20)));
    const bytes = mutate(source, random);
    const valid = engine.validate(bytes);
    const show = (): string => `round ${round}: ${Buffer.from(bytes).toString('hex')}`;
    let decoded: Module | string = '';
    assert.doesNotThrow(() => {
      decoded = attempt(() => decode(bytes));
    }, show());
    if (typeof decoded === 'string') {
      assert.ok(decoded in seen, `${decoded} ${show()}`);
      seen[decoded as 'WASM_REFUSED']++;
      if (decoded === 'WASM_MALFORMED') assert.equal(valid, false, show());
      continue;
    }
    const module: Module = decoded;
    seen.taken++;
    if (valid) seen.valid++;
    assert.equal(engine.validate(encode(module)), valid, show());
    const rewritten = attempt(() => encode(rewrite(module, WHOLE)));
    if (typeof rewritten !== 'string') assert.equal(engine.validate(rewritten), valid, show());
  }
  // The mutations reach all of it.
  for (const [what, count] of Object.entries(seen))
    if (what !== 'WASM_TOO_LARGE') assert.ok(count > ROUNDS / 1000, `${what}: ${count}`);
});
