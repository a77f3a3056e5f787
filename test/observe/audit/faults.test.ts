/** What can go wrong under a log, and what the log then does. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { ClockSource } from '../../../src/observe/audit/audit-clock.ts';
import { AuditLog } from '../../../src/observe/audit/audit-log.ts';
import { logFilesOf } from '../../../src/observe/audit/log-files.ts';
import { readLog } from '../../../src/observe/audit/read-log.ts';
import { event, fill, makeRoom } from './sample-log.ts';

const UNAVAILABLE = { code: 'AUDIT_UNAVAILABLE' };
const events = (path: string): string[] => [...readLog(path)].map((record) => record.event);
const lastFile = (path: string): string => logFilesOf(path).at(-1)?.path ?? '';

describe('a writer that is killed', () => {
  for (const turn of [1, 2, 3]) {
    test(`loses nothing that it acknowledged (${turn})`, async () => {
      using room = makeRoom();
      const script = join(import.meta.dirname, 'writer-child.ts');
      const child = spawn(process.execPath, [script, room.directory(), room.key], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let told = '';
      child.stdout.on('data', (chunk: Buffer) => {
        told += chunk;
      });
      await once(child.stdout, 'data');
      for (let n = 0; told.split('\n').length < 150 && n < 2000; n++) await delay(10);
      await delay(170 * turn);
      child.kill('SIGKILL');
      await once(child, 'close');
      const acknowledged = told.split('\n').slice(1, -1);
      assert.ok(acknowledged.length > 100, `${acknowledged.length} acknowledged`);

      const before = room.verify();
      assert.deepEqual(before.findings, []);
      const log = await room.open();
      await fill(log, 10);
      await log.close();
      const result = room.verify();
      assert.deepEqual(result.findings, []);
      const hashes = new Map([...readLog(room.directory())].map(({ seq, hash }) => [seq, hash]));
      const lost = acknowledged.filter((line) => {
        const [seq, hash] = line.split(' ');
        return hashes.get(Number(seq)) !== hash;
      });
      assert.deepEqual(lost, []);
    });
  }
});

test('what was observed is in its file when written() settles, whatever is on its way meanwhile', async () => {
  using room = makeRoom();
  await using log = await room.open();
  for (let n = 0; n < 60; n++) {
    log.observer(event(n));
    // Alone, behind one that is being written, in the pause between two batches.
    if (n % 3 === 0) await delay(0);
    if (n % 3 === 1) await new Promise((resolve) => setImmediate(resolve));
    const { seq } = log.head;
    await log.written();
    const seen = [...readLog(room.directory())].at(-1)?.seq ?? -1;
    assert.ok(seen >= seq, `record ${seq} was told to be written, ${seen} is there`);
  }
});

describe('a crash in the middle of a record', () => {
  test('is cut off and recorded; what was whole stays', async () => {
    using room = makeRoom();
    await using first = await room.open();
    await fill(first, 100);
    await first.close();
    const path = lastFile(room.directory());
    const whole = statSync(path).size;
    appendFileSync(path, '{"seq":104,"ts":"17');
    assert.equal(room.verify().tornBytes, 19);
    await using log = await room.open();
    await log.close();
    const [recovered] = [...readLog(room.directory(), { events: ['recovered'] })];
    assert.equal(recovered?.details.tornBytes, 19);
    assert.ok(statSync(path).size > whole);
    assert.deepEqual(room.verify().findings, []);
  });
  test('also at every byte of the last records', async () => {
    using room = makeRoom();
    await using first = await room.open();
    await fill(first, 5);
    await first.close();
    const path = lastFile(room.directory());
    const content = readFileSync(path);
    const lines = content.toString().split('\n').slice(0, -1);
    const from = content.length - (lines.at(-1)?.length ?? 0) - 40;
    for (let end = from; end < content.length; end += 7) {
      writeFileSync(path, content.subarray(0, end));
      await using log = await room.open();
      await log.close();
      const { findings, records } = room.verify();
      assert.deepEqual(findings, []);
      assert.ok(records >= lines.length - 2);
    }
  });
  test('and while a file was being made', async () => {
    using room = makeRoom();
    await using first = await room.open({ rotate: { bytes: 4096 } });
    await fill(first, 100);
    const { seq } = first.head;
    await first.close();
    const next = String(seq + 2).padStart(16, '0');
    writeFileSync(join(room.directory(), `${next}.jsonl`), '{"seq":');
    await using log = await room.open();
    await log.close();
    assert.deepEqual(room.verify().findings, []);
    assert.ok(events(room.directory()).includes('recovered'));
  });
});

test('a log that was altered is not gone on with', async () => {
  using room = makeRoom();
  await using first = await room.open();
  await fill(first, 50);
  await first.close();
  const path = lastFile(room.directory());
  writeFileSync(path, readFileSync(path, 'utf8').replace('echo 5 ', 'echo 6 '));
  await assert.rejects(room.open(), UNAVAILABLE);
});

test('a log is written by one process at a time', async () => {
  using room = makeRoom();
  const log = await room.open();
  await assert.rejects(room.open(), UNAVAILABLE);
  const script = join(import.meta.dirname, 'writer-child.ts');
  const other = spawnSync(process.execPath, [script, room.directory(), room.key], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  assert.match(other.stderr, /open already/);
  const waiting = room.open({ lockSeconds: 10 });
  await delay(50);
  await log.close();
  await (await waiting).close();
  assert.deepEqual(
    readdirSync(room.directory()).filter((name) => name.startsWith('lock')),
    [],
  );
});

describe('a directory that vanishes', () => {
  test('is noticed before anything runs', async () => {
    using room = makeRoom();
    const log = await room.open();
    await log.ready();
    renameSync(room.directory(), room.directory('elsewhere'));
    await assert.rejects(log.ready(), UNAVAILABLE);
    await assert.rejects(log.close(), UNAVAILABLE);
  });
  test('is not a next file that is not there yet', async () => {
    using room = makeRoom();
    await using log = await room.open({ rotate: { bytes: 4096 } });
    for (let n = 0; n < 400; n++) {
      // Where it begins another file, that is made later.
      log.observer(event(n));
      await log.ready();
    }
    await log.flush();
    assert.ok(logFilesOf(room.directory()).length > 5);
    assert.equal(log.status.state, 'writing');
  });
  test('is noticed by a record, which is not acknowledged, and does not come back by itself', async () => {
    using room = makeRoom();
    const log = await room.open();
    renameSync(room.directory(), room.directory('elsewhere'));
    mkdirSync(room.directory());
    await assert.rejects(log.append(event(1)), UNAVAILABLE);
    log.observer(event(2));
    assert.equal(log.status.state, 'failed');
    assert.equal(log.status.lost, 1);
    await assert.rejects(log.ready(), UNAVAILABLE);
    await assert.rejects(log.close(), UNAVAILABLE);
  });
});

describe('a full disk', () => {
  const skip = process.getuid?.() === 0 ? false : 'needs root';
  for (const whenFull of ['fail', 'block'] as const) {
    test(`stops new runs (${whenFull}), loses nothing, and the log goes on when there is room`, {
      skip,
    }, () => {
      using room = makeRoom();
      mkdirSync(join(room.root, 'disk'));
      const script = join(import.meta.dirname, 'full-disk-child.ts');
      const argv = [
        '-m',
        '--propagation',
        'private',
        process.execPath,
        script,
        room.root,
        whenFull,
      ];
      const { stdout, stderr } = spawnSync('unshare', argv, { encoding: 'utf8', timeout: 60_000 });
      assert.notEqual(stdout, '', stderr);
      const seen = JSON.parse(stdout);
      const refused = whenFull === 'fail';
      assert.deepEqual(seen.whileFull, {
        stalled: 'stalled',
        ready: refused ? 'AUDIT_UNAVAILABLE' : 'waits',
        settled: 0,
        early: 'told',
        told: 'told',
      });
      assert.equal(seen.written, 400);
      assert.deepEqual(seen.afterwards, {
        gate: refused ? 'AUDIT_UNAVAILABLE' : 'open',
        ready: 'open',
      });
      assert.ok(seen.ok, JSON.stringify(seen.findings));
    });
  }
});

test('more than may wait is refused, and what nobody was told of is counted and recorded', async () => {
  using room = makeRoom();
  await using log = await room.open({ queue: { records: 10 } });
  for (let n = 0; n < 25; n++) log.observer(event(n));
  assert.equal(log.status.lost, 5);
  await assert.rejects(log.append(event(0)), UNAVAILABLE);
  await assert.rejects(log.ready(), UNAVAILABLE);
  await log.flush();
  await log.ready();
  await log.close();
  const [lost] = [...readLog(room.directory(), { events: ['lost'] })];
  assert.equal(lost?.details.events, 5);
  assert.deepEqual(room.verify().findings, []);
});

test('what a log cannot tell is not told to what runs, and stops new runs', async () => {
  using room = makeRoom();
  const secrets = (): string[] => {
    throw new Error('the vault is shut');
  };
  const log = await room.open({ secrets });
  log.observer(event(1));
  assert.equal(log.status.lost, 1);
  await assert.rejects(log.ready(), UNAVAILABLE);
  await assert.rejects(log.close(), UNAVAILABLE);
});

test('with block, the gate opens when there is room', async () => {
  using room = makeRoom();
  await using log = await room.open({ queue: { records: 10, whenFull: 'block' } });
  for (let n = 0; n < 15; n++) log.observer(event(n));
  await log.ready();
  assert.ok(log.status.waiting < 10);
});

describe('a clock that is set back', () => {
  const clock = (wall: bigint): ClockSource & { wallNow: bigint; ran: bigint } => {
    const source = {
      wallNow: wall,
      ran: 0n,
      wall: () => source.wallNow + source.ran,
      monotonic: () => source.ran,
    };
    return source;
  };
  const second = 1_000_000_000n;

  test('while the log is open is recorded, and times go on rising', async () => {
    using room = makeRoom();
    const source = clock(1_700_000_000n * second);
    const checkpointEvery = { seconds: 0.02 };
    const options = { directory: room.directory(), key: room.key, checkpointEvery };
    await using log = await AuditLog.open(options, source);
    source.ran += second;
    await log.append(event(1));
    source.wallNow -= 3600n * second;
    await delay(80);
    source.ran += second;
    await log.append(event(2));
    await log.close();
    const records = [...readLog(room.directory())];
    const [step] = records.filter((record) => record.event === 'clock');
    const behind = BigInt(String(step?.details.log)) - BigInt(String(step?.details.wall));
    assert.equal(behind, 3600n * second);
    const times = records.map(({ ts }) => BigInt(ts));
    assert.ok(times.every((ts, n) => n === 0 || ts > (times[n - 1] ?? 0n)));
    assert.ok((times.at(-1) ?? 0n) - (times[0] ?? 0n) < 10n * second);
    assert.deepEqual(room.verify().findings, []);
  });

  test('between two opens is recorded, and times go on rising', async () => {
    using room = makeRoom();
    const options = { directory: room.directory(), key: room.key };
    const first = await AuditLog.open(options, clock(1_700_003_600n * second));
    await first.append(event(1));
    await first.close();
    await using log = await AuditLog.open(options, clock(1_700_000_000n * second));
    await log.append(event(2));
    await log.close();
    assert.ok(events(room.directory()).includes('clock'));
    assert.deepEqual(room.verify().findings, []);
  });
});

test('a key that others can read is not used', async () => {
  using room = makeRoom();
  await (await room.open()).close();
  assert.equal(statSync(room.key).mode & 0o777, 0o600);
  chmodSync(room.key, 0o644);
  await assert.rejects(room.open(), UNAVAILABLE);
});

test('another key than the log’s is refused', async () => {
  using room = makeRoom();
  await (await room.open()).close();
  await assert.rejects(room.open({ key: join(room.root, 'second') }), UNAVAILABLE);
});

test('an empty file where a log was is not taken for a new log’s', async () => {
  using room = makeRoom();
  const log = await room.open({ rotate: { bytes: 4096 } });
  await fill(log, 100);
  await log.close();
  truncateSync(logFilesOf(room.directory())[0]?.path ?? '', 0);
  assert.equal(room.verify().ok, false);
});
