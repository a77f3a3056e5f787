/** protocol/golden holds what the C side writes and accepts; here the TypeScript side must make and take the same bytes. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { decodeDialed, encodeDial } from '../../../src/launcher/dials.ts';
import { launcherError } from '../../../src/launcher/launcher-error.ts';
import { decodeFacts } from '../../../src/launcher/protocol/decode-facts.ts';
import { decodeResult } from '../../../src/launcher/protocol/decode-result.ts';
import { decodeStats } from '../../../src/launcher/protocol/decode-stats.ts';
import { encodeFreeze, encodeUsage } from '../../../src/launcher/protocol/encode-freeze.ts';
import { encodeHostPlan } from '../../../src/launcher/protocol/encode-host-plan.ts';
import { encodeExec, encodeJob, encodeOpen } from '../../../src/launcher/protocol/encode-job.ts';
import { encodePlan } from '../../../src/launcher/protocol/encode-plan.ts';
import { FieldWriter } from '../../../src/launcher/protocol/fields.ts';
import { decodeFilesReply, encodeFiles } from '../../../src/launcher/protocol/files-message.ts';
import {
  decodeHello,
  decodeNumber,
  encodeHello,
  FRAME_HEADER,
  FrameReader,
  finishFrame,
  frameType,
  rawFrame,
} from '../../../src/launcher/protocol/frame.ts';
import type { ChildPlan, Job, KindPlan } from '../../../src/plan/plan.ts';

const folder = new URL('../../../protocol/golden/', import.meta.url);
const golden = (name: string): Buffer =>
  Buffer.from(readFileSync(new URL(`${name}.hex`, folder), 'latin1').replace(/\s/g, ''), 'hex');
const same = (made: Buffer, name: string): void =>
  assert.equal(made.toString('hex'), golden(name).toString('hex'), name);

function body(name: string): { type: number; id: number; body: Buffer } {
  const frames: { type: number; id: number; body: Buffer }[] = [];
  new FrameReader((type, id, bytes) => frames.push({ type, id, body: bytes })).push(golden(name));
  assert.equal(frames.length, 1);
  return frames[0] as (typeof frames)[0];
}

/** protocol/golden/README.md says how the JSON spells 64-bit numbers and bytes. */
function meant(name: string): unknown {
  const amounts =
    /^(access|handled.*|scoped|bounding|effective|permitted|inheritable|ambient|soft|hard|port)$/;
  return JSON.parse(
    readFileSync(new URL(`${name}.json`, folder), 'utf8'),
    (key, value: unknown) => {
      if (typeof value !== 'string') return value;
      if (key === 'seccomp' || key === 'input' || key === 'data') return Buffer.from(value, 'hex');
      return amounts.test(key) && /^\d+$/.test(value) ? BigInt(value) : value;
    },
  );
}

test('plans and jobs', () => {
  for (const name of [
    'plan-minimal',
    'plan-full',
    'plan-notified',
    'plan-network',
    'plan-side-channels',
  ]) {
    same(encodePlan(meant(name) as KindPlan), name);
  }
  same(encodeHostPlan(meant('plan-host') as ChildPlan), 'plan-host');
  for (const name of ['job-minimal', 'job-full', 'job-pty']) {
    same(encodeJob(meant(name) as Job), name);
  }
});

test('frames that we send', () => {
  const record = (type: number, id: number, write: (writer: FieldWriter) => void): Buffer => {
    const writer = new FieldWriter(FRAME_HEADER);
    write(writer);
    return finishFrame(writer, type, id);
  };
  const exec = (name: string) => meant(name) as { body: { job: Job } };
  same(encodeHello(), 'frame-hello');
  same(encodeOpen(2, 1, exec('frame-open').body.job), 'frame-open');
  same(encodeExec(3, { plan: 1 }, exec('frame-exec-plan').body.job), 'frame-exec-plan');
  same(encodeExec(4, { sandbox: 2 }, exec('frame-exec-sandbox').body.job), 'frame-exec-sandbox');
  same(rawFrame(frameType.STDIN, 3, Buffer.from('line\n\0')), 'frame-stdin');
  same(rawFrame(frameType.STDIN, 3), 'frame-stdin-end');
  same(rawFrame(frameType.KILL, 3), 'frame-kill');
  same(rawFrame(frameType.CLOSE, 2), 'frame-close');
  same(encodeUsage(2), 'frame-usage');
  same(encodeUsage(9, 3), 'frame-usage-exec');
  same(encodeFreeze(2, true), 'frame-freeze');
  same(encodeFreeze(9, false, 3), 'frame-freeze-exec');
  same(rawFrame(frameType.STATS, 9), 'frame-stats');
  same(encodeDial(2, 5, 8080), 'frame-dial');
  same(encodeDial(2, 6, 123, '198.51.100.7'), 'frame-dial-datagram');
  same(
    encodeFiles(2, 7, {
      op: 'write',
      path: '/work/a.txt',
      offset: 0,
      data: Buffer.from('data'),
      mode: 0o644,
      flags: 3,
    }),
    'frame-files',
  );
  same(
    record(frameType.PLAN, 1, (writer) => {
      writer.bytes(1, golden('plan-minimal'));
      writer.u32(2, 8, 'slots');
      writer.u32(3, 1, 'recycle');
    }),
    'frame-plan',
  );
});

test('frames that we receive', () => {
  assert.deepEqual(decodeHello(body('frame-hello-reply').body), { version: 1, build: '0.1.0' });
  assert.equal(decodeNumber(body('frame-opened').body), 4242);
  assert.equal(decodeNumber(body('frame-stdin-credit').body), 4096);
  assert.deepEqual(decodeDialed(body('frame-dialed').body), { request: 5, errno: 111 });
  const result = decodeResult(body('frame-result').body);
  assert.equal(result.status, 0x300);
  assert.equal(result.limitsHit, 5);
  assert.equal(result.memoryPeakSource, 'cgroup');
  assert.equal(result.stdout.bytes.toString(), 'headtail');
  assert.equal(result.stdout.headBytes, 4);
  assert.equal(result.stdout.totalBytes, 100);
  assert.equal(result.leftBehind, 2);
  assert.equal(result.runNs, 1_000_000);
  assert.deepEqual(result.violations, []);
  const all = 2n ** 64n - 1n;
  assert.deepEqual(decodeResult(body('frame-result-refused').body).violations, [
    {
      number: 165,
      count: 2 ** 32,
      pid: 4242,
      program: 'a?[2J',
      args: [all, all, all, 4096n, all, all],
      ended: true,
    },
    { number: undefined, count: 7, pid: undefined, program: '', args: [], ended: false },
  ]);
  assert.equal(decodeResult(body('frame-closed').body).leftBehind, 1);
  assert.equal(decodeResult(body('frame-usage-reply').body).processesPeak, 3);
  assert.equal(decodeResult(body('frame-usage-reply').body).network, undefined);
  assert.equal(decodeResult(body('frame-usage-reply').body).pid, undefined);
  assert.equal(decodeResult(body('frame-usage-process').body).pid, 4321);
  assert.deepEqual(decodeStats(body('frame-stats-reply').body), {
    atNs: 123456789012,
    waiting: 4,
    sandboxes: [
      {
        id: 2,
        source: 'cgroup',
        cpuUs: 3000,
        memoryBytes: 4000,
        memoryPeakBytes: 5000,
        processes: 6000,
        readBytes: 7000,
        writtenBytes: 8000,
        network: {
          sentBytes: 10,
          sentPackets: 20,
          receivedBytes: 30,
          receivedPackets: 40,
          refusedPackets: 50,
        },
        frozen: true,
      },
      { id: 3, source: 'proc', cpuUs: 20000, frozen: false },
    ],
  });
  assert.deepEqual(decodeResult(body('frame-usage-network').body).network, {
    sentBytes: 1000,
    sentPackets: 2000,
    receivedBytes: 3000,
    receivedPackets: 4000,
    refusedPackets: 5000,
    refused: [
      { protocol: 'udp', address: '8.8.8.8', port: 443, packets: 2 ** 32 + 1 },
      { protocol: 'tcp', address: '2001:db8:0:1::1', port: 80, packets: 1 },
      { protocol: 'icmp', address: '::1', port: 0, packets: 2 },
      { protocol: 132, address: 'fe80::', port: 0, packets: 3 },
    ],
  });
  const error = launcherError(body('frame-error').body);
  assert.equal(error.code, 'REQUEST_INVALID');
  assert.match(error.message, /job_parse.*cwd: not absolute/);
  const files = decodeFilesReply(body('frame-files-reply').body);
  const { mtimeNs, inode, ctimeNs, clockNs } = files.entries[0] ?? {};
  assert.deepEqual(
    [mtimeNs, inode, ctimeNs, clockNs],
    [1700000000123456789n, 0x8000000000000001n, 1700000000123456790n, 1700000000127456790n],
  );
  assert.equal(files.entries[1]?.inode, undefined);
  assert.equal(files.more, true);
  const facts = decodeFacts(body('frame-facts').body);
  assert.equal(facts.landlockAbi, 7);
  assert.equal(facts.idmapErrno, 22);
  assert.equal(facts.lsm, 'capability,landlock');
});

test('every truncation of every golden frame is refused or waits for more; no flipped bit crashes a decoder', () => {
  for (const file of readdirSync(folder).filter(
    (name) => name.startsWith('frame-') && name.endsWith('.hex'),
  )) {
    const whole = golden(file.replace('.hex', ''));
    for (let length = 0; length < whole.length; length++) {
      const reader = new FrameReader(() => assert.fail(`${file} whole at ${length}`));
      reader.push(whole.subarray(0, length));
    }
  }
  const result = body('frame-result').body;
  for (let bit = 0; bit < result.length * 8; bit++) {
    const flipped = Buffer.from(result);
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    try {
      decodeResult(flipped);
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'PROTOCOL_ERROR');
    }
  }
});
