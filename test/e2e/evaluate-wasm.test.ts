import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Caisson, isCaissonError } from '../../src/index.ts';

const COUNT_WORDS = `
#include <stdio.h>
#include <ctype.h>
int main(int argc, char **argv) {
  FILE *f = fopen(argv[1], "r");
  if (!f) { perror(argv[1]); return 3; }
  long words = 0; int c, in = 0;
  while ((c = fgetc(f)) != EOF) { if (isspace(c)) in = 0; else if (!in) { in = 1; words++; } }
  printf("%ld\\n", words);
  fputs(fopen(argv[1], "w") ? "written" : "read-only", stderr);
  return 0;
}`;

/** (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add), (func (export "spin") (loop br 0)) */
const ADD_AND_SPIN = Uint8Array.from([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 10, 2, 96, 2, 127, 127, 1, 127, 96, 0, 0, 3, 3, 2, 0, 1, 7, 14, 2,
  3, 97, 100, 100, 0, 0, 4, 115, 112, 105, 110, 0, 1, 10, 17, 2, 7, 0, 32, 0, 32, 1, 106, 11, 7, 0,
  3, 64, 12, 0, 11, 11,
]);

const ASK_FOR_BYTES = `
#include <wasi/api.h>
static unsigned char bytes[1 << 20];
int main(void) { for (int i = 0; i < 1000; i++) if (__wasi_random_get(bytes, sizeof bytes)) return 1; return 0; }`;

const TELL_TIME = `
#include <stdio.h>
#include <time.h>
int main(void) {
  long fine = 0; struct timespec t;
  for (int i = 0; i < 100; i++) { clock_gettime(CLOCK_MONOTONIC, &t); fine |= t.tv_nsec % 1000000; }
  printf("%ld", fine); return 0;
}`;

let caisson: Caisson;
let directory: string;
before(async () => {
  caisson = await Caisson.open();
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-wasm-')));
});
after(async () => {
  await caisson.close();
  rmSync(directory, { recursive: true });
});

describe('a core module', () => {
  test('is called by its exports', async () => {
    const { value, wall } = await caisson.evaluate('wasm', ADD_AND_SPIN, {
      export: 'add',
      args: [40, 2],
    });
    assert.deepEqual([value, wall], [42, 'wasm']);
    const { error } = await caisson.evaluate('wasm', ADD_AND_SPIN, { export: 'sub' });
    assert.match(error?.message ?? '', /it exports add, spin/);
  });

  test('runs until its processor time is used up, and the next one is answered', async () => {
    const { kind, clock } = await caisson.evaluate('wasm', ADD_AND_SPIN, {
      export: 'spin',
      cpuMs: 200,
    });
    assert.deepEqual([kind, clock], ['timed-out', 'cpu']);
    const { value } = await caisson.evaluate('wasm', ADD_AND_SPIN, { export: 'add', args: [1, 2] });
    assert.equal(value, 3);
  });

  test('uses the same fuel each time, and ends when it has none', async () => {
    const add = { export: 'add', args: [1, 2], wasm: { fuel: 1000n } };
    const first = await caisson.evaluate('wasm', ADD_AND_SPIN, add);
    const second = await caisson.evaluate('wasm', ADD_AND_SPIN, add);
    assert.ok(first.fuel !== undefined && first.fuel > 0n && first.fuel < 20n);
    assert.equal(first.fuel, second.fuel);
    const spent = await caisson.evaluate('wasm', ADD_AND_SPIN, {
      export: 'spin',
      wasm: { fuel: 10_000n },
    });
    assert.deepEqual([spent.kind, spent.clock, spent.fuel], ['timed-out', 'fuel', 10_000n]);
    assert.deepEqual(spent.limitsHit, ['fuel']);
  });

  test('that is none is an error with its place', async () => {
    const { kind, code, error } = await caisson.evaluate('wasm', ADD_AND_SPIN.subarray(0, 40));
    assert.deepEqual([kind, code, error?.name], ['exited', 1, 'WASM_MALFORMED']);
  });

  test('is granted no host functions', async () => {
    const granted = caisson.evaluate('wasm', ADD_AND_SPIN, { grants: { f: () => 1 } });
    await assert.rejects(
      granted,
      (error) => isCaissonError(error) && error.code === 'REQUEST_INVALID',
    );
  });
});

const probe = spawnSync('clang', ['--target=wasm32-wasi', '-x', 'c', '-', '-o', '/dev/null'], {
  input: 'int main(void) { return 0; }',
});
const skip = probe.status === 0 ? false : 'clang with wasi-libc is not installed';

describe('a command compiled from C', { skip }, () => {
  let bytes: Uint8Array;
  let asking: Uint8Array;
  let texts: string;
  const text = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
  before(() => {
    bytes = compiled(COUNT_WORDS, join(directory, 'wc.wasm'));
    asking = compiled(ASK_FOR_BYTES, join(directory, 'ask.wasm'));
    texts = join(directory, 'texts');
    mkdirSync(texts);
    writeFileSync(join(texts, 'readme.md'), text);
  });
  const policy = () => ({ level: 'strict', filesystem: { read: [texts] } }) as const;
  const options = () => ({ args: ['wc', '/texts/readme.md'], preopens: { '/texts': texts } });

  test('counts the words of a directory that it may only read', async () => {
    const { code, stdout, stderr } = await caisson.evaluate('wasm', bytes, {
      policy: policy(),
      wasm: options(),
    });
    assert.equal(stdout.text.trim(), String(text.split(/\s+/).filter(Boolean).length));
    assert.deepEqual([code, stderr.text], [0, 'read-only']);
    assert.equal(readFileSync(join(texts, 'readme.md'), 'utf8'), text);
  });

  test('sees nothing else', async () => {
    const wasm = { ...options(), args: ['wc', '/etc/passwd'] };
    const { code, error, stdout } = await caisson.evaluate('wasm', bytes, {
      policy: policy(),
      wasm,
    });
    assert.deepEqual([code, error?.message, stdout.text], [3, 'exit code 3', '']);
  });

  test('is given only directories that the policy lets be read', async () => {
    const wasm = { ...options(), preopens: { '/etc': '/etc' } };
    const refused = caisson.evaluate('wasm', bytes, { policy: policy(), wasm });
    await assert.rejects(refused, (error) => {
      return (
        isCaissonError(error) && error.code === 'REQUEST_INVALID' && /\/etc/.test(error.message)
      );
    });
  });

  test('gives the same outputs and uses the same fuel, where that is asked for', async () => {
    const wasm = { ...options(), fuel: 100_000_000n, deterministic: { seed: 'a' } };
    const runs = [1, 2].map(() => caisson.evaluate('wasm', bytes, { policy: policy(), wasm }));
    const [first, second] = await Promise.all(runs);
    assert.ok((first?.fuel ?? 0n) > 0n);
    assert.deepEqual([first?.fuel, first?.stdout.text], [second?.fuel, second?.stdout.text]);
  });

  test('has no clock that is finer than a millisecond', async () => {
    const telling = compiled(TELL_TIME, join(directory, 'time.wasm'));
    const { stdout } = await caisson.evaluate('wasm', telling, { wasm: { args: ['time'] } });
    assert.equal(stdout.text, '0');
  });

  test('pays with fuel for what the host does for it', async () => {
    const wasm = { args: ['ask'], fuel: 10_000_000n };
    const { kind, clock } = await caisson.evaluate('wasm', asking, { wasm });
    assert.deepEqual([kind, clock], ['timed-out', 'fuel']);
  });
});

function compiled(source: string, output: string): Uint8Array {
  const flags = ['--target=wasm32-wasi', '-O2', '-x', 'c', '-', '-o', output];
  const { status, stderr } = spawnSync('clang', flags, { input: source });
  assert.equal(status, 0, String(stderr));
  return readFileSync(output);
}
