/** `caisson eval` from end to end: what it prints, where, and what it ends with. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import type { Evaluation } from '../../src/index.ts';
import { makePlace, type Place } from './caisson.ts';

const has = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
const needsPython = { skip: has('python3') ? false : 'python3 is not installed' };

function evaluated(place: Place, args: readonly string[], input?: string) {
  const { stdout, stderr, status } = place.caisson(
    ['eval', ...args],
    input === undefined ? {} : { input },
  );
  return { stdout, stderr, status };
}

const SQUARES = 'export default (a) => a.map(x => x*x)';

describe('javascript and typescript', () => {
  test('print the value as JSON, and nothing else', () => {
    using place = makePlace();
    assert.deepEqual(evaluated(place, ['javascript', SQUARES, '--input', '[1,2,3]']), {
      stdout: '[1,4,9]\n',
      stderr: '',
      status: 0,
    });
    assert.equal(evaluated(place, ['javascript', 'new Map([[1, 2n]])']).stdout, '[[1,"2"]]\n');
    assert.equal(evaluated(place, ['javascript', 'undefined']).stdout, '');
  });

  test('take the input from stdin, the source from a file, and another export', () => {
    using place = makePlace();
    writeFileSync(
      join(place.work, 'sum.ts'),
      'export const sum = (a: number[]): number => a[0]! + a[1]!;',
    );
    const args = ['typescript', '--file', 'sum.ts', '--export', 'sum', '--input', '-'];
    assert.equal(evaluated(place, args, '[40, 2]').stdout, '42\n');
  });

  test('what the program prints goes before the value, to the stream that it named', () => {
    using place = makePlace();
    const source = 'console.log("out"); console.error("err"); 7';
    const { stdout, stderr } = evaluated(place, ['javascript', source]);
    assert.deepEqual([stdout, stderr], ['out\n7\n', 'err\n']);
  });

  test('what it throws is shown with the lines of the file; a syntax error with its place', () => {
    using place = makePlace();
    writeFileSync(
      join(place.work, 'far.js'),
      'export default () => {\n  throw new RangeError("far");\n}',
    );
    const thrown = evaluated(place, ['javascript', '--file', 'far.js']);
    assert.equal(thrown.status, 1);
    assert.equal(thrown.stdout, '');
    assert.match(thrown.stderr, /^RangeError: far\n {4}at .*far\.js:2:9/);
    const wrong = evaluated(place, ['javascript', 'export default {\n  a: ,\n}']);
    assert.equal(wrong.status, 1);
    assert.equal(wrong.stderr, "main.js:2:6\n  a: ,\n     ^\nSyntaxError: Unexpected token ','\n");
  });

  test('limits that are given hold, and are said by the exit code', () => {
    using place = makePlace();
    const late = evaluated(place, ['javascript', 'for (;;);', '--cpu-time', '200ms']);
    assert.equal(late.status, 124);
    assert.match(late.stderr, /^caisson: timed out: CPU time/);
    const hungry = 'const a = []; for (;;) a.push(new Array(1e5).fill(1))';
    assert.equal(evaluated(place, ['javascript', hungry, '--memory', '32MiB']).status, 137);
  });

  test('--json is one document with the value, or with what was thrown', () => {
    using place = makePlace();
    const { stdout } = evaluated(place, ['javascript', SQUARES, '--input', '[2]', '--json']);
    const { kind, code, value, wall } = JSON.parse(stdout) as Evaluation;
    assert.deepEqual([kind, code, value, wall], ['exited', 0, [4], 'isolate']);
    const thrown = evaluated(place, ['javascript', 'throw new TypeError("no")', '--json']);
    assert.equal(thrown.status, 1);
    assert.equal(thrown.stderr, '');
    assert.equal((JSON.parse(thrown.stdout) as Evaluation).error?.message, 'no');
  });

  test('a value that JSON cannot say is an error with its code, also as JSON', () => {
    using place = makePlace();
    const source = 'const a = {}; a.a = a; a';
    assert.match(evaluated(place, ['javascript', source]).stderr, /cannot be shown as JSON/);
    const { stdout, status } = evaluated(place, ['javascript', source, '--json']);
    assert.deepEqual([JSON.parse(stdout).error.code, status], ['GUEST_FAILED', 1]);
  });
});

describe('python and shell', () => {
  test('read the input from stdin, and what they print is the value', needsPython, () => {
    using place = makePlace();
    const source = 'import json, sys\nprint([x * x for x in json.load(sys.stdin)], end="")';
    const { stdout, stderr, status } = evaluated(place, ['python', source, '--input', '[1,2,3]']);
    assert.deepEqual([stdout, stderr, status], ['[1, 4, 9]', '', 0]);
    const json = evaluated(place, ['python', source, '--input', '[3]', '--json']);
    const { value, wall } = JSON.parse(json.stdout) as Evaluation;
    assert.deepEqual([value, wall], [[9], 'process']);
  });

  test('their errors are their own, with their exit codes', needsPython, () => {
    using place = makePlace();
    const { stderr, status } = evaluated(place, ['python', 'def f():\n  1/0\nf()']);
    assert.equal(status, 1);
    assert.match(stderr, /line 2, in f\nZeroDivisionError: division by zero\n$/);
    const failed = evaluated(place, ['shell', 'exit 3']);
    assert.deepEqual([failed.stdout, failed.stderr, failed.status], ['', '', 3]);
  });

  test('take words, variables and stdin as it is', () => {
    using place = makePlace();
    const args = [
      'shell',
      'printf "%s|%s|" "$1" "$WHO"; cat',
      '--env',
      'WHO=me',
      '--stdin',
      '--',
      '-x',
    ];
    assert.equal(evaluated(place, args, 'in').stdout, '-x|me|in');
  });

  test('stand behind the wall of the level', () => {
    using place = makePlace();
    writeFileSync(join(place.work, 'secret'), 'secret');
    const path = join(place.work, 'secret');
    assert.match(evaluated(place, ['shell', `cat ${path}`]).stderr, /No such file/);
    assert.equal(evaluated(place, ['shell', `cat ${path}`, '--read', 'secret']).stdout, 'secret');
    const none = evaluated(place, ['shell', 'echo hi', '--level', 'none']);
    assert.deepEqual([none.stdout, none.status], ['', 77]);
  });
});

/** (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add), (func (export "spin") (loop br 0)) */
const ADD_AND_SPIN = Uint8Array.from([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 10, 2, 96, 2, 127, 127, 1, 127, 96, 0, 0, 3, 3, 2, 0, 1, 7, 14, 2,
  3, 97, 100, 100, 0, 0, 4, 115, 112, 105, 110, 0, 1, 10, 17, 2, 7, 0, 32, 0, 32, 1, 106, 11, 7, 0,
  3, 64, 12, 0, 11, 11,
]);

const COUNT_WORDS = `
#include <stdio.h>
#include <ctype.h>
int main(int argc, char **argv) {
  FILE *f = fopen(argv[1], "r");
  if (!f) { perror(argv[1]); return 3; }
  long words = 0; int c, in = 0;
  while ((c = fgetc(f)) != EOF) { if (isspace(c)) in = 0; else if (!in) { in = 1; words++; } }
  printf("%ld\\n", words);
  return fopen(argv[1], "w") ? 4 : 0;
}`;

const probe = spawnSync('clang', ['--target=wasm32-wasi', '-x', 'c', '-', '-o', '/dev/null'], {
  input: 'int main(void) { return 0; }',
});
const needsClang = {
  skip: probe.status === 0 ? false : 'clang with wasi-libc is not installed',
};

describe('wasm', () => {
  test('an export is called with the input, and held to its fuel', () => {
    using place = makePlace();
    writeFileSync(join(place.work, 'm.wasm'), ADD_AND_SPIN);
    const wasm = (...args: string[]) => evaluated(place, ['wasm', '--file', 'm.wasm', ...args]);
    assert.equal(wasm('--export', 'add', '--input', '[40,2]').stdout, '42\n');
    const spun = wasm('--export', 'spin', '--fuel', '100000');
    assert.equal(spun.status, 124);
    assert.match(spun.stderr, /out of fuel/);
  });

  test(
    'a command compiled from C counts the words of a text in a read-only directory',
    needsClang,
    () => {
      using place = makePlace();
      const flags = [
        '--target=wasm32-wasi',
        '-O2',
        '-x',
        'c',
        '-',
        '-o',
        join(place.work, 'wc.wasm'),
      ];
      const made = spawnSync('clang', flags, { input: COUNT_WORDS });
      assert.equal(made.status, 0, String(made.stderr));
      mkdirSync(join(place.work, 'texts'));
      const text = readFileSync(resolve(import.meta.dirname, '../../LICENSE'), 'utf8');
      writeFileSync(join(place.work, 'texts/LICENSE'), text);
      const words = text.split(/\s+/).filter((word) => word !== '').length;
      const args = ['wasm', '--file', 'wc.wasm', '--dir', '/guest=texts', '--', '/guest/LICENSE'];
      assert.deepEqual(evaluated(place, args), { stdout: `${words}\n`, stderr: '', status: 0 });
      assert.equal(readFileSync(join(place.work, 'texts/LICENSE'), 'utf8'), text);
      const policy = 'level: strict\nfilesystem:\n  read: [/usr, ., "!./texts/LICENSE"]\n';
      writeFileSync(join(place.work, 'p.yaml'), policy);
      const carved = evaluated(place, [
        ...args.slice(0, 1),
        '--policy',
        'p.yaml',
        ...args.slice(1),
      ]);
      // The wall shows an empty file in its place.
      assert.equal(carved.stdout, '0\n', 'what the policy takes out by name stays out');
      const elsewhere = evaluated(place, ['wasm', '--file', 'wc.wasm', '--', '/guest/LICENSE']);
      assert.equal(elsewhere.status, 3);
    },
  );
});

test('what is asked for wrongly is said before anything runs', () => {
  using place = makePlace();
  for (const [args, message, exit] of [
    [['javascript'], /eval needs a source/, 64],
    [['javascript', '1', '--file', 'x.js'], /given twice/, 64],
    [['wasm', 'x'], /its source is a file/, 64],
    [['javascript', '1', '--input', '{'], /the input is no JSON/, 64],
    [
      ['javascript', '1', '--dir', '/a=.'],
      /--dir, --fuel, --deterministic and --certificate are for wasm/,
      64,
    ],
    [['shell', '1', '--export', 'x'], /shell has no export/, 64],
    [['typescript', '1', '--workspace', '.'], /no workspace/, 64],
    [['javascript', '1', '--', 'word'], /javascript has no words/, 64],
    [['javascript', '--file', 'gone.js'], /gone\.js cannot be read/, 66],
    [['wasm', '--file', 'gone', '--dir', 'x'], /gone cannot be read/, 66],
    [['ruby', '1'], /not one of javascript, typescript, python, shell, wasm/, 64],
  ] as const) {
    const { stdout, stderr, status } = evaluated(place, args);
    assert.equal(stdout, '');
    assert.match(stderr, message);
    assert.equal(status, exit, stderr);
  }
});
