/** A short kill soak; `node scripts/kill-soak.ts` is the long one. And that its eyes see. */
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { difference, look } from './kernel-state.ts';

const skip = process.geteuid?.() === 0 ? false : 'needs root';

test('launcher, helpers, guests, proxy and manager are killed at random: one start leaves nothing', {
  skip,
}, async (t) => {
  const program = join(import.meta.dirname, '../../scripts/kill-soak.ts');
  const argv = [program, '--minutes', '0.3', '--sandboxes', '15', '--json'];
  const run = promisify(execFile)(process.execPath, argv, { maxBuffer: 2 ** 26 });
  const { stdout } = await run.catch((error: { stdout: string; stderr: string }) => error);
  const report = JSON.parse(stdout);
  t.diagnostic(JSON.stringify(report.killed));
  assert.deepEqual(report.left, []);
  assert.deepEqual(report.unclean, []);
  assert.deepEqual(report.wrong, []);
  assert.deepEqual(report.findings, [], 'the audit log is in order');
  assert.ok(report.isClean);
  const killed = Object.values(report.killed as Record<string, number>);
  assert.ok(killed.reduce((sum, count) => sum + count) >= 5, 'something was killed');
  const done = Object.entries(report.counts as Record<string, number>);
  for (const kind of ['run', 'kept sandbox', 'filtered run', 'intercepted run', 'published port'])
    assert.ok(
      done.some(([name, count]) => name === `done: ${kind}` && count > 0),
      `${kind} was done between the kills`,
    );
});

test('what is left is seen: a process, a mount, a file, a namespace, a message queue', {
  skip,
}, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'caisson-look-'));
  const directories = [directory];
  const before = look({ directories });
  const child = spawn('unshare', ['--net', 'sleep', '100'], { stdio: 'ignore' });
  const point = join(directory, 'mounted');
  mkdirSync(point);
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', point]);
  writeFileSync(join(directory, 'file'), '');
  const looking = `import { look } from ${JSON.stringify(join(import.meta.dirname, 'kernel-state.ts'))};
console.log(JSON.stringify(look({ directories: [] })));`;
  const inside = execFileSync(
    'unshare',
    [
      '--net',
      '--ipc',
      'sh',
      '-c',
      'ipcmk -Q >&2; exec "$0" --input-type=module -e "$1"',
      process.execPath,
      looking,
    ],
    { encoding: 'utf8' },
  );
  try {
    // unshare(1) has become sleep(1) by then.
    const kinds = async (): Promise<string[]> => {
      for (let tries = 0; tries < 500; tries++) {
        const found = difference(before, look({ directories })).filter(
          ({ left }) => left.length > 0,
        );
        const named = found.map(({ kind }) => kind);
        if (named.includes('namespaces')) return named;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return [];
    };
    const found = await kinds();
    for (const kind of ['processes', 'namespaces', 'mounts', 'files'])
      assert.ok(found.includes(kind), kind);
    const { links, ...seen } = JSON.parse(inside);
    assert.deepEqual(links, ['lo']);
    assert.equal(seen['System V IPC'].length, 1);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
    execFileSync('umount', [point]);
    rmdirSync(point);
    rmSync(directory, { recursive: true });
  }
});
