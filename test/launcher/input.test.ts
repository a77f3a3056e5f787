/** Input of a guest that reads slowly, not at all, or no more; and of a client that sends more than it may. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { encodeExec } from '../../src/launcher/protocol/encode-job.ts';
import { decodeNumber, frameType, rawFrame } from '../../src/launcher/protocol/frame.ts';
import type { Job } from '../../src/plan/plan.ts';
import { needs } from '../escape/harness.ts';
import { until } from '../until.ts';
import type { RawClient } from './raw-client.ts';
import { BOX, PLAN, RawSandbox } from './raw-sandbox.ts';

const skip = needs.root;
const RUN = 3;
const WINDOW = 256 * 1024;
const PIECE = 64 * 1024;

/** A command whose input comes by frames. */
const fed = ({ job }: RawSandbox, argv: string[], more?: Partial<Job>): Job => ({
  ...job,
  argv,
  stdin: 'stream',
  ...more,
});

/** How much of the input was taken so far. */
function taken(client: RawClient, id: number): number {
  const credits = client.heard.filter(
    (one) => one.type === frameType.STDIN_CREDIT && one.id === id,
  );
  return credits.reduce((sum, { body }) => sum + decodeNumber(body), 0);
}

const piece = (id: number, size = PIECE) => rawFrame(frameType.STDIN, id, Buffer.alloc(size, 'x'));
const end = (id: number) => rawFrame(frameType.STDIN, id);
const residentBytes = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096;

/** As much as may be, all the time, as a client does that has plenty. */
async function pour(client: RawClient, id: number, total: number): Promise<void> {
  for (let sent = 0; sent < total; sent += PIECE) {
    await until('it is taken', () => sent + PIECE - taken(client, id) <= WINDOW);
    client.send(piece(id));
  }
}

test('what waits for a guest that reads slowly does not grow', {
  skip,
  timeout: 60_000,
}, async () => {
  await using own = await RawSandbox.open();
  const { client } = own;
  const script = `import os,time
while os.read(0, 16384): time.sleep(0.002)`;
  client.send(encodeExec(RUN, { plan: PLAN }, fed(own, ['python3', '-c', script])));
  await client.answer(frameType.STARTED, RUN);
  const before = residentBytes(client.pid);
  await pour(client, RUN, 32 * 1024 * 1024);
  const grown = residentBytes(client.pid) - before;
  client.send(end(RUN));
  assert.equal((await client.result(RUN))?.status, 0);
  assert.ok(grown < 4 * 1024 * 1024, `${grown} bytes`);
});

test('what is sent to a guest that reads no more is taken', { skip, timeout: 60_000 }, async () => {
  await using own = await RawSandbox.open();
  const { client } = own;
  const job = fed(own, ['/bin/sh', '-c', 'exec <&-; exec sleep 60']);
  client.send(encodeExec(RUN, { plan: PLAN }, job));
  await client.answer(frameType.STARTED, RUN);
  await pour(client, RUN, 1024 * 1024);
  client.empty(frameType.KILL, RUN);
  assert.equal((await client.result(RUN))?.cause, 5);
});

test('more than may be sent ends its command alone', { skip, timeout: 60_000 }, async () => {
  await using own = await RawSandbox.open();
  const { client } = own;
  const [other, queued] = [RUN + 1, RUN + 2];
  client.send(encodeExec(other, { sandbox: BOX }, fed(own, ['cat'])));
  client.send(encodeExec(RUN, { sandbox: BOX }, fed(own, ['sleep', '60'])));
  await client.answer(frameType.STARTED, RUN);
  const before = residentBytes(client.pid);
  for (let i = 0; i < 400; i++) client.send(piece(RUN));
  assert.equal((await client.result(RUN))?.cause, 5);
  // One that waits for its turn has a window, too.
  client.send(encodeExec(queued, { sandbox: BOX }, fed(own, ['cat'])));
  for (let i = 0; i < 400; i++) client.send(piece(queued));
  assert.equal((await client.result(queued))?.cause, 5);
  assert.ok(residentBytes(client.pid) - before < 4 * 1024 * 1024);
  client.send(rawFrame(frameType.STDIN, other, Buffer.from('whole')), end(other));
  assert.equal(String((await client.result(other))?.stdout.bytes), 'whole');
});

test('what is sent behind its end, or beside an inline input, is nobody’s', { skip }, async () => {
  await using own = await RawSandbox.open();
  const { client } = own;
  const word = (id: number, text: string) => rawFrame(frameType.STDIN, id, Buffer.from(text));
  client.send(encodeExec(RUN, { plan: PLAN }, fed(own, ['cat'])));
  client.send(word(RUN, 'before'), end(RUN), word(RUN, 'behind'), end(RUN));
  assert.equal(String((await client.result(RUN))?.stdout.bytes), 'before');
  const inline = RUN + 1;
  const job = fed(own, ['cat'], { stdin: 'inline', input: Buffer.from('inline') });
  client.send(encodeExec(inline, { plan: PLAN }, job), word(inline, 'beside'));
  assert.equal(String((await client.result(inline))?.stdout.bytes), 'inline');
});

test('a terminal’s end of input comes behind what waits for room', { skip }, async () => {
  await using own = await RawSandbox.open();
  const { client } = own;
  const script = 'stty -echo; echo up; sleep 0.5; exec wc -c';
  const pty = { rows: 24, columns: 80 };
  client.send(encodeExec(RUN, { plan: PLAN }, fed(own, ['/bin/sh', '-c', script], { pty })));
  await until('it has started', () => client.received(frameType.STDOUT, RUN) >= 4);
  const lines = Buffer.from('123456789\n'.repeat(5000));
  client.send(rawFrame(frameType.STDIN, RUN, lines), end(RUN));
  assert.equal((await client.result(RUN))?.status, 0);
  const said = client.heard.filter((one) => one.type === frameType.STDOUT && one.id === RUN);
  assert.equal(String(Buffer.concat(said.map(({ body }) => body))), 'up\r\n50000\r\n');
});

test('an end of input that comes before the terminal is heard', { skip }, async () => {
  await using own = await RawSandbox.open();
  const { client } = own;
  const pty = { rows: 24, columns: 80 };
  // It closes the terminal before it exits: a hang-up then would be a SIGHUP.
  for (let id = RUN; id < RUN + 30; id++) {
    client.send(encodeExec(id, { sandbox: BOX }, fed(own, ['cat'], { pty })), end(id));
    assert.equal((await client.result(id))?.status, 0);
  }
});

test('a guest may close its terminal, and open it again', { skip }, async () => {
  await using own = await RawSandbox.open();
  const { client } = own;
  const pty = { rows: 24, columns: 80 };
  const script = `echo up; at=$(tty); exec <&- >&- 2>&-; sleep 0.3; exec >$at
head -c 500000 /dev/zero; exit 3`;
  client.send(encodeExec(RUN, { plan: PLAN }, fed(own, ['/bin/sh', '-c', script], { pty })));
  await until('it has started', () => client.received(frameType.STDOUT, RUN) >= 4);
  client.record(frameType.CREDIT, RUN, (writer) => {
    writer.u32(1, 1, 'stream');
    writer.u32(2, 0xffff_ffff, 'bytes');
  });
  assert.equal((await client.result(RUN))?.status, 3 << 8);
  assert.equal(client.received(frameType.STDOUT, RUN), 4 + 500_000);
});
