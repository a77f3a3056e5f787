/**
 * Reading results through what the guest planted: symbolic links, hard links, FIFOs and devices in the workspace and in
 * the changes of an overlay; links exchanged for directories while we look; and what protecting a path leaves behind.
 * Ablated: the same reading by path, as a program would that does not think of it.
 */
import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Caisson, type PolicyDocument } from '../../src/index.ts';
import { mountsBelow, needs, Range, snapshot } from './harness.ts';

const SECRET = 'secret of the host';
const direct: PolicyDocument = {
  version: 1,
  level: 'strict',
  filesystem: { read: ['.'], write: ['.'] },
};
const overlaid: PolicyDocument = {
  version: 1,
  level: 'strict',
  filesystem: { read: ['.'], write: ['.'], workspace: 'overlay', apply: 'manual' },
};

function place(range: Range): { workspace: string; secret: string; open: () => Promise<Caisson> } {
  return {
    workspace: range.directory('work'),
    secret: range.file('home/secret', SECRET, 0o600),
    open: () => Caisson.open({ stateDirectory: join(range.path, 'state') }),
  };
}

async function inTime<T>(promise: Promise<T>, what: string): Promise<T> {
  return await Promise.race([
    promise,
    sleep(15_000, undefined, { ref: false }).then((): never => assert.fail(`${what} hangs`)),
  ]);
}

test('files.read, list and download meet links, FIFOs and devices', {
  skip: needs.root,
}, async () => {
  using range = new Range();
  const { workspace, secret, open } = place(range);
  await using caisson = await open();
  await using sandbox = await caisson.create({ policy: direct, workspace });
  await sandbox.exec([
    'sh',
    '-c',
    `ln -s ${secret} out; ln -s /etc etc; mkfifo pipe; ln -s /proc/1/root root; ln -s /proc/self/fd/0 magic; ln -s loop loop; echo fine > fine; mkdir sub; ln -s ../out sub/out`,
  ]);

  // Ablated: by path, with the rights of the caller.
  assert.equal(readFileSync(join(workspace, 'out'), 'utf8'), SECRET);

  const { files } = sandbox;
  for (const name of ['out', 'sub/out', 'magic', 'loop', 'pipe']) {
    await assert.rejects(inTime(files.read(name), name), { code: 'FILE_FAILED' }, name);
    // Followed when asked to, it leads where it leads inside: nowhere.
    await assert.rejects(
      inTime(files.read(name, { follow: true }), name),
      { code: 'FILE_FAILED' },
      name,
    );
  }
  await assert.rejects(inTime(files.read(`root${secret}`), 'root'), { code: 'FILE_FAILED' });
  await assert.rejects(inTime(files.read('etc/shadow'), 'etc'), { code: 'FILE_FAILED' });
  assert.doesNotMatch(await files.readText('etc/passwd'), /\/root/, "the guest's own");
  assert.equal(await files.readText('fine'), 'fine\n');

  // A write goes to no host file through a link either.
  await assert.rejects(inTime(files.write('out', 'overwritten'), 'write'), { code: 'FILE_FAILED' });
  await assert.rejects(inTime(files.write('pipe', 'x'), 'pipe'), { code: 'FILE_FAILED' });
  assert.equal(readFileSync(secret, 'utf8'), SECRET);

  // Downloading a tree: links arrive as links, what is special is refused, and the target is not written through.
  const into = range.directory('into');
  await assert.rejects(inTime(files.download('.', join(into, 'all')), 'download'), {
    code: 'FILE_FAILED',
  });
  await sandbox.exec(['rm', 'pipe']);
  rmSync(into, { recursive: true });
  mkdirSync(into);
  await inTime(files.download('.', join(into, 'all')), 'download');
  assert.equal(readlinkSync(join(into, 'all/out')), secret);
  assert.ok(lstatSync(join(into, 'all/root')).isSymbolicLink());
  assert.equal(readFileSync(join(into, 'all/fine'), 'utf8'), 'fine\n');
});

test('a directory that becomes a link while a tree is downloaded', {
  skip: needs.root,
}, async () => {
  using range = new Range();
  const { workspace, secret, open } = place(range);
  mkdirSync(join(workspace, 'tree/a'), { recursive: true });
  for (let i = 0; i < 40; i++)
    writeFileSync(join(workspace, `tree/a/secret${i === 0 ? '' : i}`), 'own');
  await using caisson = await open();
  await using sandbox = await caisson.create({ policy: direct, workspace });
  const flipper = sandbox.spawn([
    'sh',
    '-c',
    `cd tree; ln -s ${join(range.path, 'home')} evil; echo go; while :; do mv a b 2>/dev/null; mv evil a; mv a evil; mv b a; done`,
  ]);
  await new Promise((resolve) => flipper.stdout.once('data', resolve));

  // Ablated: copied by path on the host, until the race is lost.
  let stolen = false;
  const end = Date.now() + 30_000;
  for (let i = 0; Date.now() < end && !stolen; i++) {
    try {
      cpSync(join(workspace, 'tree/a/secret'), join(range.path, 'copy'));
      stolen = readFileSync(join(range.path, 'copy'), 'utf8') === SECRET;
    } catch {}
    if (i % 20 === 0) await sleep(1);
  }
  assert.ok(stolen, 'by path the race is lost');

  for (let i = 0; i < 25; i++) {
    const to = join(range.path, `copy-${i}`);
    try {
      await sandbox.files.download('tree', to);
    } catch {}
    if (!existsSync(to)) continue;
    for (const [name, what] of Object.entries(snapshot(to))) {
      if (name.endsWith('/secret')) assert.equal(readFileSync(join(to, name), 'utf8'), 'own', what);
    }
  }
  flipper.kill();
  await flipper.outcome;
  assert.equal(readFileSync(secret, 'utf8'), SECRET);
});

test('changes.apply: planted in the layer, planted in the workspace, exchanged on the way', {
  skip: needs.root,
}, async () => {
  using range = new Range();
  const { workspace, secret, open } = place(range);
  const home = join(range.path, 'home');
  writeFileSync(join(workspace, 'file'), 'before');
  mkdirSync(join(workspace, 'dir'));
  writeFileSync(join(workspace, 'dir/inner'), 'before');
  await using caisson = await open();
  await using sandbox = await caisson.create({ policy: overlaid, workspace });
  const script = [
    `ln -s ${secret} link`,
    'mkfifo pipe',
    'echo new > dir/inner',
    'echo new > dir/added',
    'rm file; mkdir file; echo x > file/inside',
    'echo 4755 > tool; chmod 755 tool',
    'ln dir/inner hard',
  ];
  const made = await sandbox.exec(['sh', '-ec', script.join('; ')]);
  assert.equal(made.stderr.text, '');
  const before = snapshot(home);
  // Meanwhile on the host: a directory of the workspace now leads out of it.
  renameSync(join(workspace, 'dir'), join(workspace, 'was'));
  symlinkSync(home, join(workspace, 'dir'));

  // Ablated: what cp does with that.
  const copy = range.directory('copy');
  cpSync(workspace, copy, { recursive: true, verbatimSymlinks: true });
  writeFileSync(join(copy, 'dir/added'), 'through the link');
  assert.ok(existsSync(join(home, 'added')));
  rmSync(join(home, 'added'));

  const changes = await sandbox.changes();
  await assert.rejects(inTime(changes.apply(), 'apply'), { code: 'CHANGES_CONFLICT' });
  assert.deepEqual(snapshot(home), before, 'nothing went through it');
  assert.equal(
    readFileSync(join(workspace, 'file'), 'utf8'),
    'before',
    'nothing was written at all',
  );

  rmSync(join(workspace, 'dir'));
  renameSync(join(workspace, 'was'), join(workspace, 'dir'));
  const { applied, skipped } = await inTime(
    (await sandbox.changes()).apply({ only: ['link', 'pipe', 'dir/added', 'tool', 'hard'] }),
    'apply',
  );
  assert.deepEqual(
    skipped.map(({ path }) => path),
    ['pipe'],
  );
  assert.ok(applied.some(({ path }) => path === 'dir/added'));
  assert.equal(readlinkSync(join(workspace, 'link')), secret, 'a link is brought out as a link');
  assert.equal(existsSync(join(workspace, 'pipe')), false);
  assert.equal(lstatSync(join(workspace, 'hard')).nlink, 1, 'no hard link into the layer');
  assert.deepEqual(snapshot(home), before);

  // The link that was brought out is there now; applying again does not write through it.
  await sandbox.exec(['sh', '-ec', 'rm link; echo through > link']);
  await inTime((await sandbox.changes()).apply({ only: ['link'] }), 'apply').catch(() => {});
  assert.deepEqual(snapshot(home), before);
});

test('while the guest exchanges a file for a link, apply brings out one or the other, never what it leads to', {
  skip: needs.root,
}, async () => {
  using range = new Range();
  const { workspace, secret, open } = place(range);
  await using caisson = await open();
  await using sandbox = await caisson.create({ policy: overlaid, workspace });
  const flipper = sandbox.spawn([
    'sh',
    '-c',
    `mkdir d; echo own > d/secret; ln -s ${secret} l; ln -s ${join(range.path, 'home')} e; echo go; while :; do cp -P l t; mv t f; echo own > t; mv t f; mv d x; mv e d; mv d e; mv x d; done 2>/dev/null`,
  ]);
  await new Promise((resolve) => flipper.stdout.once('data', resolve));
  for (let i = 0; i < 40; i++) {
    try {
      await (await sandbox.changes()).apply();
    } catch {}
    try {
      await (await sandbox.changes())
        .diff()
        .then((text) => assert.doesNotMatch(text, new RegExp(SECRET)));
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
    }
    for (const name of ['f', 'd/secret']) {
      const path = join(workspace, name);
      const stat = lstatSync(path, { throwIfNoEntry: false });
      if (stat?.isFile() !== true || lstatSync(join(path, '..')).isSymbolicLink()) continue;
      assert.notEqual(readFileSync(path, 'utf8'), SECRET, name);
    }
  }
  flipper.kill();
  await flipper.outcome;
  assert.equal(readFileSync(secret, 'utf8'), SECRET);
});

test('protecting paths leaves nothing on the host: no ghost files, no directories, no mounts', {
  skip: needs.root,
}, async () => {
  using range = new Range();
  const { workspace, open } = place(range);
  mkdirSync(join(workspace, '.git/hooks'), { recursive: true });
  writeFileSync(join(workspace, '.git/config'), '[core]\n');
  writeFileSync(join(workspace, 'code'), 'x');
  const before = snapshot(workspace);

  // Ablated: a bind needs a place, so an engine that protects what is not there makes it, and leaves it.
  const naive = range.directory('naive');
  for (const name of ['.env', '.bashrc', '.vscode']) writeFileSync(join(naive, name), '');
  assert.equal(readdirSync(naive).length, 3);

  await using caisson = await open();
  const outcome = await caisson.run(['true'], { policy: 'agent', workspace });
  assert.equal(outcome.kind, 'exited');
  assert.deepEqual(snapshot(workspace), before);
  const protect = ['.git/config', '.git/hooks'];
  for (const filesystem of [
    { read: ['.'], write: ['.'], protect },
    { read: ['.'], write: ['.'], protect: [...protect, '.env', '.vscode/settings.json'] },
  ]) {
    const policy = { version: 1, level: 'moderate', filesystem } as const;
    const place = { policy, workspace, accept: ['filesystem.protect:direct'] };
    const ran = await caisson.run(['sh', '-c', 'ls -A'], place);
    assert.equal(ran.stdout.text, '.git\ncode\n', 'inside there are no ghosts either');
    assert.deepEqual(snapshot(workspace), before);
    await using sandbox = await caisson.create(place);
    await sandbox.exec(['true']);
    assert.deepEqual(snapshot(workspace), before);
  }
  assert.deepEqual(mountsBelow(workspace), []);
  assert.deepEqual(await caisson.pendingChanges(), []);
  const state = join(range.path, 'state', 'overlays');
  assert.deepEqual(existsSync(state) ? readdirSync(state) : [], []);
});
