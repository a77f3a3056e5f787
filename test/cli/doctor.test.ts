/** What `caisson doctor` says of a wall is what happens. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makePlace } from './caisson.ts';

/** `(module (func (export "default") (result i32) i32.const 42))` */
const ANSWER = Buffer.from(
  '0061736d010000000105016000017f03020100070b010764656661756c7400000a06010400412a0b',
  'hex',
);

interface Diagnosis {
  readonly walls: readonly { readonly wall: string; readonly ready: boolean }[];
  readonly facts: { readonly walls: Readonly<Record<string, unknown>> };
}

test('the walls of programs are ready, and eval runs programs in them', () => {
  using place = makePlace();
  const { walls, facts } = JSON.parse(place.caisson(['doctor', '--json']).stdout) as Diagnosis;
  const ready = walls.filter((each) => each.ready).map(({ wall }) => wall);
  assert.deepEqual(ready, ['process', 'child', 'isolate', 'wasm']);
  assert.equal(facts.walls.isolate, undefined, 'what is no wall of commands is no fact about them');
  assert.match(place.caisson(['doctor']).stdout, /^ready {3}isolate: JavaScript and TypeScript/m);
  writeFileSync(join(place.work, 'answer.wasm'), ANSWER);
  for (const words of [
    ['javascript', 'export default 6 * 7'],
    ['wasm', '--file', 'answer.wasm', '--export', 'default'],
  ]) {
    const { status, stdout, stderr } = place.caisson(['eval', ...words]);
    assert.equal(status, 0, stderr);
    assert.equal(stdout, '42\n');
  }
});
