/** Components behind the wall: commands compiled from C, and exports called by name. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { WasmOptions } from '../../src/backends/program.ts';
import { Caisson, isCaissonError } from '../../src/index.ts';
import { commandAdapter } from '../backends/wasm/component/adapter.ts';
import { GREEDY, VALUES, WANTING } from '../backends/wasm/component/texts.ts';
import { wasmTools } from '../backends/wasm/component/wasm-tools.ts';

const MiB = 2 ** 20;

const COUNT_WORDS = `
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
int main(int argc, char **argv) {
  DIR *d = opendir(argv[1]);
  if (!d) { perror(argv[1]); return 3; }
  long words = 0;
  for (struct dirent *e; (e = readdir(d)); ) {
    char path[512];
    if (e->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
    FILE *f = fopen(path, "r");
    if (!f) { perror(path); return 4; }
    int c, in = 0;
    while ((c = fgetc(f)) != EOF) { if (isspace(c)) in = 0; else if (!in) { in = 1; words++; } }
    fclose(f);
    fputs(fopen(path, "w") ? "written " : "read-only ", stderr);
  }
  printf("%ld\\n", words);
  return 0;
}`;

/** Says what it is given; writes and reads a file of its own; ends in several ways. */
const ALL_ELSE = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "exit")) exit(atoi(argv[2]));
  if (argc > 1 && !strcmp(argv[1], "abort")) abort();
  if (argc > 1 && !strcmp(argv[1], "spin")) for (volatile long i = 0;; i++);
  if (argc > 1 && !strcmp(argv[1], "sleep")) {
    struct timespec before, after, wait = { 0, 30000000 };
    clock_gettime(CLOCK_MONOTONIC, &before);
    nanosleep(&wait, 0);
    clock_gettime(CLOCK_MONOTONIC, &after);
    long ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
    printf("%s", ms >= 29 ? "slept" : "did not sleep");
    return 0;
  }
  char line[64] = "";
  FILE *f = fopen("/tmp/note", "w+");
  if (!f) { perror("/tmp/note"); return 5; }
  while (fgets(line, sizeof line, stdin)) fputs(line, f);
  rewind(f);
  while (fgets(line, sizeof line, f)) fputs(line, stdout);
  printf("%s %s", getenv("COLOUR"), argv[1]);
  unsigned char random[4];
  getentropy(random, 4);
  fprintf(stderr, "%02x%02x%02x%02x", random[0], random[1], random[2], random[3]);
  return 0;
}`;

/**
 * Takes all memory that there is, by the page: the allocator of Debian's wasi-libc takes the adapter's own pages for its
 * heap, and a program that fills them ends in the adapter.
 */
const TAKE = `
#include <stdio.h>
#include <string.h>
int main(void) {
  long taken = 0, at;
  printf("took ");
  fflush(stdout);
  for (; (at = __builtin_wasm_memory_grow(0, 16)) != -1; taken++) memset((char *)(at << 16), 1, 1 << 20);
  printf("%ld", taken);
  return 0;
}`;

let caisson: Caisson;
let directory: string;
let values: Uint8Array;
let greedy: Uint8Array;
before(async () => {
  caisson = await Caisson.open();
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-component-')));
  const tools = await wasmTools();
  values = tools.parse(VALUES);
  greedy = tools.parse(GREEDY);
});
after(async () => {
  await caisson.close();
  rmSync(directory, { recursive: true });
});

describe('a component', () => {
  test('is called by its exports, with strings and records', async () => {
    const args = ['name', { x: 2, y: 0.25 }];
    const { value, wall } = await caisson.evaluate('wasm', values, { export: 'describe', args });
    assert.deepEqual([value, wall], [{ text: 'name', sum: 2.25 }, 'wasm']);
  });

  test('ends when its fuel or its processor time is used up, and the next one is answered', async () => {
    const spent = await caisson.evaluate('wasm', greedy, {
      export: 'spin',
      wasm: { fuel: 10_000n },
    });
    assert.deepEqual([spent.kind, spent.clock, spent.fuel], ['timed-out', 'fuel', 10_000n]);
    const { kind, clock } = await caisson.evaluate('wasm', greedy, { export: 'spin', cpuMs: 2000 });
    assert.deepEqual([kind, clock], ['timed-out', 'cpu']);
    const { value } = await caisson.evaluate('wasm', values, { export: 'sum-up', args: [[1, 2]] });
    assert.equal(value, 3n);
  });

  test('has no more memory than its limit', async () => {
    const { value } = await caisson.evaluate('wasm', greedy, {
      export: 'grow',
      memoryBytes: 4 * MiB,
    });
    assert.ok((value as number) <= 64, `${value} pages of 64 KiB`);
  });

  test('that wants what nobody provides is refused, all of it named', async () => {
    const { parse } = await wasmTools();
    const { code, error } = await caisson.evaluate('wasm', parse(WANTING), { export: 'run' });
    assert.deepEqual([code, error?.name], [1, 'WASM_IMPORTS_UNKNOWN']);
    assert.match(error?.message ?? '', /docs:db\/store\.get.*notify.*wasi:http\/outgoing-handler/);
  });

  test('that is none is an error', async () => {
    const { code, error } = await caisson.evaluate('wasm', values.subarray(0, 200));
    assert.deepEqual([code, error?.name], [1, 'WASM_MALFORMED']);
  });
});

const probe = spawnSync('clang', ['--target=wasm32-wasi', '-x', 'c', '-', '-o', '/dev/null'], {
  input: 'int main(void) { return 0; }',
});
const adapter = probe.status === 0 ? commandAdapter() : undefined;
const skip =
  probe.status !== 0
    ? 'clang with wasi-libc is not installed'
    : adapter === undefined && 'the adapter of components cannot be fetched by npm';

describe('a command compiled from C', { skip }, () => {
  let countWords: Uint8Array;
  let allElse: Uint8Array;
  let texts: string;
  const text = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');

  before(async () => {
    countWords = await compile('count-words', COUNT_WORDS);
    allElse = await compile('all-else', ALL_ELSE);
    texts = join(directory, 'texts');
    mkdirSync(texts);
    writeFileSync(join(texts, 'readme.md'), text);
    writeFileSync(join(texts, 'two.txt'), 'two words');
  });

  async function compile(name: string, source: string): Promise<Uint8Array> {
    const output = join(directory, `${name}.wasm`);
    const args = ['--target=wasm32-wasi', '-O2', '-x', 'c', '-', '-o', output];
    const { status, stderr } = spawnSync('clang', args, { input: source });
    assert.equal(status, 0, String(stderr));
    const { componentNew } = await wasmTools();
    return componentNew(readFileSync(output), [['wasi_snapshot_preview1', adapter as Uint8Array]]);
  }

  const policy = () => ({ level: 'strict', filesystem: { read: [texts] } }) as const;
  const count = (path: string, wasm: WasmOptions = {}) =>
    caisson.evaluate('wasm', countWords, {
      policy: policy(),
      wasm: { args: ['count', path], preopens: { '/texts': texts }, ...wasm },
    });
  const run = (args: readonly string[], wasm: WasmOptions = {}) =>
    caisson.evaluate('wasm', allElse, {
      memoryBytes: 16 * MiB,
      wasm: { args: ['all', ...args], ...wasm },
    });

  test('counts the words of a directory that it may only read', async () => {
    const { code, stdout, stderr, error } = await count('/texts');
    assert.equal(code, 0, `${error?.message} ${stderr.text}`);
    assert.equal(stdout.text.trim(), String(text.split(/\s+/).filter(Boolean).length + 2));
    assert.equal(stderr.text, 'read-only read-only ');
    assert.equal(readFileSync(join(texts, 'readme.md'), 'utf8'), text);
  });

  test('sees nothing else', async () => {
    for (const path of ['/', '/etc', '/texts/..', '/texts/../../etc', '/proc/self', directory]) {
      const { code, stdout } = await count(path);
      assert.deepEqual([code, stdout.text], [1, ''], path);
    }
  });

  test('is given only directories that the policy lets be read', async () => {
    const refused = count('/etc', { preopens: { '/etc': '/etc' } });
    await assert.rejects(
      refused,
      (error) =>
        isCaissonError(error) && error.code === 'REQUEST_INVALID' && /\/etc/.test(error.message),
    );
  });

  test('uses the same fuel each time', async () => {
    const wasm = { fuel: 1_000_000_000n, deterministic: { seed: 'a' } };
    const [first, second] = [await count('/texts', wasm), await count('/texts', wasm)];
    assert.ok((first.fuel ?? 0n) > 0n);
    assert.deepEqual([first.code, first.fuel], [0, second.fuel]);
    const cut = await count('/texts', { ...wasm, fuel: (first.fuel ?? 0n) - 1n });
    assert.deepEqual([cut.kind, cut.clock], ['timed-out', 'fuel']);
  });

  test('has arguments, variables, standard input and a /tmp of its own', async () => {
    const stdin = new TextEncoder().encode('one\ntwo\n');
    const { code, stdout } = await run(['last'], { stdin, env: { COLOUR: 'blue' } });
    assert.deepEqual([code, stdout.text], [0, 'one\ntwo\nblue last']);
    const again = await run(['last'], { env: { COLOUR: 'red' } });
    assert.equal(again.stdout.text, 'red last');
  });

  test('is told by its seed what chance there is', async () => {
    const chance = async (seed?: string) => {
      const wasm = seed === undefined ? {} : { deterministic: { seed } };
      return (await run(['x'], wasm)).stderr.text;
    };
    const a = await chance('a');
    assert.match(a, /^[0-9a-f]{8}$/);
    assert.deepEqual([await chance('a'), (await chance('b')) === a], [a, false]);
    assert.notEqual(await chance(), await chance());
  });

  test('ends with 0, or with 1 for every other code, which is all that its world tells', async () => {
    assert.equal((await run(['exit', '0'])).code, 0);
    const { code, error } = await run(['exit', '7']);
    assert.deepEqual([code, error?.message], [1, 'exit code 1']);
    assert.equal((await run(['abort'])).error?.name, 'Trap');
  });

  test('has no more memory than its limit', async () => {
    const bytes = await compile('take', TAKE);
    const { stdout, code } = await caisson.evaluate('wasm', bytes, { memoryBytes: 16 * MiB });
    const taken = Number(stdout.text.replace('took ', ''));
    assert.equal(code, 0);
    assert.ok(taken > 4 && taken < 16, `${stdout.text} of 16 MiB`);
  });

  test('sleeps', async () => {
    assert.equal((await run(['sleep'])).stdout.text, 'slept');
  });

  test('spins until its time is used up', async () => {
    const { kind, clock } = await caisson.evaluate('wasm', allElse, {
      cpuMs: 1500,
      wasm: { args: ['all', 'spin'] },
    });
    assert.deepEqual([kind, clock], ['timed-out', 'cpu']);
    assert.equal((await run(['exit', '0'])).code, 0);
  });
});
