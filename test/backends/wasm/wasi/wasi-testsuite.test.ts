/** The harness for WebAssembly/wasi-testsuite can tell a module that passes from one that does not. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { runTestSuite } from '../../../../scripts/wasi-testsuite.ts';
import { moduleBytes, op } from './module-bytes.ts';

const root = mkdtempSync(join(tmpdir(), 'caisson-testsuite-'));
after(() => rmSync(root, { recursive: true }));

const exiting = moduleBytes({
  imports: ['proc_exit'],
  functions: [{ name: '_start', code: [...op.i32(4), ...op.call(0)] }],
});
const writing = moduleBytes({
  imports: ['fd_write'],
  data: '\x08\0\0\0\x02\0\0\0hi',
  functions: [
    {
      name: '_start',
      code: [...op.i32(1), ...op.i32(0), ...op.i32(1), ...op.i32(64), ...op.call(0), ...op.drop],
    },
  ],
});
const trapping = moduleBytes({ functions: [{ name: '_start', code: op.unreachable }] });
/** Ends with the error number of finding the first preopen. */
const looking = moduleBytes({
  imports: ['proc_exit', 'fd_prestat_get'],
  functions: [{ name: '_start', code: [...op.i32(3), ...op.i32(0), ...op.call(1), ...op.call(0)] }],
});

function suite(files: Record<string, Uint8Array | object>) {
  const directory = mkdtempSync(join(root, 'suite-'));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(directory, path, '..'), { recursive: true });
    writeFileSync(
      join(directory, path),
      content instanceof Uint8Array ? content : JSON.stringify(content),
    );
  }
  const { results, leftOut } = runTestSuite(directory);
  return {
    leftOut,
    results: Object.fromEntries(results.map(({ name, passed }) => [name, passed])),
  };
}

test('exit codes, output and directories are compared with what is described', () => {
  assert.deepEqual(
    suite({
      'exit-right.wasm': exiting,
      'exit-right.json': { exit_code: 4 },
      'exit-wrong.wasm': exiting,
      'write-right.wasm': writing,
      'write-right.json': { stdout: 'hi' },
      'write-wrong.wasm': writing,
      'write-wrong.json': { stdout: 'ho' },
      'trap.wasm': trapping,
      'broken.wasm': Uint8Array.of(1, 2, 3),
      'with/root.wasm': looking,
      'with/root.json': { root: 'dir' },
      'with/dir/file': Uint8Array.of(1),
      'without.wasm': looking,
      'without.json': { exit_code: 8 },
    }),
    {
      leftOut: 0,
      results: {
        'broken.wasm': false,
        'exit-right.wasm': true,
        'exit-wrong.wasm': false,
        'trap.wasm': false,
        'with/root.wasm': true,
        'without.wasm': true,
        'write-right.wasm': true,
        'write-wrong.wasm': false,
      },
    },
  );
});

test('modules for another version of WASI are left out', () => {
  const found = suite({
    'p1/manifest.json': { version: 'wasm32-wasip1' },
    'p1/a.wasm': exiting,
    'p3/manifest.json': { version: 'wasm32-wasip3' },
    'p3/b.wasm': exiting,
  });
  assert.deepEqual(found, { leftOut: 1, results: { 'p1/a.wasm': false } });
});

test('the list of results that is kept is whole', () => {
  const kept = JSON.parse(
    readFileSync(join(import.meta.dirname, 'wasi-testsuite.results.json'), 'utf8'),
  ) as { commit: string; passed: string[]; failed: string[] };
  assert.match(kept.commit, /^[0-9a-f]{40}$/);
  assert.equal(new Set([...kept.passed, ...kept.failed]).size, 72);
});
