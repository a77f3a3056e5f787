/** What is recorded, and how it is kept: rotation, retention, shipping, columns, secrets. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import type { Outcome } from '../../../src/core/outcome.ts';
import { canonicalJson } from '../../../src/observe/audit/canonical-json.ts';
import type { Checkpoint } from '../../../src/observe/audit/checkpoint.ts';
import { logFilesOf } from '../../../src/observe/audit/log-files.ts';
import { MerkleTree } from '../../../src/observe/audit/merkle-tree.ts';
import { parsePipeLine, pipeLine } from '../../../src/observe/audit/pipe-line.ts';
import { readLog } from '../../../src/observe/audit/read-log.ts';
import type { AuditRecord } from '../../../src/observe/audit/record.ts';
import { readPublicKey } from '../../../src/observe/audit/signing-key.ts';
import { verifyLogInParallel } from '../../../src/observe/audit/verify-in-parallel.ts';
import { until } from '../../until.ts';
import { event, fill, makeRoom, type Room } from './sample-log.ts';

const records = (room: Room): AuditRecord[] => [...readLog(room.directory())];

describe('a record', () => {
  const output = {
    text: 'hunter2',
    bytes: Buffer.from('hunter2'),
    totalBytes: 7,
    truncated: false,
  };
  const outcome: Outcome = {
    kind: 'exited',
    code: 0,
    stdout: output,
    stderr: output,
    limitsHit: ['memory'],
    violations: [{ kind: 'network', reason: 'refused', target: 'x:1/tcp', details: { a: 1 } }],
    usage: {
      wallMs: 1,
      cpuUserMs: 2,
      cpuSystemMs: 3,
      memoryPeakBytes: 4,
      memoryPeakSource: 'cgroup',
    },
    timing: { launchMs: 1, runMs: 2, teardownMs: 3 },
    wall: 'process',
    wallReason: 'only one',
    policyDigest: 'd'.repeat(64),
    auditId: 'run_1',
    accepted: ['x'],
    leftBehind: 0,
  };

  test('of the end of a run has usage, limits and violations, and nothing of its output', async () => {
    using room = makeRoom();
    const log = await room.open();
    const told = await log.append({ kind: 'ended', id: 'run_1', argv: ['sh', '-c', 'x'], outcome });
    await log.close();
    const record = records(room).find(({ seq }) => seq === told.seq);
    assert.equal(record?.hash, told.hash);
    assert.equal(record?.policy, outcome.policyDigest);
    assert.deepEqual(record?.details, {
      argv: ['sh', '-c', 'x'],
      outcome: {
        accepted: ['x'],
        code: 0,
        kind: 'exited',
        leftBehind: 0,
        limitsHit: ['memory'],
        stderrBytes: 7,
        stdoutBytes: 7,
        timing: outcome.timing,
        usage: outcome.usage,
        violations: outcome.violations,
        wall: 'process',
        wallReason: 'only one',
      },
    });
    assert.ok(
      !readFileSync(logFilesOf(room.directory())[0]?.path ?? '', 'utf8').includes('hunter2'),
    );
  });

  test('never has the value of a secret, wherever it stands', async () => {
    using room = makeRoom();
    const secret = 'p"ss\n|wörd';
    const log = await room.open({ secrets: () => [secret], lines: true });
    await log.append({ kind: 'started', id: 'run_1', argv: ['curl', `-H=${secret}`, secret] });
    await log.append({
      kind: 'refused',
      id: secret,
      tenant: `t${secret}`,
      code: 'X',
      message: secret,
    });
    await log.append({
      kind: 'network-changed',
      id: 'run_1',
      policyDigest: 'd',
      from: { [secret]: [new Map([['k', secret]])] },
      to: null,
    });
    await log.close();
    for (const name of readdirSync(room.directory())) {
      const text = readFileSync(join(room.directory(), name), 'utf8');
      assert.ok(!text.includes('wörd'), name);
      if (/jsonl|psv/.test(name)) assert.ok(text.includes('[secret]'), name);
    }
    assert.deepEqual(room.verify().findings, []);
  });

  test('is bounded, whatever a guest names', async () => {
    using room = makeRoom();
    const log = await room.open();
    const argv = Array.from({ length: 30_000 }, (_, n) => `${n}${'x'.repeat(9000)}`);
    await log.append({ kind: 'started', id: 'run_1', argv });
    await log.close();
    const path = logFilesOf(room.directory())[0]?.path ?? '';
    assert.ok(statSync(path).size < 200_000);
    const [started] = records(room).filter((record) => record.event === 'started');
    assert.match(JSON.stringify(started?.details.argv), /\(\+\d+\)/);
  });
});

test('canonical JSON does not depend on the order of members, and is what JSON says', () => {
  const value = fc.jsonValue({ maxDepth: 4 });
  fc.assert(
    fc.property(fc.dictionary(fc.string(), value, { maxKeys: 8 }), (members) => {
      const turned = Object.fromEntries(Object.entries(members).reverse());
      assert.equal(canonicalJson(members), canonicalJson(turned));
      const plain = JSON.parse(JSON.stringify(members));
      assert.deepEqual(JSON.parse(canonicalJson(members)), plain);
    }),
  );
});

test('a line of columns says all that a record says', () => {
  const hash = 'a'.repeat(64);
  const text = fc.string({ unit: 'binary', minLength: 1 }).map((each) => each.toWellFormed());
  const record = fc.record(
    {
      seq: fc.nat(),
      ts: fc.bigInt({ min: 0n, max: 2n ** 62n }).map(String),
      event: fc.constantFrom('ended', 'network'),
      run: text,
      tenant: text,
      details: fc.dictionary(text, text),
      hash: fc.constant(hash),
    },
    { requiredKeys: ['seq', 'ts', 'event', 'details', 'hash'] },
  );
  fc.assert(
    fc.property(record, (given) => {
      const line = pipeLine(given as AuditRecord);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there
      assert.doesNotMatch(line, /[\u0000-\u001f]/);
      assert.equal(line.split('|').length, 9);
      assert.deepEqual({ ...parsePipeLine(line) }, { ...given, details: { ...given.details } });
    }),
    {
      examples: [
        [{ seq: 0, ts: '0', event: 'ended', details: JSON.parse('{"__proto__":"a"}'), hash }],
      ],
    },
  );
});

test('a tree taken up again from its peaks is the same tree', () => {
  const leaf = (n: number): string => n.toString(16).padStart(64, '0');
  fc.assert(
    fc.property(fc.nat(300), fc.nat(300), (a, b) => {
      const whole = new MerkleTree();
      for (let n = 0; n < a; n++) whole.append(leaf(n));
      const again = new MerkleTree(a, whole.peaks());
      for (let n = a; n < a + b; n++) {
        whole.append(leaf(n));
        again.append(leaf(n));
      }
      assert.equal(again.root(), whole.root());
    }),
  );
  assert.throws(() => new MerkleTree(3, [leaf(1)]), RangeError);
});

describe('files', () => {
  test('change by size; one chain goes over all of them, over several openings', async () => {
    using room = makeRoom();
    for (let turn = 0; turn < 3; turn++) {
      await using log = await room.open({ rotate: { bytes: 8192 }, lines: true });
      await fill(log, 100, turn * 100);
    }
    const files = logFilesOf(room.directory());
    assert.ok(files.length > 5);
    const all = records(room);
    assert.deepEqual(
      all.map(({ seq }) => seq),
      all.map((_, n) => n),
    );
    for (const { path, first } of files) {
      const lines = readFileSync(path.replace('.jsonl', '.psv'), 'utf8').split('\n').slice(0, -1);
      const read = lines.map((line) => parsePipeLine(line));
      assert.deepEqual(read, all.slice(first, first + read.length));
    }
    assert.deepEqual(room.verify().findings, []);
  });

  test('change by age', async () => {
    using room = makeRoom();
    const log = await room.open({ rotate: { seconds: 3 } });
    await log.append(event(1));
    await delay(3050);
    await log.append(event(2));
    await log.close();
    assert.equal(logFilesOf(room.directory()).length, 2);
  });

  const small = { rotate: { bytes: 4096 }, checkpointEvery: { records: 20, seconds: 0.03 } };

  test('that are too many go, and the log says so', async () => {
    using room = makeRoom();
    const log = await room.open({ ...small, keep: { files: 3 } });
    await fill(log, 300);
    await until('four files at most', () => logFilesOf(room.directory()).length <= 4);
    await log.close();
    assert.ok((logFilesOf(room.directory())[0]?.first ?? 0) > 0);
    assert.ok(records(room).some((record) => record.event === 'retired'));
    const result = room.verify();
    assert.deepEqual(result.findings, []);
    assert.ok(result.first > 0);
  });

  test('whose checkpoints are not shipped stay', async () => {
    using room = makeRoom();
    const ship = [{ directory: join(room.root, 'unmounted') }];
    const log = await room.open({ ...small, keep: { files: 1 }, ship });
    await fill(log, 200);
    const before = logFilesOf(room.directory()).length;
    await until('it is told that nothing is shipped', () =>
      Object.values(log.status.shipping).join().includes('ENOENT'),
    );
    await delay(200);
    assert.ok(before > 3 && logFilesOf(room.directory()).length >= before);
    assert.match(Object.values(log.status.shipping).join(), /ENOENT/);
    mkdirSync(join(room.root, 'unmounted'));
    await until('two files at most', () => logFilesOf(room.directory()).length <= 2);
    await log.close();
  });

  test('that do not verify stay, and the log says so', async () => {
    using room = makeRoom();
    const first = await room.open(small);
    await fill(first, 100);
    await first.close();
    const [oldest] = logFilesOf(room.directory());
    const path = oldest?.path ?? '';
    writeFileSync(path, readFileSync(path, 'utf8').replace('echo 5 ', 'echo 6 '));
    const log = await room.open({ ...small, keep: { files: 1 } });
    await until('what is held is told', () =>
      records(room).some((record) => record.event === 'held'),
    );
    assert.ok(existsSync(path));
    await log.close();
  });
});

describe('checkpoints', () => {
  test('go to a directory, and find a tail that was cut off', async () => {
    using room = makeRoom();
    const witness = join(room.root, 'witness');
    mkdirSync(witness);
    const checkpointEvery = { records: 10 };
    const log = await room.open({ checkpointEvery, ship: [{ directory: witness }] });
    await fill(log, 100);
    await log.close();
    assert.deepEqual(room.verify({ checkpoints: witness }).findings, []);
    const path = logFilesOf(room.directory())[0]?.path ?? '';
    const lines = readFileSync(path, 'utf8').split('\n');
    writeFileSync(path, `${lines.slice(0, -3).join('\n')}\n`);
    assert.deepEqual(room.verify().findings, []);
    assert.equal(room.verify({ checkpoints: witness }).findings[0]?.what, 'truncated');
  });

  test('name a log that its own key holder wrote anew', async () => {
    using room = makeRoom();
    const witness = join(room.root, 'witness');
    mkdirSync(witness);
    const log = await room.open({ ship: [{ directory: witness }] });
    await fill(log, 10);
    await log.close();
    const other = await room.open({ directory: room.directory('other') });
    await fill(other, 10, 5);
    await other.close();
    const { findings } = room.verify({ path: room.directory('other'), checkpoints: witness });
    assert.equal(findings[0]?.what, 'foreign');
  });

  test('are offered until they are taken, also after the log was opened again', async () => {
    using room = makeRoom();
    const taken: Checkpoint[] = [];
    let refusals = 0;
    const refuse = async (): Promise<void> => {
      refusals++;
      throw new Error('not now');
    };
    const first = await room.open({ checkpointEvery: { records: 10 }, ship: [refuse] });
    await fill(first, 50);
    await until('it was refused twice', () => refusals > 1);
    await first.close();
    const take = async (some: readonly Checkpoint[]): Promise<void> => {
      if (taken.length === 0 && refusals++ < 4) throw new Error('almost');
      taken.push(...some);
    };
    const log = await room.open({ checkpointEvery: { records: 10 }, ship: [take] });
    await log.close();
    const written = records(room).filter((record) => record.event === 'checkpoint');
    const sizes = new Set(taken.map(({ size }) => size));
    assert.deepEqual(
      [...sizes],
      written.map(({ details }) => details.size),
    );
  });

  test('go to a web server', async () => {
    using room = makeRoom();
    const bodies: string[] = [];
    let asked = 0;
    const server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      const fails = asked++ === 0;
      if (!fails) bodies.push(`${request.headers.authorization} ${body}`);
      response.writeHead(fails ? 503 : 204).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      const log = await room.open({ ship: [{ url, headers: { authorization: 'Bearer x' } }] });
      await fill(log, 3);
      await log.close();
      assert.match(bodies.join(''), /^Bearer x \{"log":/);
      const sizes = [...bodies.join('').matchAll(/"size":(\d+)/g)].map(([, size]) => Number(size));
      assert.equal(sizes.at(-1), log.head.seq);
    } finally {
      server.close();
    }
  });
});

test('each way of fsync writes the same log', async () => {
  for (const fsync of ['always', 'interval', 'never'] as const) {
    using room = makeRoom();
    const log = await room.open({ fsync, fsyncSeconds: 0.02 });
    await fill(log, 200);
    await delay(50);
    await log.flush();
    await log.close();
    const { ok, records: count } = room.verify();
    assert.ok(ok && count > 200);
  }
});

test('several threads say what one says', async () => {
  using room = makeRoom();
  const log = await room.open({ rotate: { bytes: 12 * 1024 * 1024 }, fsync: 'never' });
  for (let n = 0; n < 130_000; n += 10_000) await fill(log, 10_000, n);
  await log.close();
  const options = { path: room.directory(), key: readPublicKey(`${room.key}.pub`) };
  const { hash } = log.head;
  assert.ok(logFilesOf(room.directory()).length >= 3);
  for (const more of [{}, { expectHead: { hash } }, { expectHead: { hash: 'f'.repeat(64) } }]) {
    const expected = room.verify(more);
    assert.deepEqual(await verifyLogInParallel({ ...options, ...more }), expected);
  }
  const path = logFilesOf(room.directory())[1]?.path ?? '';
  writeFileSync(path, readFileSync(path, 'utf8').replace(/"limit":"memory"/, '"limit":"output"'));
  const found = await verifyLogInParallel(options);
  assert.deepEqual(found, room.verify());
  assert.equal(found.findings[0]?.what, 'changed');
});

test('options that are unknown or wrong are refused', async () => {
  using room = makeRoom();
  const refused = { code: 'REQUEST_INVALID' };
  await assert.rejects(room.open({ fsync: 'sometimes' } as never), refused);
  await assert.rejects(room.open({ surprise: 1 } as never), refused);
  await assert.rejects(room.open({ ship: [{ url: 'file:///x' }] }), refused);
});
