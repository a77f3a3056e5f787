/** A sandbox is closed while what it changed is copied: the copy is nobody's, and goes too. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Caisson } from '../../src/index.ts';

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
