/** As npm lays it out, bundled, the engines find their host processes and what these load. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { bundle } from '../../packaging/bundle.ts';
import { assembleLauncher } from '../../packaging/launcher-package.ts';

const repository = resolve(import.meta.dirname, '../..');
const target = `linux-${process.arch}`;
let root: string;

before(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-published-')));
  const modules = join(root, 'node_modules');
  const own = join(modules, 'caisson');
  await bundle(join(own, 'dist'));
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  const manifest = { name: 'caisson', version, type: 'module', exports: './dist/index.js' };
  writeFileSync(join(own, 'package.json'), JSON.stringify(manifest));
  const into = join(modules, '@caisson');
  mkdirSync(into);
  const binary = join(repository, 'native/launcher/build/caisson-launcher');
  assembleLauncher({ target, binary, version, into });
  symlinkSync(join(repository, 'node_modules/isolated-vm'), join(modules, 'isolated-vm'));
});
after(() => rmSync(root, { recursive: true, force: true }));

/** What a program prints that was written for whoever installed the package. */
function printed(program: string): string {
  const path = join(root, 'program.mjs');
  writeFileSync(
    path,
    `import { Caisson } from 'caisson';\nawait using caisson = await Caisson.open();\n${program}`,
  );
  const { stdout, stderr, status } = spawnSync(process.execPath, [path], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

test('the compiler of components stands beside its host, with its licence', () => {
  const dist = join(root, 'node_modules/caisson/dist');
  const magic = readFileSync(join(dist, 'component-compiler.wasm')).subarray(0, 4);
  assert.deepEqual([...magic], [0, 97, 115, 109]);
  assert.match(readFileSync(join(dist, 'component-compiler.LICENSE'), 'utf8'), /Apache License/);
});

test('functions run in a published isolate host, and inline', () => {
  const call = 'console.log(await caisson.call((a, b) => a + b, [40, 2], OPTIONS));';
  assert.equal(printed(call.replace('OPTIONS', '{}')), '42');
  assert.equal(printed(call.replace('OPTIONS', "{ placement: 'inline' }")), '42');
});

test('many changes are shown and applied by a published thread', () => {
  const workspace = join(root, 'workspace');
  mkdirSync(workspace);
  const program = `const policy = { level: 'moderate', filesystem: { workspace: 'overlay', write: ['$workspace'] } };
await using sandbox = await caisson.create({ policy, workspace: ${JSON.stringify(workspace)} });
await sandbox.exec(['sh', '-c', 'seq 2000 | xargs touch']);
const shown = await (await sandbox.changes()).diff();
console.log(shown.match(/^added /gm).length, (await sandbox.apply()).applied.length);`;
  assert.equal(printed(program), '2000 2000');
  assert.equal(readdirSync(workspace).length, 2000);
});

test('a captured variable is named there, too', () => {
  const program = `const base = 1;
try { await caisson.call(() => base); } catch ({ code, message }) { console.log(code, message); }`;
  assert.match(printed(program), /^REQUEST_INVALID .*base \(line 1, column 7/);
});

test('TypeScript and shell are evaluated, WASM is in a published host of its own', () => {
  const program = `
const typed = await caisson.eval('typescript', 'export default (a: number): number => a + 1', { input: 41 });
const wasm = await caisson.eval('wasm', Uint8Array.from([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0,
  10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11,
]), { export: 'add', input: [40, 2] });
const shell = await caisson.eval('shell', 'cat', { input: [1] });
console.log(typed.value, wasm.value, wasm.wall, shell.value);`;
  assert.equal(printed(program), '42 42 wasm [ 1 ]');
});
