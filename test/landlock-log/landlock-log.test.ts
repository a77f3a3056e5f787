/**
 * Landlock's refusals out of a real audit log, which this machine may not have on and which is never switched on: in a
 * guest of its own, whose kernel starts with it. Needs a kernel of Linux 6.15 or later with Landlock and audit, such as
 * Debian's linux-image-*-cloud-amd64 of trixie-backports: CAISSON_LOG_KERNEL=/path/of/vmlinuz.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { findGuestParts, type GuestParts, runInGuest } from '../../scripts/cgroup-v2-guest.ts';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { decodeFacts, type LauncherFacts } from '../../src/launcher/protocol/decode-facts.ts';
import { decodeResult, type RawResult } from '../../src/launcher/protocol/decode-result.ts';
import { encodeExec } from '../../src/launcher/protocol/encode-job.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import { FieldWriter } from '../../src/launcher/protocol/fields.ts';
import {
  encodeHello,
  FRAME_HEADER,
  finishFrame,
  frameType,
  rawFrame,
} from '../../src/launcher/protocol/frame.ts';
import { compileLandlock } from '../../src/plan/landlock.ts';
import type { Job, KindPlan } from '../../src/plan/plan.ts';
import { fileViolations } from '../../src/sandbox/file-refusals.ts';
import { busyboxPlan } from '../host-v2/guest-plans.ts';

const kernel = process.env.CAISSON_LOG_KERNEL ?? '';
const missing = 'no guest kernel with a Landlock log (CAISSON_LOG_KERNEL)';

/** /data is there, writable, and no rule of Landlock's: so Landlock alone refuses it. */
function plan(log: boolean): KindPlan {
  const landlock = compileLandlock({
    abi: 7,
    paths: [
      { path: '/bin', access: 'read' },
      { path: '/dev', access: 'device' },
      { path: '/proc', access: 'read' },
    ],
  });
  assert.ok(landlock !== undefined);
  return busyboxPlan({
    mounts: [
      { kind: 'directory', target: '/data', mode: 0o777 },
      { kind: 'tmpfs', target: '/data', flags: ['nosuid', 'private'], mode: 0o1777 },
    ],
    landlock: log ? { ...landlock, log } : landlock,
  });
}

function planFrame(id: number, log: boolean): Buffer {
  const writer = new FieldWriter(FRAME_HEADER);
  writer.bytes(1, encodePlan(plan(log)));
  return finishFrame(writer, frameType.PLAN, id);
}

function job(script: string): Job {
  return {
    argv: ['/bin/busybox', 'sh', '-c', script],
    env: [['PATH', '/bin']],
    cwd: '/',
    mounts: [],
    landlock: [],
    stdin: 'null',
    stdout: 'capture',
    stderr: 'capture',
  };
}

const scripts = {
  // Busybox opens the directory: that is refused, by name and by what it is.
  named: 'ls /data; mkdir "/data/a b"; echo > /data/new; true',
  other: 'rmdir /data/none; mknod /data/pipe p; true',
  flood: 'i=0; while [ $i -lt 300 ]; do mkdir /data/$i 2>&-; i=$((i+1)); done; ls /data 2>&-; true',
  unlogged: 'ls /data; mkdir /data/x; true',
};

describe('Landlock’s log', { skip: existsSync(kernel) ? false : missing }, () => {
  const results = new Map<number, RawResult>();
  let facts: LauncherFacts | undefined;
  let output = '';
  before(async () => {
    const parts = findGuestParts();
    assert.ok(typeof parts !== 'string', String(parts));
    const frames = Buffer.concat([
      encodeHello(),
      rawFrame(frameType.PROBE, 9),
      planFrame(1, true),
      planFrame(2, false),
      encodeExec(11, { plan: 1 }, job(scripts.named)),
      encodeExec(12, { plan: 1 }, job(scripts.other)),
      encodeExec(13, { plan: 1 }, job(scripts.flood)),
      encodeExec(14, { plan: 2 }, job(scripts.unlogged)),
    ]);
    const guest: GuestParts = { ...parts, kernel };
    ({ output } = await runInGuest(guest, {
      script: '/talk /caisson-launcher /frames 4; echo "code $?"; dmesg | grep -c type=1423',
      security: 'lsm=landlock audit=1',
      files: [
        { path: '/talk', content: talker(), executable: true },
        {
          path: '/caisson-launcher',
          content: readFileSync(locateLauncher().path),
          executable: true,
        },
        { path: '/frames', content: frames },
      ],
    }));
    for (const [line] of output.matchAll(/^[0-9a-f]{16,}$/gm)) {
      const frame = Buffer.from(line, 'hex');
      const body = frame.subarray(FRAME_HEADER - 4);
      if (frame.readUInt16LE(0) === frameType.FACTS) facts = decodeFacts(body);
      if (frame.readUInt16LE(0) === frameType.RESULT)
        results.set(frame.readUInt32LE(4), decodeResult(body));
    }
  });
  const violations = (id: number) => {
    const found = results.get(id);
    assert.ok(found, output);
    return fileViolations(found.files ?? { logged: [], observed: [], dropped: 0 });
  };
  const told = (id: number): string[] =>
    violations(id).map(({ target, program, rule }) => `${program} ${target} ${rule}`);

  test('the probe finds the log on, and ours to read', () => {
    assert.equal(facts?.landlockAbi !== undefined && facts.landlockAbi >= 7, true);
    assert.equal(facts?.auditEnabled, true);
    assert.equal(facts?.auditReadErrno, 0);
  });

  test('each command has its own refusals, with path, program, pid and rule', () => {
    assert.deepEqual(told(11).sort(), [
      'busybox /data filesystem.write',
      'ls /data filesystem.read',
      'mkdir /data filesystem.write',
    ]);
    const [first] = violations(11);
    assert.ok((first?.pid ?? 0) > 1);
    assert.ok(told(12).every((line) => /^(rmdir|mknod) /.test(line)) && told(12).length > 0);
  });

  test('a flood of equal ones is one with its count', () => {
    const [made] = violations(13);
    assert.equal(made?.program, 'mkdir');
    // The kernel may lose some under load, and says so to its own log alone.
    assert.ok((made?.count ?? 0) > 200, `${made?.count}`);
  });

  test('what a plan does not ask for is not logged, and so not told', () => {
    assert.equal(results.get(14)?.files, undefined);
    assert.match(results.get(14)?.stderr.bytes.toString() ?? '', /ermission denied/);
  });
});

function talker(): Buffer {
  const directory = mkdtempSync(join(tmpdir(), 'caisson-talk-'));
  try {
    const path = join(directory, 'talk');
    execFileSync('gcc', ['-static', '-O1', '-o', path, join(import.meta.dirname, 'talk.c')]);
    return readFileSync(path);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
