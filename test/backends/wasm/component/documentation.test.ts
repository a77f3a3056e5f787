/** What docs/wasi.md says of components is so. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { VALUES } from './texts.ts';
import { wasmTools } from './wasm-tools.ts';

const repository = resolve(import.meta.dirname, '../../../..');
const page = readFileSync(join(repository, 'docs/wasi.md'), 'utf8');

test('the example prints what stands below it', async (t) => {
  const section = page.slice(page.indexOf('## Components'));
  const [, code = '', prints] = section.match(/^```ts\n(.*?)^```\n```text\n(.*?)^```\n/ms) ?? [];
  // Inside the package, so that `caisson` is its own name.
  mkdirSync(join(repository, 'build'), { recursive: true });
  const directory = mkdtempSync(join(repository, 'build/docs-components-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const component = join(directory, 'greeter.wasm');
  writeFileSync(component, (await wasmTools()).parse(VALUES));
  const program = join(directory, 'example.ts');
  writeFileSync(program, code);
  assert.equal(execFileSync(process.execPath, [program, component], { encoding: 'utf8' }), prints);
});
