/** One process for a directory: whoever comes second is told who was first, and a death of any kind frees it. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CaissonError } from '../../src/core/error.ts';
import { DirectoryLock } from '../../src/store/directory-lock.ts';

const MODULE = join(import.meta.dirname, '../../src/store/directory-lock.ts');
let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'caisson-lock-'));
});
after(() => rmSync(directory, { recursive: true }));

/** Another process that has it. */
async function holder(): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { DirectoryLock } from ${JSON.stringify(MODULE)};
       globalThis.lock = DirectoryLock.take(${JSON.stringify(directory)}, 'lock');
       console.log('taken'); setInterval(() => {}, 1000);`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(child.stdout as NodeJS.EventEmitter, 'data');
  return child;
}

function refusal(): CaissonError {
  try {
    DirectoryLock.take(directory, 'lock');
  } catch (error) {
    assert.ok(error instanceof CaissonError);
    return error;
  }
  assert.fail('it was taken twice');
}

test('in one process: taken once, free again when it is given back', () => {
  {
    using _ = DirectoryLock.take(directory, 'lock');
    for (let i = 0; i < 3; i++) {
      const { code, details } = refusal();
      assert.deepEqual([code, details?.pid], ['CONFLICT', process.pid]);
    }
  }
  DirectoryLock.take(directory, 'lock')[Symbol.dispose]();
  assert.equal(statSync(join(directory, 'lock')).mode & 0o777, 0o600);
});

test('of another process: told by its number, and free when it was killed', async () => {
  const child = await holder();
  try {
    const { code, message, hint, details } = refusal();
    assert.deepEqual([code, details?.pid], ['CONFLICT', child.pid]);
    assert.match(message, new RegExp(`in use by process ${child.pid}$`));
    assert.match(hint ?? '', /--state/);
  } finally {
    child.kill('SIGKILL');
  }
  await once(child, 'exit');
  using _ = DirectoryLock.take(directory, 'lock');
});

test('what cannot be locked is told', () => {
  assert.throws(() => DirectoryLock.take(join(directory, 'missing'), 'lock'), {
    code: 'STORE_UNUSABLE',
  });
});
