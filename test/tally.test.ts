/** The skip count is a check: it must fail when skips appear, grow, vanish or have no reason. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkSkips, Tally } from '../scripts/tally.ts';

const qemu = { reason: 'needs qemu', needs: 'command -v qemu', tests: 2 };
const present = () => true;
const absent = () => false;

function skipping(...reasons: (string | true)[]): Tally {
  const tally = new Tally();
  for (const skip of reasons) tally.add({ name: 'a test', skip, details: {} }, true);
  return tally;
}

test('counts tests, not suites', () => {
  const tally = skipping('needs qemu');
  tally.add({ name: 'good', details: { type: 'test' } }, true);
  tally.add({ name: 'bad', details: { type: 'test' } }, false);
  tally.add({ name: 'around them', details: { type: 'suite' } }, false);
  assert.deepEqual([tally.passed, tally.failed.length, tally.skipped.size], [1, 1, 1]);
});

test('a line of each that failed: where, which, why', () => {
  const tally = new Tally();
  const error = new Error('1 test failed', { cause: new Error('\x1b[31mwas\n2') });
  const file = join(process.cwd(), 'test/a.test.ts');
  tally.add({ name: 'bad', file, line: 7, details: { type: 'test', error } }, false);
  assert.deepEqual(tally.failed, ['test/a.test.ts:7: bad: was 2']);
});

test('accepts what the machine lacks, and nothing where it lacks nothing', () => {
  assert.deepEqual(checkSkips(skipping('needs qemu', 'needs qemu'), [qemu], absent), []);
  assert.deepEqual(checkSkips(skipping(), [qemu], present), []);
});

test('complains of one skip more, one fewer, and of a skip where the machine has the thing', () => {
  const three = skipping('needs qemu', 'needs qemu', 'needs qemu');
  assert.match(checkSkips(three, [qemu], absent).join(), /3 skipped .* 2 expected/);
  assert.match(
    checkSkips(skipping('needs qemu'), [qemu], absent).join(),
    /1 skipped .* 2 expected/,
  );
  assert.match(checkSkips(skipping('needs qemu'), [qemu], present).join(), /0 expected/);
});

test('complains of an unknown reason and of none', () => {
  assert.match(checkSkips(skipping('too slow'), [qemu], present).join(), /"too slow" is not in/);
  assert.match(checkSkips(skipping(true), [qemu], present).join(), /"no reason given" is not in/);
});
