/** The result of what was ended, by whatever ended it, does not wait for its output to be taken. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeExec } from '../../src/launcher/protocol/encode-job.ts';
import { FieldWriter } from '../../src/launcher/protocol/fields.ts';
import {
  FRAME_HEADER,
  finishFrame,
  frameType,
  rawFrame,
} from '../../src/launcher/protocol/frame.ts';
import type { Job } from '../../src/plan/plan.ts';
import { needs } from '../escape/harness.ts';
import { until } from '../until.ts';
import { BOX, PLAN, RawSandbox } from './raw-sandbox.ts';
import { isAsleep, named } from './stopped.ts';

const skip = needs.root;
const RUN = 3;
const WINDOW = 256 * 1024;
const FULL_PIPE = 64 * 1024;

/** A command whose output goes out by frames. */
const told = ({ job }: RawSandbox, script: string, more?: Partial<Job>): Job => ({
  ...job,
  argv: ['/bin/sh', '-c', script],
  stdout: 'stream',
  stderr: 'stream',
  ...more,
});

const deny = (id: number) => rawFrame(frameType.DENY, id);
const kill = (id: number) => rawFrame(frameType.KILL, id);
const signalled = (id: number) => {
  const writer = new FieldWriter(FRAME_HEADER);
  writer.i32(1, 9, 'signal');
  return finishFrame(writer, frameType.SIGNAL, id);
};

/** The guest waits for room: it was let write no more, and its pipe is full. */
const isFull = ({ client }: RawSandbox): boolean =>
  client.received(frameType.STDOUT, RUN) === WINDOW && isAsleep(named('cat', client.pid)[0]);

const ways: readonly [string, number, Partial<Job>, ((id: number) => Buffer) | undefined][] = [
  ['the wall clock', 1, { limits: { wallMs: 2000 } }, undefined],
  ['its client', 5, {}, kill],
  ['its client, for a violation', 6, {}, deny],
];

for (const [where, target] of [
  ['a run', { plan: PLAN }],
  ['a command of a sandbox that stays', { sandbox: BOX }],
] as const) {
  for (const [who, cause, more, order] of ways) {
    test(`${where} that ${who} ends is told, unread`, { skip }, async () => {
      await using own = await RawSandbox.open();
      const { client } = own;
      client.send(encodeExec(RUN, target, told(own, 'exec cat /dev/zero', more)));
      if (order !== undefined) {
        await until('it has written all that it may', () => isFull(own));
        client.send(order(RUN));
      }
      const result = await client.result(RUN);
      assert.ok(result !== undefined, 'it is held by its output');
      assert.equal(result.cause, cause);
      assert.equal(result.status, 9);
      // What was in the pipe came, too, and all that was written is told of.
      assert.equal(client.received(frameType.STDOUT, RUN), WINDOW + FULL_PIPE);
      assert.equal(result.stdout.totalBytes, WINDOW + FULL_PIPE);
    });
  }

  test(`${where} that had ended by itself, unread, is told once it is killed`, {
    skip,
  }, async () => {
    await using own = await RawSandbox.open();
    const { client } = own;
    client.send(encodeExec(RUN, target, told(own, 'head -c 300000 /dev/zero; exit 3')));
    await until(
      'it has written all that it may',
      () => client.received(frameType.STDOUT, RUN) === WINDOW,
    );
    const runs = () => ['head', 'sh'].some((name) => named(name, client.pid).length > 0);
    await until('it has ended', () => !runs());
    assert.equal(await client.result(RUN, 300), undefined);
    client.send(kill(RUN));
    const result = await client.result(RUN);
    assert.equal((result?.status ?? 0) >> 8, 3);
    assert.equal(client.received(frameType.STDOUT, RUN), 300_000);
  });
}

test('a sandbox that is closed is told with its commands, unread', { skip }, async () => {
  await using own = await RawSandbox.open();
  const { client } = own;
  client.send(encodeExec(RUN, { sandbox: BOX }, told(own, 'exec cat /dev/zero')));
  await until(
    'it has written all that it may',
    () => client.received(frameType.STDOUT, RUN) === WINDOW,
  );
  client.send(rawFrame(frameType.CLOSE, BOX));
  assert.equal((await client.result(RUN))?.cause, 5);
  assert.ok(await client.answer(frameType.CLOSED, BOX));
});

test('what does not fit any more is dropped, and counted', { skip }, async () => {
  await using own = await RawSandbox.open();
  const { client } = own;
  const grow = 'import fcntl,os; fcntl.fcntl(1, 1031, 1 << 20); b = bytes(1 << 16)';
  const script = `exec python3 -c '${grow}\nwhile True: os.write(1, b)'`;
  client.send(encodeExec(RUN, { plan: PLAN }, told(own, script, { limits: { wallMs: 3000 } })));
  const result = await client.result(RUN, 20_000);
  assert.equal(result?.cause, 1);
  assert.equal(client.received(frameType.STDOUT, RUN), 2 * WINDOW);
  assert.equal(result?.stdout.totalBytes, WINDOW + (1 << 20));
});

test('runs whose client reads nothing at all end on time', { skip }, async () => {
  await using own = await RawSandbox.open();
  const { client } = own;
  const runs = Array.from({ length: 24 }, (_, i) => RUN + i);
  const job = told(own, 'cat /dev/zero & exec cat /dev/zero >&2', { limits: { wallMs: 1000 } });
  for (const id of runs) client.send(encodeExec(id, { sandbox: BOX }, job));
  client.reads(false);
  await sleep(2500);
  client.reads(true);
  for (const id of runs) assert.equal((await client.result(id))?.cause, 1);
});

test('an ordinary end waits for its reader, and nothing of it is lost', { skip }, async () => {
  await using own = await RawSandbox.open();
  const { client } = own;
  client.send(encodeExec(RUN, { plan: PLAN }, told(own, 'head -c 300000 /dev/zero')));
  assert.equal(await client.result(RUN, 1000), undefined);
  client.record(frameType.CREDIT, RUN, (writer) => {
    writer.u32(1, 1, 'stream');
    writer.u32(2, WINDOW, 'bytes');
  });
  assert.equal((await client.result(RUN))?.status, 0);
  assert.equal(client.received(frameType.STDOUT, RUN), 300_000);
});

test('a signal of its client alone is no reason to drop anything', { skip }, async () => {
  await using own = await RawSandbox.open();
  const { client } = own;
  client.send(encodeExec(RUN, { plan: PLAN }, told(own, 'exec cat /dev/zero')));
  await until(
    'it has written all that it may',
    () => client.received(frameType.STDOUT, RUN) === WINDOW,
  );
  client.send(signalled(RUN));
  assert.equal(await client.result(RUN, 500), undefined);
  client.send(kill(RUN));
  assert.equal((await client.result(RUN))?.status, 9);
});
