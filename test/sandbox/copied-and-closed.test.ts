/** A sandbox is closed while what it changed is copied: the copy is nobody's, and goes too. */
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Caisson } from '../../src/index.ts';
import { until } from '../until.ts';

const policy = {
  version: 1,
  level: 'strict',
  filesystem: { read: ['.'], write: ['.'], workspace: 'overlay', apply: 'manual' },
} as const;

test('closed while it is copied: no copy is left', {
  skip: process.geteuid?.() === 0 ? false : 'needs root',
}, async () => {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-copied-')));
  const workspace = join(base, 'work');
  mkdirSync(workspace);
  try {
    await using caisson = await Caisson.open({ stateDirectory: join(base, 'state') });
    for (let round = 0; round < 30; round++) {
      const sandbox = await caisson.create({ policy, workspace });
      await sandbox.exec(['sh', '-c', 'mkdir d; for n in $(seq 30); do echo $n > d/$n; done']);
      const copies = Promise.allSettled([sandbox.snapshot(), sandbox.fork()]);
      await sleep(round / 2);
      await sandbox.close();
      const [snapshot, fork] = await copies;
      if (snapshot.status === 'fulfilled') await snapshot.value.discard();
      if (fork.status === 'fulfilled') await fork.value.close();
      assert.deepEqual(readdirSync(join(base, 'state', 'overlays')), [], `round ${round}`);
    }
  } finally {
    rmSync(base, { recursive: true });
  }
});

test('closed while a copy takes long: neither waits for it', {
  skip: process.geteuid?.() === 0 ? false : 'needs root',
}, async () => {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-slow-copy-')));
  const [workspace, bin] = [join(base, 'work'), join(base, 'bin')];
  for (const path of [workspace, bin]) mkdirSync(path);
  // In the place of cp: one that never ends, and says that it runs.
  writeFileSync(join(bin, 'cp'), `#!/bin/sh\ntouch ${base}/copying\nexec sleep 600\n`, {
    mode: 0o755,
  });
  const path = process.env.PATH;
  process.env.PATH = `${bin}:${path}`;
  const isCopying = async (): Promise<void> => {
    await until('something is copied', () => existsSync(join(base, 'copying')));
    rmSync(join(base, 'copying'));
  };
  try {
    await using caisson = await Caisson.open({ stateDirectory: join(base, 'state') });
    for (const frozen of [false, true]) {
      const sandbox = await caisson.create({ policy, workspace });
      await sandbox.exec(['touch', 'made']);
      if (frozen) await sandbox.freeze();
      const copies = Promise.allSettled([sandbox.snapshot(), sandbox.fork()]);
      await isCopying();
      await sandbox.close();
      const codes = (await copies).map((each) => 'reason' in each && each.reason.code);
      assert.deepEqual(codes, ['SANDBOX_CLOSED', 'SANDBOX_CLOSED']);
      assert.deepEqual(readdirSync(join(base, 'state', 'overlays')), []);
    }
    // One that is opened from a snapshot, by a manager that is closed.
    process.env.PATH = path;
    const manager = await caisson.manager();
    const kept = await manager.create({ policy, workspace });
    const snapshot = await kept.snapshot();
    process.env.PATH = `${bin}:${path}`;
    const opened = snapshot.open().catch((error: { code: string }) => error.code);
    await isCopying();
    await manager.close();
    assert.equal(await opened, 'ABORTED');
    await snapshot.discard();
    assert.deepEqual(readdirSync(join(base, 'state', 'overlays')), []);
  } finally {
    process.env.PATH = path;
    rmSync(base, { recursive: true });
  }
});
