/** What is read of a guest process is let go again. */
import assert from 'node:assert/strict';
import { Readable, Writable } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { RawResult } from '../../src/backends/backend.ts';
import type { Outcome } from '../../src/core/outcome.ts';
import { GuestProcess } from '../../src/sandbox/guest-process.ts';

setFlagsFromString('--expose-gc');
const MOST_HELD = 32 * 2 ** 20;
const collect = runInNewContext('gc') as () => void;

function guest(stdout: Readable, stderr: Readable): GuestProcess {
  const execution = {
    started: Promise.resolve(1),
    result: new Promise<RawResult>(() => {}),
    stdin: new Writable(),
    stdout,
    stderr,
    kill: () => {},
    signal: () => {},
    resize: () => {},
  };
  return new GuestProcess(execution, () => ({}) as Outcome);
}

test('one stream that stays silent holds on to nothing of the other', async () => {
  let left = 2000;
  const stdout = new Readable({
    read() {
      this.push(left-- > 0 ? Buffer.alloc(64 * 1024) : null);
    },
  });
  const stderr = new Readable({ read() {} });
  let seen = 0;
  let held = 0;
  for await (const { data } of guest(stdout, stderr)) {
    seen += data.length;
    if (seen < 2000 * 64 * 1024) continue;
    // What is collected is given back by a thread beside this one.
    for (let patience = 500; patience > 0; patience--) {
      collect();
      held = process.memoryUsage().arrayBuffers;
      if (held < MOST_HELD) break;
      await sleep(10);
    }
    break;
  }
  assert.ok(held < MOST_HELD, `${held} bytes of ${seen} are still there`);
});

test('both, as they come, to their end', async () => {
  const pieces: string[] = [];
  const both = guest(Readable.from(['a', 'b']), Readable.from(['c']));
  for await (const { stream, data } of both) pieces.push(`${stream} ${data}`);
  assert.deepEqual(pieces.sort(), ['stderr c', 'stdout a', 'stdout b']);
});

test('a stream that fails is told', async () => {
  const stdout = new Readable({ read() {} });
  stdout.destroy(new Error('broken'));
  await assert.rejects(async () => {
    for await (const _ of guest(stdout, new Readable({ read() {} })));
  }, /broken/);
});
