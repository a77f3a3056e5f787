/** What goes to a guest, and the socket of the launcher that everybody shares. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Connection } from '../../src/launcher/channel.ts';
import { Execution } from '../../src/launcher/execution.ts';
import { FieldWriter } from '../../src/launcher/protocol/fields.ts';
import { frameType } from '../../src/launcher/protocol/frame.ts';
import type { Job } from '../../src/plan/plan.ts';

test('tiny pieces of stdin do not pile up before a launcher that does not take them', async () => {
  const sent: { frame: Buffer; taken: (() => void) | undefined }[] = [];
  const connection = {
    send: (frame: Buffer, taken?: () => void) => sent.push({ frame, taken }),
    detach: () => {},
    hold: () => {},
    release: () => {},
  } as unknown as Connection;
  const execution = new Execution(connection, 7, { stdin: 'stream' } as unknown as Job, {});
  const pid = new FieldWriter(0);
  pid.u32(1, 42, 'pid');
  execution.frame(frameType.STARTED, Buffer.from(pid.finish()));
  for (let i = 0; i < 1000; i++) execution.stdin.write('x');
  execution.stdin.end();
  for (let i = 0; i < 50; i++) await turn();
  assert.equal(sent.length, 1);
  // Each that is taken lets the next one go; the last is the end.
  for (let i = 0; i < sent.length; i++) {
    sent[i]?.taken?.();
    for (let n = 0; n < 3; n++) await turn();
    assert.ok(sent.length <= i + 2);
  }
  assert.equal(sent.length, 1001);
});
