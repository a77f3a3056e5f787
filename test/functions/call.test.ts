/** `caisson.call`, `sandboxed` and `SandboxedToolRunner`, by what runs, what comes back and what is refused. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  Caisson,
  type CaissonError,
  type Evaluation,
  isCaissonError,
  SandboxedToolRunner,
  sandboxed,
} from '../../src/index.ts';

let caisson: Caisson;
before(async () => {
  caisson = await Caisson.open();
});
after(() => caisson.close());

// biome-ignore lint/suspicious/noExplicitAny: what no type would let through is what is tried.
type Any = any;

async function refusal(run: () => unknown): Promise<CaissonError> {
  try {
    await run();
  } catch (error) {
    if (isCaissonError(error)) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('a function', () => {
  test('of any form runs in the guest', async () => {
    const methods = {
      sum(a: number, b: number) {
        return a + b;
      },
      async later(a: number) {
        return a * 2;
      },
      [`key ${1 + 1}`](a: number) {
        return a + 1;
      },
      async [Symbol.iterator](a: number) {
        return a + 2;
      },
      'any name'() {
        return 'any';
      },
      get() {
        return 'get';
      },
      *generate() {
        yield 1;
      },
    };
    assert.equal(await caisson.call((a: number, b: number) => a + b, [40, 2]), 42);
    assert.equal(await caisson.call(async (a: number) => a + 1, [41]), 42);
    assert.equal(
      await caisson.call(
        function fact(n: number): number {
          return n < 2 ? 1 : n * fact(n - 1);
        },
        [5],
      ),
      120,
    );
    assert.equal(await caisson.call(methods.sum, [40, 2]), 42);
    assert.equal(await caisson.call(methods.later, [21]), 42);
    assert.equal(await caisson.call(methods['key 2'] as Any, [41]), 42);
    assert.equal(await caisson.call(methods[Symbol.iterator] as Any, [40]), 42);
    assert.equal(await caisson.call(methods['any name']), 'any');
    assert.equal(await caisson.call(methods.get), 'get');
    assert.equal(await caisson.call(new Function('a', 'return a') as Any, [7]), 7);
  });

  test('is given and gives structured clones', async () => {
    const cyclic: Any = { when: new Date(5), set: new Set([1n]) };
    cyclic.self = cyclic;
    const back = await caisson.call((a: Any) => a, [cyclic]);
    assert.notEqual(back, cyclic);
    assert.equal(back.self, back);
    assert.deepEqual([back.when, back.set], [cyclic.when, cyclic.set]);
    const error = await refusal(() => caisson.call((a: Any) => a, [() => 1]));
    assert.equal(error.code, 'REQUEST_INVALID');
    assert.match(error.message, /cannot be copied/);
  });

  test('has no `this`, whatever it was', async () => {
    const seen = await caisson.call(function (this: unknown) {
      return this === undefined;
    } as () => boolean);
    assert.equal(seen, true);
    assert.equal(
      await caisson.call((() => (globalThis as Any).process === undefined) as () => boolean),
      true,
    );
    const arrow = new Function('return () => this')() as () => unknown;
    assert.equal(await caisson.call(arrow), undefined);
  });

  test('calls what it is granted', async () => {
    const asked: unknown[] = [];
    const look = async (id: number): Promise<string> => {
      asked.push(id);
      return `row ${id}`;
    };
    const tool = async (id: number) => `${await look(id)}!`;
    assert.equal(await caisson.call(tool, [7], { grants: { look } }), 'row 7!');
    assert.deepEqual(asked, [7]);
  });

  test('is cut off from the host', async () => {
    const seen = await caisson.call(() => {
      const names = ['process', 'require', 'fetch', 'Buffer', 'module'];
      return names.filter((name) => name in globalThis);
    });
    assert.deepEqual(seen, []);
  });
});

describe('what cannot be sent is refused before anything runs', () => {
  test('captured variables, each with its place', async () => {
    const base = 3;
    const other = { n: 1 };
    const error = await refusal(() =>
      caisson.call(
        (a: number) => {
          const sum = a + base;
          return sum + other.n + base;
        },
        [1],
      ),
    );
    assert.equal(error.code, 'REQUEST_INVALID');
    assert.match(error.message, /base \(line 2, column \d+ .*other \(line 3, column \d+ /);
    assert.match(error.hint ?? '', /pass base as an argument, or grant it/);
    const captured = error.details.captured as { name: string; line: number }[];
    assert.deepEqual(
      captured.map(({ name, line }) => [name, line]),
      [
        ['base', 2],
        ['other', 3],
      ],
    );
  });

  test('nothing of it was evaluated', async () => {
    const events: string[] = [];
    await using watched = await Caisson.open({ observer: ({ kind }) => events.push(kind) });
    const base = 1;
    await refusal(() => watched.call(() => base));
    assert.deepEqual(events, []);
  });

  for (const [what, fn, message] of [
    ['a native function', parseInt, /parseInt is a native function/],
    ['a bound function', ((a: number) => a).bind(null), /is a bound function/],
    ['a Proxy', new Proxy(() => 1, {}), /a native function or a Proxy/],
    ['a class', class A {}, /the function A is a class/],
    [
      'a getter',
      Object.getOwnPropertyDescriptor(
        {
          get x() {
            return 1;
          },
        },
        'x',
      )?.get,
      /getter or setter/,
    ],
    [
      'a method that says super',
      {
        m() {
          return super.toString();
        },
      }.m,
      /super \(line \d/,
    ],
    ['import()', async () => await import('node:fs'), /import\(\) \(line 1/],
    ['sloppy code', new Function('a', 'with (a) { return b }'), /strict code.*with statement/],
    ['a comment of scripts', new Function('a', 'b', 'return a\n<!--b\n'), /<!-- or -->/],
    ['what is no function', 'x', /is no function/],
    ['what is Node’s', () => process.pid, /process of Node \(line 1, column 7 /],
    [
      'a private method',
      class {
        #p() {
          return 1;
        }
        static of() {
          return new this().#p;
        }
      }.of(),
      /is a private method/,
    ],
  ] as const) {
    test(what, async () => {
      const error = await refusal(() => caisson.call(fn as Any, []));
      assert.equal(error.code, 'REQUEST_INVALID');
      assert.match(error.message, message);
      assert.ok(error.hint);
    });
  }

  test('what only looks like a comment of scripts is sent', async () => {
    const fn = (n: number) => {
      let all = '<!-- -->';
      while (n-- > 0) all += n;
      return all;
    };
    assert.equal(await caisson.call(fn, [2]), '<!-- -->10');
  });

  test('code that is nested too deeply for the analysis', async () => {
    const made = (expression: string) => new Function(`return ${expression}`) as () => number;
    // V8 reads it without a stack of its own for each.
    assert.equal(await caisson.call(made(`1${'+1'.repeat(20_000)}`)), 20_001);
    const nested = (depth: number) => made(`${'-(-('.repeat(depth)}1${'))'.repeat(depth)}`);
    assert.equal(await caisson.call(nested(50)), 1);
    const error = await refusal(() => caisson.call(nested(500)));
    assert.match(error.message, /nested too deeply/);
  });
});

describe('how a guest ends', () => {
  test('what it throws is thrown, with the lines of the function', async () => {
    const error = await refusal(() =>
      caisson.call(function far() {
        throw new RangeError('too far');
      }),
    );
    assert.equal(error.code, 'GUEST_FAILED');
    assert.match(error.message, /^the function far threw RangeError: too far$/);
    const { name, message, stack, evaluation } = error.details;
    assert.deepEqual([name, message], ['RangeError', 'too far']);
    assert.match(String(stack), /at far \(function\.js:2:\d+\)/);
    assert.equal((evaluation as Evaluation).kind, 'exited');
  });

  test('words of the guest’s steer no terminal, and are not cut where they are data', async () => {
    const error = await refusal(() =>
      caisson.call(() => {
        throw new Error(`\u001b[2J\n${'x'.repeat(5000)}`);
      }),
    );
    assert.doesNotMatch(error.message, /\p{Cc}/u);
    assert.ok(error.message.length < 1100);
    assert.equal(String(error.details.message).length, 5005);
  });

  test('on the first line the column is the function’s own', async () => {
    for (const fn of [
      new Function('return function f() { null.x }')(),
      new Function('return () => { null.x }')(),
      new Function('return { m() { null.x } }.m')(),
    ]) {
      const error = await refusal(() => caisson.call(fn));
      assert.equal(error.code, 'GUEST_FAILED');
      const column = /function\.js:1:(\d+)/.exec(String(error.details.stack))?.[1];
      assert.equal(String(fn)[Number(column) - 1], 'x', String(fn));
    }
  });

  test('a limit says which one', async () => {
    const spin = () => {
      for (;;);
    };
    const cpu = await refusal(() => caisson.call(spin, [], { cpuMs: 100 }));
    assert.deepEqual([cpu.code, cpu.details.limit], ['GUEST_LIMIT', 'cpu-time']);
    const wait = () => new Promise((resolve) => setTimeout(resolve, 60_000));
    const wall = await refusal(() => caisson.call(wait, [], { timeoutMs: 100 }));
    assert.deepEqual([wall.code, wall.details.limit], ['GUEST_LIMIT', 'wall-time']);
    const hoard = () => {
      const all = [];
      for (;;) all.push(new Array(1e5).fill(1));
    };
    const memory = await refusal(() => caisson.call(hoard, [], { memoryBytes: 32 * 2 ** 20 }));
    assert.deepEqual([memory.code, memory.details.limit], ['GUEST_LIMIT', 'memory']);
    assert.equal(await caisson.call(() => 1), 1);
  });

  test('a promise that nothing settles is a failure', async () => {
    const error = await refusal(() => caisson.call(() => new Promise(() => {})));
    assert.deepEqual([error.code, error.details.name], ['GUEST_FAILED', 'Unsettled']);
  });

  test('a caller that gives up gets ABORTED', async () => {
    const wait = () => new Promise((resolve) => setTimeout(resolve, 60_000));
    const error = await refusal(() => caisson.call(wait, [], { signal: AbortSignal.timeout(50) }));
    assert.equal(error.code, 'ABORTED');
  });
});

describe('sandboxed', () => {
  test('is the function as it was, with a promise', async () => {
    const add = (a: number, b: number): number => a + b;
    const apart = caisson.sandboxed(add);
    assert.deepEqual([apart.name, apart.length], ['add', 2]);
    const sum: number = await apart(40, 2);
    assert.equal(sum, 42);
    // @ts-expect-error a text is no number
    assert.equal(await apart('4', 2), '42');
    // @ts-expect-error one argument is missing
    assert.ok(Number.isNaN(await apart(1)));
    const later = caisson.sandboxed(async (a: string): Promise<string> => a);
    const text: string = await later('x');
    // @ts-expect-error what comes back is awaited, not a promise of a promise
    const wrong: Promise<string> = await later('x');
    assert.deepEqual([text, wrong], ['x', 'x']);
    const same = caisson.sandboxed(<T>(value: T): T => value);
    const kept: { n: number } = await same({ n: 1 });
    assert.deepEqual(kept, { n: 1 });
    const rest = caisson.sandboxed((...all: number[]) => all.length);
    assert.equal(await rest(1, 2, 3), 3);
  });

  test('alone it opens a Caisson of its own, and ends it', async () => {
    const square = sandboxed((a: number) => a * a, { timeoutMs: 5000 });
    assert.equal(await square(7), 49);
    await square.close();
    await square.close();
    assert.equal((await refusal(() => square(7))).code, 'SANDBOX_CLOSED');
    const never = sandboxed(() => 1);
    await never.close();
  });

  test('on a Caisson that it is given it leaves that open', async () => {
    {
      await using twice = sandboxed((a: number) => a * 2, { caisson });
      assert.equal(await twice(21), 42);
    }
    assert.equal(await caisson.call(() => 1), 1);
  });
});

describe('SandboxedToolRunner', () => {
  test('runs functions within seconds and MiB', async () => {
    await using runner = new SandboxedToolRunner({ timeout: 20, memoryMb: 32 });
    const sum: number = await runner.run((a: number, b: number) => a + b, 40, 2);
    assert.equal(sum, 42);
    await using hasty = new SandboxedToolRunner({ timeout: 1, memoryMb: 32 });
    const late = await refusal(() => hasty.run(() => new Promise((go) => setTimeout(go, 60_000))));
    assert.deepEqual([late.code, late.details.limit], ['GUEST_LIMIT', 'wall-time']);
    const { usage } = late.details.evaluation as Evaluation;
    assert.ok(usage.wallMs > 500 && usage.wallMs < 30_000, `${usage.wallMs} ms`);
    const hungry = await refusal(() =>
      runner.run(() => {
        const all = [];
        for (;;) all.push(new Array(1e5).fill(1));
      }),
    );
    assert.equal(hungry.code, 'GUEST_LIMIT');
    assert.equal(await runner.run(() => 'again'), 'again');
  });

  test('refuses limits that are none, and calls after its end', async () => {
    assert.throws(() => new SandboxedToolRunner({ timeout: 0 }), /timeout is 0/);
    assert.throws(() => new SandboxedToolRunner({ memoryMb: Number.NaN }), /memoryMb is NaN/);
    const runner = new SandboxedToolRunner({ caisson });
    await runner.close();
    assert.equal((await refusal(() => runner.run(() => 1))).code, 'SANDBOX_CLOSED');
  });
});
