/** A program in C, compiled against wasi-libc, on real text: as the system's own wc counts it. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, describe, test } from 'node:test';
import { readDirectory } from '../../../../scripts/read-wasi-directory.ts';
import { engine } from '../../../../src/backends/wasm/engine.ts';
import { systemClock } from '../../../../src/backends/wasm/wasi/clock.ts';
import { systemRandom } from '../../../../src/backends/wasm/wasi/random-source.ts';
import { directory, symlink } from '../../../../src/backends/wasm/wasi/tree.ts';
import { WasiHost, type WasiHostOptions } from '../../../../src/backends/wasm/wasi/wasi-host.ts';

const repository = resolve(import.meta.dirname, '../../../..');
const docs = join(repository, 'docs');
const built = mkdtempSync(join(tmpdir(), 'caisson-word-count-'));
after(() => rmSync(built, { recursive: true }));
const wasm = join(built, 'word-count.wasm');
const source = join(import.meta.dirname, 'programs/word-count.c');
const compiler = spawnSync('clang', ['--target=wasm32-wasi', '-O2', '-Wall', source, '-o', wasm]);
const skip = compiler.status !== 0 && 'clang with wasi-libc is not installed';

function wordCount(args: readonly string[], options: Partial<WasiHostOptions> = {}) {
  const output = { stdout: '', stderr: '' };
  const to = (stream: keyof typeof output) => ({
    sink: (bytes: Uint8Array) => {
      output[stream] += Buffer.from(bytes);
    },
  });
  const host = new WasiHost({
    args: ['word-count', ...args],
    clock: systemClock(),
    random: systemRandom,
    stdout: to('stdout'),
    stderr: to('stderr'),
    ...options,
  });
  const exit = host.start(new engine.Instance(new engine.Module(readFileSync(wasm)), host.imports));
  return { exit, host, ...output };
}

const readOnlyDocs = () => [{ path: '/docs', directory: readDirectory(docs) }];

/** Lines of counts, in the order of paths, with the spaces of wc taken out. */
const sorted = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => line.trim().replace(/\s+/g, ' '))
    .sort();

describe('word-count', { skip }, () => {
  test('counts every file of a read-only directory as wc does', () => {
    const { exit, host, stdout, stderr } = wordCount(['/docs'], { preopens: readOnlyDocs() });
    assert.deepEqual([exit, stderr], [{ kind: 'exited', code: 0 }, '']);
    const wc = execFileSync('sh', ['-c', 'find docs -type f -exec wc {} +'], {
      cwd: repository,
      encoding: 'utf8',
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
    });
    const ours = sorted(stdout.replaceAll('/docs/', 'docs/'));
    assert.deepEqual(ours, sorted(wc));
    assert.ok(ours.length > 10);
    assert.deepEqual([host.changes(), host.faults], [[], []]);
  });

  test('cannot write there, and says why', () => {
    for (const path of ['/docs/new', '/docs/library.md']) {
      const { exit, host, stderr } = wordCount(['-o', path, '/docs'], { preopens: readOnlyDocs() });
      assert.deepEqual(exit, { kind: 'exited', code: 2 });
      assert.match(stderr, /Read-only file system/);
      assert.deepEqual(host.changes(), []);
    }
  });

  test('sees no file that it was not given', () => {
    const tree = directory({ out: symlink('../etc/passwd'), far: symlink('/etc/passwd') });
    const { exit, stdout, stderr } = wordCount(
      ['/etc/passwd', '/docs/../etc/passwd', '/docs/out', '/docs/far'],
      {
        preopens: [{ path: '/docs', directory: tree }],
      },
    );
    assert.deepEqual(exit, { kind: 'exited', code: 1 });
    assert.equal(stderr.trim().split('\n').length, 4);
    assert.equal(stdout, '0 0 0 total\n');
  });

  test('reads what it is given on standard input, and writes where it may', () => {
    const words = new TextEncoder().encode('one two\n three \n');
    assert.equal(wordCount([], { stdin: words }).stdout, '2 3 16 -\n');
    const out = [{ path: '/out', directory: directory({}, { writable: true }) }];
    const { exit, host } = wordCount(['-o', '/out/counts'], { stdin: words, preopens: out });
    assert.deepEqual(exit, { kind: 'exited', code: 0 });
    const [change, ...others] = host.changes();
    assert.deepEqual(others, []);
    assert.ok(change?.kind === 'file' && change.path === '/out/counts');
    assert.equal(Buffer.from(change.read()).toString(), '2 3 16 -\n');
  });
});
