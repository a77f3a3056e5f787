/** docs/wasi.md says what is so. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { defaultWasiLimits } from '../../../../src/backends/wasm/wasi/limits.ts';
import { wasiSignatures } from '../../../../src/backends/wasm/wasi/signatures.ts';

const repository = resolve(import.meta.dirname, '../../../..');
const page = readFileSync(join(repository, 'docs/wasi.md'), 'utf8');

test('the table of limits has every limit with its default', () => {
  const rows = [...page.matchAll(/^\| `(\w+)`: .*? \| (\d+) \|/gm)].map(([, name, value]) => [
    name,
    Number(value),
  ]);
  assert.deepEqual(Object.fromEntries(rows), defaultWasiLimits);
});

test('the number of functions is right', () => {
  assert.ok(page.includes(`All ${Object.keys(wasiSignatures).length} functions`));
});

test('the example prints what stands below it', (t) => {
  const [, code = '', prints] = page.match(/^```ts\n(.*?)^```\n```text\n(.*?)^```\n/ms) ?? [];
  // Below the repository, for its relative imports.
  mkdirSync(join(repository, 'build'), { recursive: true });
  const directory = mkdtempSync(join(repository, 'build/docs-wasi-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const wasm = join(directory, 'word-count.wasm');
  const source = join(import.meta.dirname, 'programs/word-count.c');
  const compiled = spawnSync('clang', ['--target=wasm32-wasi', '-O2', source, '-o', wasm]);
  if (compiled.status !== 0) return t.skip('clang with wasi-libc is not installed');
  const program = join(directory, 'example.ts');
  writeFileSync(program, code.replaceAll("'../src/", "'../../src/"));
  const output = execFileSync(process.execPath, [program, wasm], { encoding: 'utf8' });
  assert.equal(output, prints);
});
