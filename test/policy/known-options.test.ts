/** Options of callers without types: what nobody knows, and what is of another kind, is refused by name. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCaissonError } from '../../src/core/error.ts';
import { checkOptions, having, type KindsOf } from '../../src/policy/known-options.ts';

interface Options {
  readonly policy?: string;
  readonly timeoutMs?: number;
  readonly memoryBytes?: number;
  readonly accept?: readonly string[];
  readonly keep?: 'nothing' | 'everything';
  readonly queue?: { readonly total?: number };
  readonly signal?: AbortSignal;
  readonly secrets?: Readonly<Record<string, string | Uint8Array>>;
  readonly audit?: object;
}

const KNOWN = {
  policy: 'text',
  timeoutMs: 'number',
  memoryBytes: 'number',
  accept: 'texts',
  keep: ['nothing', 'everything'],
  queue: { total: 'number' },
  signal: 'signal',
  secrets: 'contentByName',
  audit: having('ready'),
} as const satisfies KindsOf<Options>;

// The compiler holds the list against the type.
// @ts-expect-error: `total` is missing
({}) satisfies KindsOf<{ readonly total?: number }>;
// @ts-expect-error: it is no text
({ total: 'text' }) as const satisfies KindsOf<{ readonly total?: number }>;
// @ts-expect-error: one of the words is missing
({ keep: ['nothing'] }) as const satisfies KindsOf<{ readonly keep?: string[] }>;

function refusal(options: unknown): { message: string; hint: string } {
  try {
    checkOptions(options, 'run', KNOWN);
  } catch (error) {
    assert.ok(isCaissonError(error) && error.code === 'REQUEST_INVALID', String(error));
    return { message: error.message, hint: error.hint ?? '' };
  }
  throw new Error('it was let through');
}

describe('what is known', () => {
  const good: unknown[] = [
    {},
    Object.create(null),
    { policy: undefined },
    {
      policy: 'strict',
      timeoutMs: Number.NaN,
      accept: [],
      keep: 'nothing',
      queue: { total: 1 },
      signal: new AbortController().signal,
      secrets: { A: 'a', B: Buffer.of(1) },
      audit: { ready: () => undefined },
    },
    new (class {
      policy = 'strict';
    })(),
  ];
  for (const [at, options] of good.entries()) {
    test(`is let through: ${at}`, () => checkOptions(options, 'run', KNOWN));
  }
});

describe('what nobody knows is named, and what was probably meant', () => {
  const slips: [name: string, hint: string][] = [
    ['polcy', 'did you mean policy?'],
    ['Policy', 'did you mean policy?'],
    ['timeout', 'did you mean timeoutMs?'],
    ['timout', 'did you mean timeoutMs?'],
    ['memory', 'did you mean memoryBytes?'],
    [
      'colour',
      'it takes policy, timeoutMs, memoryBytes, accept, keep, queue, signal, secrets, audit',
    ],
    // Of every object, and no option.
    ['toString', 'it takes policy,'],
  ];
  for (const [name, hint] of slips) {
    test(name, () => {
      for (const value of ['strict', undefined]) {
        const refused = refusal({ [name]: value });
        assert.equal(refused.message, `run has no option "${name}"`);
        assert.ok(refused.hint.startsWith(hint), refused.hint);
      }
    });
  }

  test('__proto__ of JSON', () => {
    assert.match(refusal(JSON.parse('{"__proto__": {}}')).message, /__proto__/);
  });

  test('in what an option holds', () => {
    assert.deepEqual(refusal({ queue: { totl: 1 } }), {
      message: 'run: queue has no option "totl"',
      hint: 'did you mean total?',
    });
  });

  test('what a prototype has would be lost with the first copy', () => {
    const { message, hint } = refusal(Object.create({ policy: 'paranoid' }));
    assert.match(message, /option policy of run is inherited/);
    assert.match(hint, /\.\.\.defaults/);
  });
});

describe('a value of another kind is told, and never what it holds', () => {
  const rows: [options: object, message: string, hint: RegExp][] = [
    [{ policy: 5 }, 'run: policy is 5', /a text/],
    [{ policy: null }, 'run: policy is null', /a text/],
    [{ timeoutMs: '5s' }, 'run: timeoutMs is a text', /a number/],
    [{ accept: 'all' }, 'run: accept is a text', /a list of texts/],
    [{ accept: [1] }, 'run: accept is a list', /a list of texts/],
    [{ keep: 'everthing' }, 'run: keep is "everthing"', /did you mean everything\?/],
    [{ keep: true }, 'run: keep is true', /nothing, everything/],
    [{ queue: 5 }, 'run: queue is 5', /an object/],
    [{ signal: new AbortController() }, 'run: signal is an AbortController', /`signal` of an/],
    [{ secrets: { KEY: 5 } }, 'run: secrets is an object', /texts or bytes/],
    [{ secrets: 'hunter2' }, 'run: secrets is a text', /an object/],
    [{ audit: {} }, 'run: audit is an object', /with ready$/],
    [{ audit: Promise.resolve() }, 'run: audit is a Promise', /await it/],
  ];
  for (const [options, message, hint] of rows) {
    test(message, () => {
      const refused = refusal(options);
      assert.equal(refused.message, message);
      assert.match(refused.hint, hint);
    });
  }
});

describe('what is no options', () => {
  const rows: [options: unknown, hint: RegExp][] = [
    [null, /\{ policy: 'strict' \}/],
    ['strict', /\{ policy: 'strict' \}/],
    [['strict'], /\{ policy: 'strict' \}/],
    [5, /\{ policy: 'strict' \}/],
    [() => {}, /await the promise/],
    [Promise.resolve({ policy: 'strict' }), /await/],
    [new Map([['policy', 'strict']]), /\{ policy: 'strict' \}/],
  ];
  for (const [options, hint] of rows) {
    test(Object.prototype.toString.call(options), () => {
      const refused = refusal(options);
      assert.match(refused.message, /^the options of run are /);
      assert.match(refused.hint, hint);
    });
  }
});
