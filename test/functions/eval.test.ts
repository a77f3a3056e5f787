/** `caisson.eval`: five languages, one way in and one way out. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { Caisson, type EvalOptions, isCaissonError } from '../../src/index.ts';

let caisson: Caisson;
before(async () => {
  caisson = await Caisson.open();
});
after(() => caisson.close());

const has = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
const needsPython = { skip: has('python3') ? false : 'python3 is not installed' };

test('the engines’ languages get the input as their argument', async () => {
  const js = await caisson.eval('javascript', '(a) => a.n + 1', { input: { n: 41 } });
  assert.deepEqual([js.value, js.wall], [42, 'isolate']);
  const ts = await caisson.eval('typescript', 'export default (a: number[]): number => a.length', {
    input: [1, 2, 3],
  });
  assert.equal(ts.value, 3);
  assert.equal((await caisson.eval('javascript', 'export default 7')).value, 7);
});

describe('python', needsPython, () => {
  test('reads JSON and prints JSON', async () => {
    const source = 'import json, sys\nprint(json.dumps({"n": json.load(sys.stdin)["n"] + 1}))';
    const { value, kind, wall, stdout } = await caisson.eval('python', source, {
      input: { n: 41 },
    });
    assert.deepEqual([value, kind, wall], [{ n: 42 }, 'exited', 'process']);
    assert.equal(stdout.text, '{"n": 42}\n');
  });

  test('what it raises is the error', async () => {
    const { code, error, value } = await caisson.eval('python', 'def f():\n  return {}["k"]\nf()');
    assert.deepEqual([code, error?.name, error?.message, value], [1, 'KeyError', "'k'", undefined]);
    assert.match(error?.stack ?? '', /line 2, in f/);
    const wrong = await caisson.eval('python', 'x = = 1');
    assert.deepEqual([wrong.error?.name, wrong.error?.message], ['SyntaxError', 'invalid syntax']);
    const left = await caisson.eval('python', 'import sys; sys.exit(3)');
    assert.deepEqual([left.code, left.error?.name], [3, 'Exit']);
  });

  test('a source that no argument could hold comes by stdin', async () => {
    const source = `${'# comment\n'.repeat(20_000)}import sys; print(len(sys.argv))`;
    assert.equal((await caisson.eval('python', source, { words: ['a', 'b'] })).value, 3);
    const refused = await caisson.safeEval('python', source, { input: 1 });
    assert.equal(refused.ok ? '' : refused.error.code, 'REQUEST_INVALID');
  });

  test('limits hold below those of the policy', async () => {
    const hungry = await caisson.eval('python', 'b = bytearray(256 << 20); print(len(b))', {
      memoryBytes: 64 << 20,
    });
    assert.deepEqual([hungry.kind, hungry.limitsHit], ['out-of-memory', ['memory']]);
    const late = await caisson.eval('python', 'import time; time.sleep(60)', { timeoutMs: 300 });
    assert.deepEqual([late.kind, late.clock], ['timed-out', 'wall']);
    const busy = await caisson.eval('python', 'while True: pass', { cpuMs: 300 });
    assert.deepEqual([busy.kind, busy.clock], ['timed-out', 'cpu']);
  });
});

describe('shell', () => {
  test('has words, variables, an input, and a value only where it prints JSON', async () => {
    const { value, stdout } = await caisson.eval('shell', 'echo "$0 $1 $WHO"; cat', {
      words: ['-x'],
      env: { WHO: 'me' },
      input: 'text',
    });
    assert.deepEqual([value, stdout.text], [undefined, 'sh -x me\n"text"']);
    assert.deepEqual((await caisson.eval('shell', 'cat', { input: [1, null] })).value, [1, null]);
    assert.equal((await caisson.eval('shell', 'cat', { stdin: 'true' })).value, true);
  });

  test('takes no source and no word for an option of its own', async () => {
    const dashed = await caisson.eval('shell', '-e nothing', { words: ['-x'] });
    assert.equal(dashed.code, 127);
    const long = `${':\n'.repeat(80_000)}echo "$1"`;
    const { stdout, stderr } = await caisson.eval('shell', long, { words: ['-x'] });
    assert.deepEqual([stdout.text, stderr.text], ['-x\n', '']);
  });

  test('what runs in an engine has no workspace: refused, not ignored', async () => {
    const workspace = import.meta.dirname;
    const refusal = { code: 'REQUEST_INVALID', message: /no workspace/ };
    await assert.rejects(caisson.evaluate('javascript', '1', { workspace }), refusal);
    await assert.rejects(caisson.eval('typescript', '1', { workspace }), refusal);
    await assert.rejects(
      caisson.call(() => 1, [], { workspace }),
      refusal,
    );
    const { ok } = await caisson.safeEvaluate('javascript', '1', { workspace });
    assert.equal(ok, false);
  });

  test('has no files of the host, and those of its workspace', async () => {
    const hidden = await caisson.eval('shell', 'cat /etc/shadow');
    assert.notEqual(hidden.code, 0);
    assert.match(hidden.error?.message ?? '', /No such file/);
    const policy = { filesystem: { read: ['/usr', '/bin', '/lib', '/lib64', '.'] } };
    const workspace = import.meta.dirname;
    const seen = await caisson.eval('shell', 'ls eval.test.ts', { policy, workspace });
    assert.equal(seen.stdout.text, 'eval.test.ts\n');
  });
});

test('a missing interpreter is an error that says what to install', async () => {
  await using bare = await Caisson.open({ environment: { PATH: '/nowhere', HOME: '/nowhere' } });
  const policy = { environment: { set: { PATH: '/nowhere' } } };
  const result = await bare.safeEval('python', 'print(1)', { policy });
  assert.ok(!result.ok);
  assert.equal(result.error.code, 'COMMAND_NOT_FOUND');
  assert.match(result.error.message, /python needs python3/);
  assert.match(result.error.hint ?? '', /install python3 .*filesystem\.read/);
});

test('what a language does not have is refused by name', async () => {
  const cases: [Parameters<Caisson['eval']>[0], string, EvalOptions, RegExp][] = [
    ['shell', 'true', { export: 'x' }, /shell has no export/],
    ['python', '1', { grants: { f: () => 1 } }, /python has no grants/],
    ['javascript', '1', { words: ['x'] }, /javascript has no words/],
    ['typescript', '1', { env: { A: 'b' } }, /typescript has no env/],
    ['wasm', '', { export: 'f', stdin: 'x' }, /an export of WASM has no stdin/],
    ['shell', 'true', { input: 1, stdin: 'x' }, /an input and a stdin/],
    ['shell', 'true', { input: 1n }, /no JSON/],
    ['shell', 'true', { memoryBytes: -1 }, /memoryBytes is -1/],
    ['ruby' as 'shell', 'puts 1', {}, /"ruby" is no language/],
  ];
  for (const [language, source, options, message] of cases) {
    await assert.rejects(caisson.eval(language, source, options), (error) => {
      assert.ok(isCaissonError(error));
      assert.equal(error.code, 'REQUEST_INVALID');
      assert.match(error.message, message);
      return true;
    });
  }
});
