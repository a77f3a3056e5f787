import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { resolveToolchain, type Toolchain } from '../../src/host/toolchain.ts';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-toolchain-')));
after(() => rmSync(root, { recursive: true }));

let home = '';
let work = '';
let count = 0;
beforeEach(() => {
  home = join(root, String(++count), 'home');
  work = join(home, 'work');
  mkdirSync(work, { recursive: true });
});

function program(path: string, content = '\x7fELF'): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  chmodSync(path, 0o755);
  return path;
}

function file(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

function link(path: string, to: string): void {
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(to, path);
}

function resolve(
  command: string,
  path: readonly string[],
  more: Record<string, string> = {},
): Toolchain {
  const env = { PATH: [...path, '/usr/bin', '/bin'].join(':'), ...more };
  return resolveToolchain(command, { cwd: work, home, env, workspace: work });
}

const sources = (toolchain: Toolchain) => toolchain.binds.map(({ source }) => source);

function pyenv(...versions: readonly string[]): string {
  const at = join(home, '.pyenv');
  program(join(at, 'shims/python3'), '#!/usr/bin/env bash\n');
  for (const version of versions) {
    program(join(at, 'versions', version, 'bin/python3'));
    mkdirSync(join(at, 'versions', version, 'lib'), { recursive: true });
  }
  return at;
}

test('a command of the system needs nothing', () => {
  assert.deepEqual(resolve('/bin/true', []), {
    command: '/bin/true',
    binds: [],
    path: [],
    env: [],
  });
});

test('a command that is nowhere is left for the sandbox to miss', () => {
  assert.deepEqual(resolve('no-such-command', []).binds, []);
});

test("a shim of pyenv gives way to the global version's directory", () => {
  const at = pyenv('3.11.7', '3.12.1');
  file(join(at, 'version'), '3.11.7\n');
  const toolchain = resolve('python3', [join(at, 'shims')]);
  assert.deepEqual(sources(toolchain), [join(at, 'versions/3.11.7')]);
  assert.equal(toolchain.path[0], join(at, 'versions/3.11.7/bin'));
});

test('the nearest .python-version decides, a prefix stands for the newest, the variable for all', () => {
  const at = pyenv('3.11.7', '3.12.9', '3.12.10');
  file(join(at, 'version'), '3.11.7\n');
  file(join(work, '.python-version'), '3.12\n');
  assert.deepEqual(sources(resolve('python3', [join(at, 'shims')])), [
    join(at, 'versions/3.12.10'),
  ]);
  const chosen = resolve('python3', [join(at, 'shims')], { PYENV_VERSION: '3.11.7' });
  assert.deepEqual(sources(chosen), [join(at, 'versions/3.11.7')]);
});

test('a version file that climbs out of the versions finds nothing', () => {
  const at = pyenv('3.11.7');
  file(join(home, 'secret/bin/python3'), '');
  file(join(work, '.python-version'), '../../secret\n..\n');
  assert.deepEqual(sources(resolve('python3', [join(at, 'shims')])), []);
});

test('the path of a shim becomes the path of what it stands for', () => {
  const at = pyenv('3.11.7');
  file(join(at, 'version'), '3.11.7\n');
  const toolchain = resolve(join(at, 'shims/python3'), []);
  assert.equal(toolchain.command, join(at, 'versions/3.11.7/bin/python3'));
});

test('nvm: the version directory, not the home', () => {
  const at = join(home, '.nvm/versions/node/v22.1.0');
  program(join(at, 'bin/node'));
  mkdirSync(join(at, 'lib'));
  assert.deepEqual(sources(resolve('node', [join(at, 'bin')])), [at]);
});

test('a script of a global package brings its interpreter', () => {
  const at = join(home, '.nvm/versions/node/v22.1.0');
  program(join(at, 'bin/node'));
  program(join(at, 'lib/node_modules/npm/bin/npm-cli.js'), '#!/usr/bin/env node\n');
  link(join(at, 'bin/npm'), '../lib/node_modules/npm/bin/npm-cli.js');
  const toolchain = resolve('npm', [join(at, 'bin')]);
  assert.deepEqual(sources(toolchain), [at]);
  assert.ok(toolchain.path.includes(join(at, 'bin')));
});

test('rustup: the toolchain that the directory or the settings name', () => {
  program(join(home, '.cargo/bin/rustup'));
  link(join(home, '.cargo/bin/cargo'), 'rustup');
  for (const name of ['stable-x86_64-unknown-linux-gnu', 'nightly-x86_64-unknown-linux-gnu']) {
    program(join(home, '.rustup/toolchains', name, 'bin/cargo'));
    mkdirSync(join(home, '.rustup/toolchains', name, 'lib'));
  }
  file(
    join(home, '.rustup/settings.toml'),
    'default_toolchain = "stable-x86_64-unknown-linux-gnu"\n',
  );
  const at = (name: string) => [
    join(home, '.rustup/toolchains', `${name}-x86_64-unknown-linux-gnu`),
  ];
  assert.deepEqual(sources(resolve('cargo', [join(home, '.cargo/bin')])), at('stable'));
  file(join(work, 'rust-toolchain.toml'), '[toolchain]\nchannel = "nightly"\n');
  assert.deepEqual(sources(resolve('cargo', [join(home, '.cargo/bin')])), at('nightly'));
});

test('asdf and mise: the version that .tool-versions or mise.toml names', () => {
  const asdf = join(home, '.asdf');
  program(join(asdf, 'shims/node'), '#!/usr/bin/env bash\n# asdf-plugin: nodejs 20.0.0\n');
  for (const version of ['20.0.0', '22.0.0']) {
    program(join(asdf, 'installs/nodejs', version, 'bin/node'));
    mkdirSync(join(asdf, 'installs/nodejs', version, 'lib'));
  }
  file(join(work, '.tool-versions'), 'nodejs 22.0.0\n');
  assert.deepEqual(sources(resolve('node', [join(asdf, 'shims')])), [
    join(asdf, 'installs/nodejs/22.0.0'),
  ]);

  rmSync(join(work, '.tool-versions'));
  const mise = join(home, '.local/share/mise');
  link(join(mise, 'shims/python3'), '/usr/bin/true');
  program(join(mise, 'installs/python/3.12.1/bin/python3'));
  mkdirSync(join(mise, 'installs/python/3.12.1/lib'));
  file(join(work, 'mise.toml'), '[tools]\npython = "3.12"\n');
  assert.deepEqual(sources(resolve('python3', [join(mise, 'shims')])), [
    join(mise, 'installs/python/3.12.1'),
  ]);
});

test('volta: the version that package.json pins, else the usual one', () => {
  const at = join(home, '.volta');
  program(join(at, 'bin/volta-shim'));
  link(join(at, 'bin/node'), 'volta-shim');
  for (const version of ['20.1.0', '22.1.0']) {
    program(join(at, 'tools/image/node', version, 'bin/node'));
    mkdirSync(join(at, 'tools/image/node', version, 'lib'));
  }
  file(join(at, 'tools/user/platform.json'), '{"node":{"runtime":"20.1.0"}}');
  assert.deepEqual(sources(resolve('node', [join(at, 'bin')])), [
    join(at, 'tools/image/node/20.1.0'),
  ]);
  file(join(work, 'package.json'), '{"volta": {"node": "22.1.0"}}');
  assert.deepEqual(sources(resolve('node', [join(at, 'bin')])), [
    join(at, 'tools/image/node/22.1.0'),
  ]);
});

test('bun, deno: a loose program is shown alone', () => {
  program(join(home, '.bun/bin/bun'));
  file(join(home, '.bun/bin/other'), 'x');
  assert.deepEqual(resolve('bun', [join(home, '.bun/bin')]).binds, [
    { source: join(home, '.bun/bin/bun'), target: join(home, '.bun/bin/bun'), file: true },
  ]);
});

test("a program of the person's own bin does not show the home around it", () => {
  program(join(home, 'bin/tool'));
  mkdirSync(join(home, 'lib'));
  program(join(home, '.local/bin/uv'));
  mkdirSync(join(home, '.local/lib'));
  assert.deepEqual(sources(resolve('tool', [join(home, 'bin')])), [join(home, 'bin/tool')]);
  assert.deepEqual(sources(resolve('uv', [join(home, '.local/bin')])), [
    join(home, '.local/bin/uv'),
  ]);
});

test('a venv in the workspace brings the Python that it was made from', () => {
  const at = pyenv('3.11.7');
  link(join(work, '.venv/bin/python3'), join(at, 'versions/3.11.7/bin/python3'));
  file(join(work, '.venv/pyvenv.cfg'), `home = ${join(at, 'versions/3.11.7/bin')}\n`);
  const toolchain = resolve(join(work, '.venv/bin/python3'), []);
  assert.deepEqual(sources(toolchain), [join(at, 'versions/3.11.7')]);
  assert.equal(toolchain.path.includes(join(work, '.venv/bin')), true);
});

test('what a guest planted in the workspace shows nothing more of the host', () => {
  program(join(home, 'private/bin/python3'));
  mkdirSync(join(home, 'private/lib'));
  program(join(home, '.ssh/id'));
  link(join(work, 'by-link'), join(home, 'private/bin/python3'));
  program(join(work, 'by-interpreter'), `#!${join(home, 'private/bin/python3')}\n`);
  program(join(work, '.venv/bin/python3'));
  file(join(work, '.venv/pyvenv.cfg'), `home = ${join(home, 'private/bin')}\n`);
  program(join(work, 'key'), `#!${join(home, '.ssh/id')}\n`);
  for (const name of ['by-link', 'by-interpreter', '.venv/bin/python3', 'key']) {
    assert.deepEqual(resolve(join(work, name), []).binds, [], name);
  }
});

test('a shell is shown the toolchains of its PATH', () => {
  const at = pyenv('3.11.7');
  file(join(at, 'version'), '3.11.7\n');
  assert.deepEqual(sources(resolve('bash', [join(at, 'shims')])), [join(at, 'versions/3.11.7')]);
});
