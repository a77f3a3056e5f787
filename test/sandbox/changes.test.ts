import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isCaissonError } from '../../src/core/error.ts';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { Changes } from '../../src/sandbox/changes.ts';
import { Overlay } from '../../src/sandbox/overlay.ts';

const launcher = locateLauncher().path;

/** A workspace with an overlay whose upper layer the test writes by hand, as a guest would have left it. */
function stage(protect: string[] = []) {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-')));
  const work = join(base, 'work');
  mkdirSync(work);
  writeFileSync(join(work, 'kept'), 'kept\n');
  writeFileSync(join(work, 'edited'), 'one\ntwo\nthree\n');
  writeFileSync(join(work, 'gone'), 'gone\n');
  mkdirSync(join(work, 'tree/inner'), { recursive: true });
  writeFileSync(join(work, 'tree/inner/leaf'), 'leaf\n');
  const overlay = Overlay.create(join(base, 'state'), {
    workspace: work,
    policyDigest: 'd',
    protect,
  });
  const upper = (path: string) => join(overlay.directory, 'upper', path);
  const whiteout = (path: string) => execFileSync('mknod', [upper(path), 'c', '0', '0']);
  return {
    base,
    work,
    overlay,
    upper,
    whiteout,
    [Symbol.dispose]: () => rmSync(base, { recursive: true }),
  };
}
const list = (changes: Changes) =>
  changes.entries.map(({ kind, type, path }) => `${kind} ${type} ${path}`);
const conflict = (error: unknown) => isCaissonError(error) && error.code === 'CHANGES_CONFLICT';

test('changes are listed, shown, applied, and then there are none', async () => {
  using at = stage();
  writeFileSync(at.upper('edited'), 'one\n2\nthree\n');
  writeFileSync(at.upper('new'), 'new\n', { mode: 0o755 });
  chmodSync(at.upper('new'), 0o4755);
  at.whiteout('gone');
  at.whiteout('tree');
  symlinkSync('/etc/passwd', at.upper('link'));
  writeFileSync(at.upper('kept'), 'kept\n'); // copied up, not changed
  const changes = await Changes.read(at.overlay, launcher);
  assert.deepEqual(list(changes), [
    'modified file edited',
    'deleted file gone',
    'added link link',
    'added file new',
    'deleted directory tree',
    'deleted directory tree/inner',
    'deleted file tree/inner/leaf',
  ]);
  const diff = await changes.diff();
  assert.match(
    diff,
    /--- a\/edited\n\+\+\+ b\/edited\n@@ -1,3 \+1,3 @@\n one\n-two\n\+2\n three\n/,
  );
  assert.match(diff, /--- \/dev\/null\n\+\+\+ b\/new\n@@ -0,0 \+1 @@\n\+new\n/);
  assert.match(diff, /--- a\/gone\n\+\+\+ \/dev\/null/);

  const { applied } = await changes.apply();
  assert.equal(applied.length, 7);
  assert.equal(readFileSync(join(at.work, 'edited'), 'utf8'), 'one\n2\nthree\n');
  assert.equal(
    statSync(join(at.work, 'new')).mode & 0o7777,
    0o755,
    'set-user-id is not brought out',
  );
  assert.equal(readlinkSync(join(at.work, 'link')), '/etc/passwd');
  assert.equal(existsSync(join(at.work, 'gone')), false);
  assert.equal(existsSync(join(at.work, 'tree')), false);
  const again = await Changes.read(at.overlay, launcher);
  assert.deepEqual(list(again), []);

  writeFileSync(at.upper('edited'), 'once more\n');
  await (await Changes.read(at.overlay, launcher)).apply();
  assert.equal(readFileSync(join(at.work, 'edited'), 'utf8'), 'once more\n');
  await changes.discard();
  assert.equal(existsSync(at.overlay.directory), false);
});

test('what changed below meanwhile is a conflict, and nothing is written', async () => {
  using at = stage();
  writeFileSync(at.upper('edited'), 'guest\n');
  writeFileSync(at.upper('new'), 'new\n');
  await new Promise((resolve) => setTimeout(resolve, 20));
  writeFileSync(join(at.work, 'edited'), 'person\n');
  const changes = await Changes.read(at.overlay, launcher);
  await assert.rejects(changes.apply(), conflict);
  assert.equal(readFileSync(join(at.work, 'edited'), 'utf8'), 'person\n');
  assert.equal(existsSync(join(at.work, 'new')), false);
  await changes.apply({ only: ['new'] });
  assert.equal(existsSync(join(at.work, 'new')), true);
});

test('protected paths are refused, also new ones, also by replacing what holds them', async () => {
  using at = stage(['.env*', 'tree/inner/leaf', '.git/config']);
  writeFileSync(at.upper('.env.local'), 'X=1\n');
  at.whiteout('tree');
  writeFileSync(at.upper('.git'), 'gitdir: /elsewhere\n');
  writeFileSync(at.upper('fine'), 'fine\n');
  const changes = await Changes.read(at.overlay, launcher);
  assert.deepEqual(
    changes.entries.filter((change) => change.protected).map((change) => change.path),
    ['.env.local', '.git', 'tree/inner/leaf'],
  );
  await assert.rejects(changes.apply(), conflict);
  assert.equal(existsSync(join(at.work, 'fine')), false);
  const { skipped } = await changes.apply({ skipProtected: true, only: ['fine', '.env.local'] });
  assert.equal(skipped.length, 1);
  assert.equal(existsSync(join(at.work, '.env.local')), false);
  assert.equal(existsSync(join(at.work, 'fine')), true);
});

test('a link that appears below is never written through, nor one that the guest left read', async () => {
  using at = stage();
  const outside = join(at.base, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'secret'), 'secret\n');
  mkdirSync(at.upper('tree'));
  writeFileSync(at.upper('tree/planted'), 'planted\n');
  const changes = await Changes.read(at.overlay, launcher);
  rmSync(join(at.work, 'tree'), { recursive: true });
  symlinkSync(outside, join(at.work, 'tree'));
  await assert.rejects(changes.apply(), conflict);
  assert.equal(existsSync(join(outside, 'planted')), false);

  symlinkSync(join(outside, 'secret'), at.upper('edited'));
  const diff = await (await Changes.read(at.overlay, launcher)).diff();
  assert.doesNotMatch(diff, /\+secret/);
});

test('sockets and FIFOs are listed and never brought out; they hold nothing up', async () => {
  using at = stage();
  execFileSync('mkfifo', [at.upper('pipe')]);
  const changes = await Changes.read(at.overlay, launcher);
  assert.deepEqual(list(changes), ['added special pipe']);
  const { skipped } = await changes.apply();
  assert.equal(skipped.length, 1);
  assert.equal(lstatSync(at.work).isDirectory(), true);
  assert.equal(existsSync(join(at.work, 'pipe')), false);
});

test('the state directory is the owner alone', async () => {
  using at = stage();
  assert.equal(statSync(at.overlay.directory).mode & 0o777, 0o700);
  assert.deepEqual(
    Overlay.list(join(at.base, 'state')).map((record) => record.id),
    [at.overlay.id],
  );
  chmodSync(join(at.base, 'state'), 0o755);
  assert.throws(
    () => Overlay.list(join(at.base, 'state')),
    (error) => isCaissonError(error) && error.code === 'PATH_ESCAPES',
  );
  assert.throws(
    () => Overlay.open(join(at.base, 'state'), '../../etc'),
    (error) => isCaissonError(error),
  );
});

const tooLarge = (error: unknown) => isCaissonError(error) && error.code === 'TOO_LARGE';

test('more than may be listed is refused by name, listed and applied', async () => {
  using at = stage();
  for (let i = 0; i < 40; i++) writeFileSync(at.upper(`n${i}`), '');
  await assert.rejects(Changes.read(at.overlay, launcher, { most: 20 }), tooLarge);
  const changes = await Changes.read(at.overlay, launcher, { most: 40 });
  assert.equal(changes.entries.length, 40);
  writeFileSync(at.upper('one more'), '');
  await assert.rejects(changes.apply(), tooLarge);
  assert.equal(existsSync(join(at.work, 'n0')), false);
});

test('so is what deletions below come to', async () => {
  using at = stage();
  for (let i = 0; i < 40; i++) mkdirSync(join(at.work, `d/${i}`), { recursive: true });
  at.whiteout('d');
  await assert.rejects(Changes.read(at.overlay, launcher, { most: 20 }), tooLarge);
  assert.equal((await Changes.read(at.overlay, launcher, { most: 41 })).entries.length, 41);
});

test('a path that no program could name is refused by name', async () => {
  using at = stage();
  const script =
    'n=$(printf "%0200d" 0); i=0; while [ $i -lt 60 ]; do mkdir $n && cd -P $n 2>/dev/null || break; i=$((i+1)); done';
  execFileSync('sh', ['-c', script], { cwd: at.upper('.') });
  await assert.rejects(Changes.read(at.overlay, launcher), tooLarge);
  execFileSync('sh', ['-c', 'rm -rf 0*'], { cwd: at.upper('.') });
});

test('what a guest takes away while it is listed is no fault', async () => {
  using at = stage();
  const script =
    'cd "$1"; while [ ! -e ../stop ]; do mkdir -p t/a/b t/c; : > t/a/b/f; ln -s a t/l; rm -rf t; : > t; rm t; done';
  const child = spawn('sh', ['-c', script, 'sh', at.upper('.')]);
  try {
    for (let i = 0; i < 60; i++) await Changes.read(at.overlay, launcher);
  } finally {
    writeFileSync(join(at.overlay.directory, 'stop'), '');
    await once(child, 'exit');
  }
});

test('what a guest exchanges after it was listed is told in one line, and is no fault', async () => {
  using at = stage();
  for (const name of ['a', 'b', 'c', 'd', 'whole']) writeFileSync(at.upper(name), `${name}\n`);
  const changes = await Changes.read(at.overlay, launcher);
  for (const name of ['a', 'b', 'c', 'd']) rmSync(at.upper(name));
  execFileSync('mkfifo', [at.upper('b')]);
  symlinkSync('/etc/passwd', at.upper('c'));
  mkdirSync(at.upper('d'));
  const text = await changes.diff();
  for (const name of ['a', 'b', 'c', 'd']) {
    assert.match(text, new RegExp(`^added file "${name}", and something else now$`, 'm'));
  }
  assert.match(text, /^\+whole$/m);
  assert.doesNotMatch(text, /root/);
  await at.overlay.discard();
  await assert.rejects(
    changes.diff(),
    (error) => isCaissonError(error) && error.code === 'SANDBOX_CLOSED',
  );
});
