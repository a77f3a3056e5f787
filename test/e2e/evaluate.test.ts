import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Caisson, isCaissonError } from '../../src/index.ts';

let caisson: Caisson;
before(async () => {
  caisson = await Caisson.open();
});
after(() => caisson.close());

const js = (source: string, options = {}) => caisson.evaluate('javascript', source, options);

describe('a program', () => {
  test('is a module whose default export is called, or read', async () => {
    const called = await js('export default (a) => a.map((x) => x * x)', { args: [[1, 2, 3]] });
    assert.deepEqual([called.kind, called.code, called.value], ['exited', 0, [1, 4, 9]]);
    assert.equal(called.wall, 'isolate');
    assert.match(called.wallReason, /behind the wall process/);
    assert.equal((await js('export default 6 * 7')).value, 42);
  });

  test('is a script where it has no module syntax', async () => {
    assert.equal((await js('const a = 40; a + 2')).value, 42);
    assert.equal((await js('(a, b) => a + b', { args: [40, 2] })).value, 42);
  });

  test('has named exports', async () => {
    const source = 'export const twice = (a) => a * 2; export const one = 1';
    assert.equal((await js(source, { export: 'twice', args: [21] })).value, 42);
    const missing = await js(source, { export: 'thrice' });
    assert.match(missing.error?.message ?? '', /no export "thrice"; it exports .*twice/);
  });

  test('may be TypeScript', async () => {
    const source = 'interface A { n: number }\nexport default ({ n }: A): number => n + 1';
    const { value } = await caisson.evaluate('typescript', source, { args: [{ n: 41 }] });
    assert.equal(value, 42);
    const wrong = await caisson.evaluate('typescript', 'let a = 1;\nlet b: = 2;');
    assert.equal(wrong.error?.name, 'SyntaxError');
    assert.deepEqual([wrong.error?.position?.line, wrong.error?.position?.column], [2, 8]);
  });

  test('may be TypeScript that breaks what takes its types out: the next one is not touched', async () => {
    const nested = `${'('.repeat(49_000)}1${')'.repeat(49_000)}`;
    for (let i = 0; i < 2; i++) {
      const broken = await caisson.evaluate('typescript', nested);
      assert.match(broken.error?.message ?? '', /nested too deeply/);
      const next = await caisson.evaluate('typescript', 'export default 42 as number');
      assert.equal(next.value, 42);
    }
  });

  test('has several files and an import map', async () => {
    const files = {
      'main.js':
        "import { b } from './lib/b.js'; import dep from 'dep'; import c from './c.json'; export default () => b + dep + c.n",
      'lib/b.js': "import '../main.js'; export const b = 1",
      'vendor/dep.js': 'export default 40',
      'c.json': '{ "n": 1 }',
    };
    const imports = { dep: 'vendor/dep.js' };
    const source = { files, entry: 'main.js', imports };
    assert.equal((await caisson.evaluate('javascript', source)).value, 42);
  });

  test('names every import that leads nowhere', async () => {
    const files = { 'main.js': "import fs from 'node:fs'; import './gone.js'; export default 1" };
    const { error } = await caisson.evaluate('javascript', { files, entry: 'main.js' });
    assert.equal(error?.name, 'ImportError');
    assert.match(error?.message ?? '', /"node:fs" \(in main.js\), ".\/gone.js" \(in main.js\)/);
  });

  test('finds its libraries in its globals', async () => {
    const libraries = [{ name: 'lib.js', source: 'globalThis.lib = { twice: (a) => a * 2 }' }];
    const files = { 'main.js': 'export default (a) => lib.twice(a)' };
    const source = { files, entry: 'main.js', libraries };
    assert.equal((await caisson.evaluate('javascript', source, { args: [21] })).value, 42);
  });

  test('takes and gives structured clones', async () => {
    const cyclic: Record<string, unknown> = { date: new Date(5), set: new Set([1n]) };
    cyclic.self = cyclic;
    const { value } = await js('export default (a) => a', { args: [cyclic] });
    const back = value as typeof cyclic;
    assert.equal(back.self, back);
    assert.deepEqual(back.date, cyclic.date);
    assert.deepEqual(back.set, cyclic.set);
  });

  test('starts anew each time, unless its context is kept', async () => {
    const source = 'let n = 0; export default () => ++n';
    assert.deepEqual([(await js(source)).value, (await js(source)).value], [1, 1]);
    const isolate = { keep: 'isolate' as const };
    assert.deepEqual(
      [(await js(source, isolate)).value, (await js(source, isolate)).value],
      [1, 1],
    );
    const context = { keep: 'context' as const };
    assert.deepEqual(
      [(await js(source, context)).value, (await js(source, context)).value],
      [1, 2],
    );
  });
});

describe('what a program says', () => {
  test('goes to stdout and stderr', async () => {
    const { stdout, stderr } = await js(
      "console.log('a', { b: [1, new Map([['k', 2n]])] }); console.error('e'); 1",
    );
    assert.equal(stdout.text, 'a { b: [ 1, Map { "k" => 2n } ] }\n');
    assert.equal(stderr.text, 'e\n');
  });

  test('is cut at the output limit', async () => {
    const { stdout, limitsHit, kind } = await js(
      "for (let i = 0; i < 100; i++) console.log('x'.repeat(100_000))",
    );
    assert.equal(kind, 'exited');
    assert.equal(stdout.bytes.length, 2 ** 20);
    assert.ok(limitsHit.includes('output'));
  });

  test('ends it at the output limit, where the policy says so', async () => {
    const policy = { limits: { output: '1KiB', onOutputLimit: 'kill' } } as const;
    let calls = 0;
    const { kind, value, stdout, limitsHit } = await js(
      "export default async () => { console.log('x'.repeat(2000)); for (;;) await f() }",
      { policy, grants: { f: () => new Promise((done) => setTimeout(done, 500, ++calls)) } },
    );
    assert.deepEqual([kind, value, limitsHit], ['output-limit', undefined, ['output']]);
    assert.equal(stdout.bytes.length, 1024);
    assert.ok(calls < 10, `${calls} host functions were called`);
    assert.equal((await js('console.log(1); 2', { policy })).value, 2);
  });

  test('when it throws, names its own lines', async () => {
    const { kind, code, error } = await js(
      'export default function f() {\n  throw new RangeError("far")\n}',
    );
    assert.deepEqual([kind, code, error?.name, error?.message], ['exited', 1, 'RangeError', 'far']);
    assert.match(error?.stack ?? '', /at f \(main.js:2:9\)/);
    assert.doesNotMatch(error?.stack ?? '', /caisson|isolated-vm|file:/);
  });

  test('shows where its syntax is wrong', async () => {
    const { error } = await js('export default {\n  a: ,\n}');
    assert.equal(error?.name, 'SyntaxError');
    assert.deepEqual(error?.position, {
      file: 'main.js',
      line: 2,
      column: 6,
      excerpt: '  a: ,\n     ^',
    });
  });
});

describe('host functions', () => {
  test('are called with copies and answer with copies', async () => {
    const seen: unknown[] = [];
    const given = { list: [1] };
    const grants = {
      db: {
        get: async (query: { id: number }) => {
          seen.push(query);
          return given;
        },
      },
    };
    const { value } = await js(
      'export default async () => { const q = { id: 7 }; const r = await db.get(q); q.id = 8; r.list.push(2); return r }',
      { grants },
    );
    assert.deepEqual(seen, [{ id: 7 }]);
    assert.deepEqual(value, { list: [1, 2] });
    assert.deepEqual(given, { list: [1] });
  });

  test('reject in the guest with the message of what they threw', async () => {
    const grants = {
      boom: () => {
        throw new Error('not today');
      },
    };
    const { value } = await js('export default () => boom().catch((e) => e.message)', { grants });
    assert.equal(value, 'not today');
  });

  test('give no way to the realm of the host', async () => {
    const grants = { f: async () => ({}) };
    const { value } = await js(
      `export default async () => {
        const tries = [f, f.constructor, await f(), Object.getPrototypeOf(await f()), console.log];
        return tries.map((t) => { try { return (t.constructor.constructor ?? t.constructor)('return typeof process + typeof require')() } catch (e) { return e.name } });
      }`,
      { grants },
    );
    assert.deepEqual([...new Set(value as string[])], ['undefinedundefined']);
  });

  test('and clocks: none that is finer than a millisecond', async () => {
    const { value } = await js(
      'export default () => [typeof performance, typeof Worker, Date.now() % 1, typeof Temporal]',
    );
    assert.deepEqual(value, ['undefined', 'undefined', 0, 'undefined']);
  });

  test('that were not granted are not there', async () => {
    const { value } = await js('typeof fetch + typeof process + typeof require + typeof db');
    assert.equal(value, 'undefined'.repeat(4));
  });

  test('with a name that JavaScript cannot call are refused', async () => {
    await assert.rejects(js('1', { grants: { 'a b': () => 1 } }), (error) => {
      return isCaissonError(error) && error.code === 'REQUEST_INVALID';
    });
  });
});

describe('what ends a program', () => {
  test('waiting for what never comes', async () => {
    const { kind, code, error } = await js('export default () => new Promise(() => {})');
    assert.deepEqual([kind, code, error?.name], ['exited', 13, 'Unsettled']);
  });

  test('its caller', async () => {
    const abort = new AbortController();
    const pending = js('for (;;);', { signal: abort.signal, cpuMs: 10_000 });
    setTimeout(() => abort.abort(), 200);
    await assert.rejects(pending, (error) => isCaissonError(error) && error.code === 'ABORTED');
    assert.equal((await js('1 + 1')).value, 2);
  });

  test('a result that cannot be copied', async () => {
    for (const result of [
      '() => 1',
      'new Proxy({}, {})',
      '({ get a() { return 1 } })',
      'Symbol()',
    ]) {
      const { kind, code, error } = await js(`export default () => (${result})`);
      assert.deepEqual([kind, code, error?.name], ['exited', 1, 'DataCloneError'], result);
    }
  });
});

test('in this process it is evaluated by name alone, and the outcome says so', async () => {
  const { value, wallReason, accepted } = await js('typeof process', { placement: 'inline' });
  assert.equal(value, 'undefined');
  assert.match(wallReason, /in this process/);
  assert.deepEqual(accepted, ['isolate.placement:inline']);
});

test('at paranoid it is refused while no wall for it is ready', async () => {
  await assert.rejects(
    js('1', { policy: 'paranoid' }),
    (error) => isCaissonError(error) && error.code === 'WALL_UNAVAILABLE',
  );
});
