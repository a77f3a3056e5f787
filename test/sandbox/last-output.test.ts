/** What a command that is being ended had written, and nobody takes: it is dropped, and nobody hears of it who does not listen. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Readable, Writable } from 'node:stream';
import { test } from 'node:test';
import type { Execution, RawResult } from '../../src/backends/backend.ts';
import { isCaissonError } from '../../src/core/error.ts';
import { deferredExecution } from '../../src/sandbox/deferred-execution.ts';
import { dropUntakenAfter, LastOutput } from '../../src/sandbox/last-output.ts';
import { Release } from '../../src/sandbox/release.ts';
import { ResultGrid } from '../../src/sandbox/result-grid.ts';

/** Ends when its streams are gone, as one does whose output the launcher holds. */
function held() {
  const result = Promise.withResolvers<RawResult>();
  const open = (): Readable => new Readable({ read() {} });
  const [stdout, stderr] = [open(), open()];
  stdout.push('written, and not taken');
  stdout.once('close', () => result.resolve({ status: 9 } as RawResult));
  const execution = {
    started: Promise.resolve(1),
    result: result.promise,
    stdin: new Writable(),
    stdout,
    stderr,
    kill() {},
    signal() {},
    resize() {},
  } as unknown as Execution;
  return { execution, result };
}

const isDropped = (error: unknown): boolean => isCaissonError(error) && error.code === 'ABORTED';

test('at the end of its sandbox, after two seconds and not before', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const output = new LastOutput();
  const { execution } = held();
  output.add(execution);
  output.end();
  t.mock.timers.tick(1999);
  assert.ok(!execution.stdout.destroyed);
  t.mock.timers.tick(1);
  assert.ok(execution.stdout.destroyed && execution.stderr.destroyed);
  assert.equal((await execution.result).status, 9);
});

test('one that has ended meanwhile keeps what it wrote', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const controller = new AbortController();
  const { execution, result } = held();
  dropUntakenAfter(controller.signal, execution);
  controller.abort();
  result.resolve({ status: 0 } as RawResult);
  await execution.result;
  await Promise.resolve();
  t.mock.timers.tick(10_000);
  assert.ok(!execution.stdout.destroyed);
  assert.equal(String(execution.stdout.read()), 'written, and not taken');
});

for (const [what, shape] of [
  ['begun later', (execution: Execution) => deferredExecution(Promise.resolve(execution))],
  [
    'on a grid of time',
    (execution: Execution) => new Release(undefined, new ResultGrid(10)).execution(execution),
  ],
] as const) {
  test(`${what}: whoever reads is told, whoever does not is left alone`, async (t) => {
    for (const reads of [false, true]) {
      t.mock.timers.enable({ apis: ['setTimeout'] });
      const { execution } = held();
      const shown = shape(execution);
      await Promise.resolve();
      const told = reads ? once(shown.stdout, 'error') : undefined;
      if (reads) shown.stdout.resume();
      const controller = new AbortController();
      dropUntakenAfter(controller.signal, execution);
      controller.abort();
      t.mock.timers.tick(2000);
      t.mock.timers.reset();
      // An error that nobody heard would end this process.
      await execution.result;
      if (told !== undefined) assert.ok(isDropped((await told)[0]));
      assert.ok(shown.stdout.destroyed);
    }
  });
}
