/** A host's memory between two guests: what the collector found dead is back before it is looked at. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { OwnMemory } from '../../src/backends/own-memory.ts';
import { engine, type WasmMemory } from '../../src/backends/wasm/engine.ts';

const PAGES = 900;
const HELD_MAX = 24 * 2 ** 20;

/** Of a guest that has written to all of it. */
function filled(): WasmMemory {
  const memory = new engine.Memory({ initial: PAGES });
  new Uint8Array(memory.buffer).fill(1);
  return memory;
}

describe('memory of earlier guests', () => {
  test('that is kept is let go of, and given back at once', () => {
    const memory = new OwnMemory(HELD_MAX);
    const kept: WasmMemory[] = [];
    for (let guest = 0; guest < 30; guest++) {
      const isWell = memory.settle(() => kept.splice(0));
      assert.ok(isWell, `before guest ${guest}`);
      kept.push(filled());
    }
  });

  test('that nobody keeps is given back, and what is kept stays', () => {
    const memory = new OwnMemory(HELD_MAX);
    for (let guest = 0; guest < 30; guest++) {
      memory.settle(() => assert.fail(`nothing need be let go of before guest ${guest}`));
      filled();
    }
  });
});
